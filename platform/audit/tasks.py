"""Audit's work in the background."""

from __future__ import annotations

from audit import walls
from isolation.tasks import tenant_task


@tenant_task(name="audit.tasks.try_walls", max_retries=0)
def try_walls(report_id: int) -> None:
    """Not retried: whoever wants to know asks again. Delivered twice, the second finds the report ended."""
    walls.run(report_id)
