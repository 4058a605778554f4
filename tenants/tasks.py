"""Work for all tenants is one message per tenant, each in its own signed context."""

from __future__ import annotations

from celery import current_app, shared_task
from django.db import connections

from isolation import context
from tenants.sites import active_schemas


@shared_task(name="tenants.tasks.fan_out")
def fan_out(task: str) -> None:
    """Send `task` once to every active tenant, under its maintenance context. A copy sent twice must be harmless."""
    try:
        schemas = active_schemas()
    finally:
        connections.close_all()
    for schema in schemas:
        with context.use(context.service(schema)):
            current_app.tasks[task].apply_async(expires=60)
