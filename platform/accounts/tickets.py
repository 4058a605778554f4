"""Single-use tickets that open a websocket where no cookie can: 30 seconds, kept in Redis, bound to the tenant.

A ticket stands for the sign-in or the API key that asked for it: when that ends, so does what the ticket opened.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from accounts import marks, mismatch
from accounts.identity import Identity, of_key, of_sign_in
from core import streams
from isolation import context, in_thread

KIND = "ticket"
LIFE = 30  # seconds


def _key(schema: str, ticket: str) -> str:
    return f"ticket:{schema}:{hashlib.sha256(ticket.encode()).hexdigest()}"


async def issue(schema: str, identity: Identity) -> str:
    """A fresh ticket. Raises `redis.RedisError`."""
    ticket = marks.mint(KIND, schema)
    stands_for = {"sign_in": str(identity.sign_in) if identity.sign_in else None, "key": identity.key}
    await streams.client().set(_key(schema, ticket), json.dumps(stands_for), ex=LIFE)
    return ticket


async def redeem(schema: str, ticket: str) -> Identity | None:
    """Who holds a ticket of this tenant, which is spent by asking. Raises `redis.RedisError`."""
    made_for = marks.origin(KIND, ticket)
    if made_for != schema:
        if made_for is not None:
            await in_thread(mismatch.report, schema, KIND, ticket)
        return None
    found = await streams.client().getdel(_key(schema, ticket))
    return await in_thread(_identity, schema, json.loads(found)) if found else None


def _identity(schema: str, stands_for: dict[str, Any]) -> Identity | None:
    with context.use(context.auth(schema)):
        if stands_for["key"] is not None:
            return of_key(int(stands_for["key"]))
        return of_sign_in(uuid.UUID(stands_for["sign_in"])) if stands_for["sign_in"] else None
