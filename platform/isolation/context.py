"""Who is asking, and inside which walls: a ContextVar that every query, file path, cache key and log line reads.

The database wrapper turns the context into a role, a search path and a signed statement of identity (see `backend`).
There is no default: code that asks the database without a context gets `NoTenantContext`.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache

from django.conf import settings

PUBLIC = "public"

# NOLOGIN roles that the web's login may take beside each tenant's own. Each sees only what a policy names it for.
PLATFORM_ROLE = "cloison_platform"  # A signed-in operator, in the public schema.
GATEWAY_ROLE = "cloison_gateway"  # Host -> tenant, nothing else.
SERVICE_ROLE = "cloison_service"  # Sign-in (`auth`) and maintenance (`service`), inside one tenant.
OWNER_ROLE = "cloison_owner"  # Owns the tables; only the migrator may take it.
MIGRATOR_ROLE = "cloison_migrator"  # Creates tenants' roles and schemas.

LIFE = 300  # seconds that a signed context is valid; it is signed afresh when 60 s are left
FRESH = 240


class NoTenantContext(RuntimeError):
    """SQL, a file or a cache key was asked for outside any tenant."""


class ContextSwitch(RuntimeError):
    """The tenant would change where it must not: inside a transaction, or through django-tenants' own setters."""


@dataclass(frozen=True, slots=True)
class Context:
    """`schema` is the tenant's, or "public"; `user_id` 0 is nobody; `caps` are capabilities that policies know."""

    schema: str
    role: str
    user_id: int = 0
    caps: frozenset[str] = frozenset()

    def signed(self) -> tuple[str, str, float]:
        """The statement `tenant|uid|caps|exp`, its HMAC-SHA256 (hex) that `guard.ctx()` verifies, and when to renew it.

        The time is in seconds of `time.monotonic()`.
        """
        expires = int(time.time()) + LIFE
        statement = f"{self.schema}|{self.user_id}|{','.join(sorted(self.caps))}|{expires}"
        signature = hmac.new(_key(), statement.encode(), hashlib.sha256).hexdigest()
        return statement, signature, time.monotonic() + FRESH


@cache
def _key() -> bytes:
    return bytes.fromhex(settings.CLOISON_GUARD_KEY)


_current: ContextVar[Context | None] = ContextVar("cloison_context", default=None)


def current() -> Context:
    """The context in force. Raises `NoTenantContext`."""
    found = _current.get()
    if found is None:
        raise NoTenantContext("no tenant context: enter one with isolation.context.use(…) at the root of the task")
    return found


def get() -> Context | None:
    """The context in force, or None: for logs and for code that works on both sides."""
    return _current.get()


@contextmanager
def use(context: Context | None) -> Iterator[None]:
    """Set the context at the root of a task or thread. None leaves it.

    Never inside an asynchronous generator: a value set there leaks to whoever iterates it.
    """
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def enter(context: Context | None) -> None:
    """Set the context for the rest of this task: for roots that a `with` cannot wrap (a request with a streaming body)."""
    _current.set(context)


def person(schema: str, user_id: int, caps: frozenset[str] = frozenset()) -> Context:
    """Somebody signed in (or, with 0, an anonymous visitor) on one site."""
    return Context(schema, PLATFORM_ROLE if schema == PUBLIC else schema, user_id, caps)


def principals() -> frozenset[str]:
    """Everything that a grant may name and that means the person in whose context this runs; in SQL `guard.principals`."""
    here = current()
    if not here.user_id:
        return frozenset()
    return frozenset({f"user:{here.user_id}", *(cap if cap.startswith("group:") else f"role:{cap}" for cap in here.caps)})


def auth(schema: str) -> Context:
    """Sign-in: may read and write what proves identity (users, sessions, tokens), nothing else."""
    return Context(schema, SERVICE_ROLE, 0, frozenset({"auth"}))


def service(schema: str) -> Context:
    """Maintenance inside one tenant, for nobody in particular."""
    return Context(schema, SERVICE_ROLE, 0, frozenset({"service"}))


def gateway() -> Context:
    """The way from a host to its tenant."""
    return Context(PUBLIC, GATEWAY_ROLE, 0, frozenset({"gateway"}))


def migrating(schema: str) -> Context:
    """Migrations of one schema, as the owner of its tables. Works with the migrator's login only."""
    return Context(schema, OWNER_ROLE, 0, frozenset({"migrate"}))


def provisioning() -> Context:
    """Creating and removing tenants' roles and schemas. Works with the migrator's login only."""
    return Context(PUBLIC, MIGRATOR_ROLE, 0, frozenset({"migrate"}))
