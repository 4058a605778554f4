"""Who stands behind a credential, remembered for a few seconds and compared with three stamps at every request.

A request then costs no query to know who asks, and a revocation still counts at once: it renews a stamp before it is
answered. An identity is remembered only if its stamps were the same before and after it was read; otherwise what was
read before a revocation could be kept under the stamp after it.
"""

from __future__ import annotations

import copy
import hashlib
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial

from django.db import transaction

from accounts.identity import Identity
from core import stamps
from isolation import context

LIFE = 5.0  # seconds, should a revocation have found no Redis
MOST = 10_000

Stamps = tuple[bytes, ...]


def names(schema: str, identity: Identity) -> tuple[str, ...]:
    """The stamps of an identity: its tenant's, its person's, its sign-in's."""
    found = (schema, f"{schema}:person:{identity.user.pk}")
    return (*found, f"{schema}:sign-in:{identity.sign_in}") if identity.sign_in else found


def person_changed(user_id: int) -> None:
    """After the commit, nobody remembers this person's role, groups, name or keys as they were."""
    transaction.on_commit(partial(stamps.renew, f"{context.current().schema}:person:{user_id}"))


def sign_ins_ended(*identifiers: uuid.UUID) -> None:
    """After the commit, nobody remembers these sign-ins."""
    schema = context.current().schema
    transaction.on_commit(partial(stamps.renew, *(f"{schema}:sign-in:{each}" for each in identifiers)))


def people_changed() -> None:
    """After the commit, nobody remembers anybody of this tenant."""
    transaction.on_commit(partial(stamps.renew, context.current().schema))


@dataclass(frozen=True, slots=True)
class Entry:
    """`since`: when the stamps were seen, by `time.monotonic()`. Without an identity: only the stamps were seen yet."""

    stamps: Stamps
    since: float
    identity: Identity | None = None

    def holds(self, seen: Stamps | None) -> bool:
        return seen == self.stamps


class Memory:
    """Of one process. Used on its event loop alone."""

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()

    @staticmethod
    def key(schema: str, way: str, credential: str) -> bytes:
        """`way` keeps what came as a bearer from counting as a session, and the other way round."""
        return hashlib.sha256(f"{schema}\0{way}\0{credential}".encode("utf-8", "surrogatepass")).digest()

    def find(self, key: bytes) -> Entry | None:
        """What is remembered, with a person of the caller's own to change; it holds only for the same stamps."""
        entry = self._entries.get(key)
        if entry is None or entry.identity is None:
            return None
        if time.monotonic() - entry.since > LIFE:
            del self._entries[key]
            return None
        user = copy.copy(entry.identity.user)
        user._state = copy.copy(user._state)
        return replace(entry, identity=replace(entry.identity, user=user))

    def note(self, key: bytes, identity: Identity, read_at: float, seen: Stamps) -> None:
        """An identity was read at `read_at`, and after that the stamps were `seen`."""
        before = self._entries.get(key)
        kept = identity if before is not None and before.holds(seen) and before.since < read_at else None
        self._entries[key] = Entry(seen, time.monotonic(), kept)
        self._entries.move_to_end(key)
        while len(self._entries) > MOST:
            self._entries.popitem(last=False)

    def forget(self, key: bytes) -> None:
        self._entries.pop(key, None)


memory = Memory()
