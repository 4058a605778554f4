"""Sessions in the database, per tenant, readable under the `auth` capability only (Django's SESSION_ENGINE)."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

from isolation import context


def _sign_in() -> Any:
    return context.use(context.auth(context.current().schema))


class SessionStore(DatabaseStore):
    """Django's own store; each access enters the tenant's `auth` context. Losing Redis logs nobody out."""

    def load(self) -> dict[str, Any]:
        with _sign_in():
            return super().load()

    def exists(self, session_key: str) -> bool:
        with _sign_in():
            return super().exists(session_key)

    def save(self, must_create: bool = False) -> None:
        with _sign_in():
            super().save(must_create)

    def delete(self, session_key: str | None = None) -> None:
        with _sign_in():
            super().delete(session_key)
