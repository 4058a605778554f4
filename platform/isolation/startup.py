"""A process with the wrong login, or walls with a hole, does not start."""

from __future__ import annotations

import psycopg
from django.db import connection

from isolation import lints


class UnsafeDatabase(RuntimeError):
    """The database would not keep tenants apart; the message says what is wrong and where."""


def refuse_unsafe_database() -> None:
    """Look at the login and the catalogue as this process will use them. Raises `UnsafeDatabase`.

    Opens a connection of its own, outside Django's, since there is no tenant context yet.
    """
    parameters = dict(connection.get_connection_params())
    for name in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    with psycopg.connect(**parameters, connect_timeout=10) as link, link.cursor() as cursor:
        if faults := lints.login_faults(cursor):
            raise UnsafeDatabase("; ".join(faults) + ". Serve with the login cloison_app (see docs/operations.md).")
        if found := list(lints.holes(cursor)):
            first = "; ".join(f"{hole.what}: {hole.where}" for hole in found[:5])
            raise UnsafeDatabase(f"{len(found)} holes in the walls: {first}")
