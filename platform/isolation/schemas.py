"""A tenant's role and schema: made and removed by the migrator's login alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from psycopg import sql

from isolation import context
from isolation.context import MIGRATOR_ROLE, OWNER_ROLE, SERVICE_ROLE
from isolation.guard import APP_LOGIN, SEARCH_ROLE

TENANT_SCHEMA = re.compile(r"t_[0-9a-f]{12}")


def checked(schema: str) -> str:
    """The name, safe to stand in SQL. Raises `ValueError` for what is not `t_` and 12 hexadecimal digits."""
    if not TENANT_SCHEMA.fullmatch(schema):
        raise ValueError(f"not a tenant schema: {schema!r}")
    return schema


def exists(schema: str) -> bool:
    """Whether the database has a schema of this name."""
    with context.use(context.gateway()), connection.cursor() as cursor:
        cursor.execute("SELECT to_regnamespace(%s) IS NOT NULL", (schema,))
        return bool(cursor.fetchone()[0])


def comment(schema: str) -> str:
    """What stands at the schema; "" where nothing does."""
    with context.use(context.gateway()), connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(obj_description(to_regnamespace(%s), 'pg_namespace'), '')", (checked(schema),))
        return str(cursor.fetchone()[0])


def commented(beginning: str) -> list[str]:
    """Tenants' schemas whose comment begins so."""
    with context.use(context.gateway()), connection.cursor() as cursor:
        cursor.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname ~ '^t_[0-9a-f]{12}$'"
            " AND starts_with(obj_description(oid, 'pg_namespace'), %s) ORDER BY oid",
            (beginning,),
        )
        return [str(name) for (name,) in cursor.fetchall()]


def set_comment(schema: str, text: str) -> None:
    """Needs the migrator's login. An empty text takes the comment away."""
    with context.use(context.migrating(context.PUBLIC)), connection.cursor() as cursor:
        cursor.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(checked(schema)), sql.Literal(text)))


@contextmanager
def alone(purpose: str) -> Iterator[bool]:
    """Whether this process is the only one at a purpose, for as long as the block lasts. Another's turn is not waited for.

    Any login could hold the lock, so only what may be left undone is guarded by it.
    """
    with context.use(context.gateway()), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (f"cloison {purpose}",))
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            with context.use(context.gateway()), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", (f"cloison {purpose}",))


def create(schema: str, *, comment: str = "") -> None:
    """The role and the empty schema of a tenant. Safe to repeat. Raises `ValueError` for a name that is not one."""
    name = checked(schema)
    defaults = f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} IN SCHEMA {name} GRANT"
    with context.use(context.provisioning()), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
        if not cursor.fetchone():
            cursor.execute(f"CREATE ROLE {name} NOLOGIN NOINHERIT")
        cursor.execute(f"GRANT {name} TO {APP_LOGIN} WITH INHERIT FALSE, SET TRUE")
        cursor.execute(f"GRANT {name} TO {MIGRATOR_ROLE} WITH INHERIT FALSE, SET TRUE")
        cursor.execute(f"SET LOCAL ROLE {OWNER_ROLE}")
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
        if comment:
            cursor.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(name), sql.Literal(comment)))
        cursor.execute(f"GRANT USAGE ON SCHEMA {name} TO {name}, {SERVICE_ROLE}, {SEARCH_ROLE}")
        cursor.execute(f"{defaults} SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name}, {SERVICE_ROLE}")
        cursor.execute(f"{defaults} SELECT ON TABLES TO {SEARCH_ROLE}")
        cursor.execute(f"{defaults} USAGE ON SEQUENCES TO {name}, {SERVICE_ROLE}")
        cursor.execute(f"SET LOCAL ROLE {MIGRATOR_ROLE}")


def drop(schema: str) -> None:
    """Remove a tenant's schema and role with all that is in it. Safe to repeat. Raises `ValueError` as `create` does."""
    name = checked(schema)
    with context.use(context.provisioning()), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {OWNER_ROLE}")
        cursor.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        cursor.execute(f"SET LOCAL ROLE {MIGRATOR_ROLE}")
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
        if cursor.fetchone():
            cursor.execute(f"DROP ROLE {name}")
