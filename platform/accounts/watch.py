"""Open sockets end with what opened them: one look per tenant every few seconds over all sockets of this process.

It asks the database only, so Redis may be dead. Role and groups are read again on the way.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.db import DatabaseError

from accounts.identity import Identity
from accounts.models import ApiKey, SignIn, User
from isolation import context, in_thread

logger = logging.getLogger(__name__)

EVERY = 3.0  # seconds; a socket must be closed within 5 s


@dataclass(eq=False)
class Watched:
    """One socket. `renew` gets the person as they are now; `end` is called once, when they may no longer listen."""

    schema: str
    identity: Identity
    renew: Callable[[User], None]
    end: Callable[[], None]


@dataclass(eq=False)
class Watcher:
    """Of one event loop."""

    sockets: set[Watched] = field(default_factory=set)
    task: asyncio.Task[None] | None = None

    def add(self, watched: Watched) -> None:
        self.sockets.add(watched)
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self._forever())

    async def _forever(self) -> None:
        while self.sockets:
            await asyncio.sleep(EVERY)
            try:
                await self.look()
            except DatabaseError:
                logger.warning("sockets could not be checked; the next look will", exc_info=True)

    async def look(self) -> None:
        """Compare every socket with the database now."""
        for schema in {watched.schema for watched in self.sockets}:
            here = [watched for watched in self.sockets if watched.schema == schema]
            standing = await in_thread(_standing, schema, [watched.identity for watched in here])
            for watched in here:
                user = standing.get(_what(watched.identity))
                if user is not None:
                    watched.renew(user)
                elif watched in self.sockets:
                    self.sockets.discard(watched)
                    watched.end()


_watchers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Watcher] = weakref.WeakKeyDictionary()


def here() -> Watcher:
    """The watcher of the running loop."""
    return _watchers.setdefault(asyncio.get_running_loop(), Watcher())


def watch(schema: str, identity: Identity, renew: Callable[[User], None], end: Callable[[], None]) -> Watched:
    watched = Watched(schema, identity, renew, end)
    here().add(watched)
    return watched


def forget(watched: Watched) -> None:
    here().sockets.discard(watched)


What = uuid.UUID | int | None


def _what(identity: Identity) -> What:
    return identity.sign_in or identity.key


def _standing(schema: str, identities: Iterable[Identity]) -> dict[What, User]:
    """Who of them may still listen, by sign-in or key: one query for each of the two kinds that occurs."""
    found: dict[What, User] = {}
    wanted = {identity.sign_in for identity in identities if identity.sign_in}
    with context.use(context.auth(schema)):
        for row in SignIn.objects.open().select_related("user").filter(public_id__in=wanted):
            found[row.public_id] = row.user
        if keys := {identity.key for identity in identities if identity.key}:
            for key in ApiKey.objects.usable().select_related("owner").filter(pk__in=keys):
                found[key.pk] = key.owner
    return found
