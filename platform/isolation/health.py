"""Whether the database answers this process's login."""

from __future__ import annotations

from django.db import connection

from isolation import context
from isolation.threads import in_thread


def _ask() -> None:
    with context.use(context.gateway()), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


async def database() -> None:
    """Raises whatever the database driver raises."""
    await in_thread(_ask)
