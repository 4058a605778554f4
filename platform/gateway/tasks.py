"""What the clock does for the gateway, in every organisation."""

from __future__ import annotations

from gateway import budgets, usage
from isolation import context
from isolation.tasks import tenant_task


@tenant_task(name="gateway.tasks.free_lost_holds", max_retries=0)
def free_lost_holds() -> None:
    """What calls hold that never came back, here and at the platform's level. Running twice frees nothing twice."""
    budgets.release_expired()
    with context.use(context.service(context.PUBLIC)):
        budgets.release_expired()


@tenant_task(name="gateway.tasks.forget_old_usage", max_retries=0)
def forget_old_usage() -> None:
    """Records of usage past their time."""
    usage.forget_old()
