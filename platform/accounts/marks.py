"""Random secrets that carry their tenant: session keys, websocket tickets, API keys.

A secret shown on another tenant's host can so be told apart from one that somebody made up, without asking any
tenant's database: only what this installation marked is worth a line in the audit log.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from django.conf import settings

from isolation.context import PUBLIC

LENGTH = 40  # characters: 120 random bits, the tenant, 72 bits of HMAC; as long as Django's session table is wide
_RANDOM, _TENANT, _MAC = 15, 6, 9  # bytes


def _mac(kind: str, body: bytes) -> bytes:
    key = hmac.new(settings.SECRET_KEY.encode(), f"mark|{kind}".encode(), hashlib.sha256).digest()
    return hmac.new(key, body, hashlib.sha256).digest()[:_MAC]


def mint(kind: str, schema: str) -> str:
    """A fresh secret of `LENGTH` characters, safe in URLs and cookies, for one kind of use inside one schema."""
    tenant = bytes(_TENANT) if schema == PUBLIC else bytes.fromhex(schema[2:])
    body = secrets.token_bytes(_RANDOM) + tenant
    return base64.urlsafe_b64encode(body + _mac(kind, body)).decode()


def origin(kind: str, secret: str) -> str | None:
    """The schema that a secret of this kind was made for; None for what this installation did not make."""
    if len(secret) != LENGTH or not secret.isascii():
        return None
    try:
        raw = base64.b64decode(secret, altchars=b"-_", validate=True)
    except ValueError:
        return None
    body, mac = raw[:-_MAC], raw[-_MAC:]
    if not hmac.compare_digest(_mac(kind, body), mac):
        return None
    tenant = body[_RANDOM:]
    return f"t_{tenant.hex()}" if any(tenant) else PUBLIC
