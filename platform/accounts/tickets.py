"""Single-use tickets that open a websocket where no cookie can: 30 seconds, kept in Redis, bound to the tenant."""

from __future__ import annotations

import hashlib
import secrets

from accounts.models import User
from core import streams
from isolation import context, in_thread

LIFE = 30  # seconds


def _key(schema: str, ticket: str) -> str:
    return f"ticket:{schema}:{hashlib.sha256(ticket.encode()).hexdigest()}"


async def issue(schema: str, user: User) -> str:
    """A fresh ticket for `user`. Raises `redis.RedisError`."""
    ticket = secrets.token_urlsafe(32)
    await streams.client().set(_key(schema, ticket), str(user.pk), ex=LIFE)
    return ticket


async def redeem(schema: str, ticket: str) -> User | None:
    """The active person of a ticket of this tenant, which is spent by asking."""
    found = await streams.client().getdel(_key(schema, ticket))
    if not found:
        return None
    return await in_thread(_person, schema, int(found))


def _person(schema: str, user_id: int) -> User | None:
    with context.use(context.auth(schema)):
        return User.objects.filter(pk=user_id, is_active=True).first()
