"""Clean connections. This module must not import django_tenants: settings name it before the apps are ready."""

from __future__ import annotations

from typing import Any

from psycopg import OperationalError
from psycopg.pq import ExecStatus

# What DISCARD ALL stands for (PostgreSQL's documentation of DISCARD), but for DISCARD PLANS: the plans that stay are
# those of the guard's own functions, which nobody else can replace, and making them anew costs each request 0.1 ms.
# Statements that somebody prepared go. The role is named since RESET ALL leaves it alone.
CLEAN = (
    b"CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; DEALLOCATE ALL; UNLISTEN *;"
    b" SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES"
)


def clean(connection: Any) -> None:
    """Wipe a connection before the next tenant gets it: role, settings, temporary tables, locks, prepared statements.

    Raises `psycopg.OperationalError` where that failed; the pool then throws the connection away.
    """
    connection.autocommit = True
    result = connection.pgconn.exec_(CLEAN)
    if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        raise OperationalError("the connection could not be wiped")
