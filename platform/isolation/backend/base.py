"""The database engine: django-tenants' wrapper, driven by the ContextVar instead of by state on the connection."""

from __future__ import annotations

import time
from typing import Any

from django.utils.asyncio import async_unsafe
from django_tenants.postgresql_backend import base as django_tenants_base
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus

from isolation import context
from isolation.context import Context, ContextSwitch

# Roles and path in one round trip. `pg_temp` comes last, so that no temporary table can stand in for a real one.
APPLY = (
    b"SELECT set_config('role', $1, false), set_config('search_path', $2, false),"
    b" set_config('app.ctx', $3, false), set_config('app.sig', $4, false)"
)


class DatabaseWrapper(django_tenants_base.DatabaseWrapper):  # type: ignore[misc]
    """Applies the current context before the first query that needs it, and refuses queries without one."""

    _made = False
    _applied: Context | None = None
    _fresh_until = 0.0
    _params: tuple[tuple[str, str], dict[str, Any]] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._made = True  # django-tenants' constructor moves to the public schema, which here means nothing.

    # django-tenants reads these; they follow the context, so that its router and introspection do too.
    @property
    def schema_name(self) -> str:
        here = context.get()
        return here.schema if here else context.PUBLIC

    @schema_name.setter
    def schema_name(self, value: str | None) -> None:
        """django-tenants' constructor assigns it; the context decides."""

    @property
    def tenant(self) -> Any:
        return django_tenants_base.FakeTenant(schema_name=self.schema_name)

    @tenant.setter
    def tenant(self, value: Any) -> None:
        """As for `schema_name`."""

    def set_tenant(self, tenant: Any, include_public: bool = True) -> None:
        """Only migrations may move from schema to schema this way. Raises `ContextSwitch` for everybody else."""
        here = context.get()
        if not self._made or here is None or here.schema == tenant.schema_name:
            return
        if "migrate" not in here.caps:
            raise ContextSwitch("the tenant is set by isolation.context.use(), not on the connection")
        context.enter(context.migrating(tenant.schema_name))

    def _handle_search_path(self, cursor: Any = None) -> None:
        """Make the connection speak for the current context (the hook that django-tenants calls for every cursor)."""
        wanted = context.current()
        if self._applied == wanted and time.monotonic() < self._fresh_until:
            return
        begun = self.connection.info.transaction_status != TransactionStatus.IDLE
        if self.in_atomic_block and begun and self._applied is not None and self._applied.schema != wanted.schema:
            raise ContextSwitch("the tenant cannot change inside a transaction")
        statement, signature, fresh_until = wanted.signed()
        path = f"{wanted.schema}, ext, pg_temp"
        self._applied = None
        # Straight through libpq: a cursor of its own costs as much again as the round trip.
        link = self.connection.pgconn
        with self.wrap_database_errors:
            result = link.exec_params(APPLY, [text.encode() for text in (wanted.role, path, statement, signature)])
            if result.status != ExecStatus.TUPLES_OK:
                if link.transaction_status == TransactionStatus.INERROR and begun:
                    # The transaction is lost already; what follows is its rollback, which needs no context.
                    return
                raise error_from_result(result, encoding=self.connection.info.encoding)
        self._applied, self._fresh_until = wanted, fresh_until

    def _forget(self) -> None:
        self._applied = None

    def get_connection_params(self) -> dict[str, Any]:
        """Kept, since a pooled connection is asked for every request, and django_prometheus makes a class each time."""
        wanted = (self.settings_dict["NAME"], self.settings_dict["USER"])
        if self._params is None or self._params[0] != wanted:
            self._params = (wanted, super().get_connection_params())
        return dict(self._params[1])

    def init_connection_state(self) -> None:
        self._forget()
        super().init_connection_state()

    def close(self) -> None:
        self._forget()
        super().close()

    # PostgreSQL takes settings back with the transaction or savepoint that made them.
    @async_unsafe
    def rollback(self) -> None:
        self._forget()
        super().rollback()

    @async_unsafe
    def savepoint_rollback(self, sid: str) -> None:
        try:
            super().savepoint_rollback(sid)
        finally:
            self._forget()
