"""A genuine credential of another tenant, shown here: refused like any other, and written down once in a while."""

from __future__ import annotations

import hashlib
import time

import audit
from isolation import context

AGAIN = 60.0  # seconds until the same credential is written down again: a replayed one must not flood the log
ENTRIES = 5_000

_seen: dict[bytes, float] = {}


def report(schema: str, kind: str, credential: str) -> None:
    """Append `auth.tenant_mismatch` to the log of `schema`, where the credential was shown. It never names the other."""
    digest = hashlib.sha256(f"{schema}|{kind}|{credential}".encode()).digest()
    now = time.monotonic()
    if _seen.get(digest, 0.0) > now:
        return
    if len(_seen) >= ENTRIES:
        _seen.clear()
    _seen[digest] = now + AGAIN
    with context.use(context.auth(schema)):
        audit.record("auth.tenant_mismatch", details={"credential": kind})
