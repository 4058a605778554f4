"""Sessions in the database, per tenant, readable under the `auth` capability only (Django's SESSION_ENGINE)."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

from accounts import marks
from isolation import context

KIND = "session"
SIGN_IN = "sign_in"  # in the session's data: the id of its `SignIn`


def _sign_in() -> Any:
    return context.use(context.auth(context.current().schema))


class SessionStore(DatabaseStore):
    """Django's own store; each access enters the tenant's `auth` context. Losing Redis logs nobody out.

    Keys carry their tenant (`accounts.marks`): what this installation did not make for this one is not looked up.
    """

    def _get_new_session_key(self) -> str:
        return marks.mint(KIND, context.current().schema)

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
