"""How many websockets one person holds open, counted over all processes in Redis; without Redis, in this process alone."""

from __future__ import annotations

import asyncio
import logging
import uuid
import weakref

from django.conf import settings
from redis.exceptions import RedisError

from core import metrics, streams

logger = logging.getLogger(__name__)

PREFIX = "sockets:"
LEASE = 60  # seconds that a socket counts after its process last said that it is open
RENEWAL = 20.0

# A sorted set per person: a socket's id, scored by the second at which it stops to count. Redis' clock.
CLAIM = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3] * 2)
return 1
"""
RENEW = """
local now = tonumber(redis.call('TIME')[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i]) end
redis.call('EXPIRE', KEYS[1], ARGV[1] * 2)
"""


class Sockets:
    """The open sockets of this process, by person."""

    def __init__(self) -> None:
        self._open: dict[str, set[str]] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def claim(self, principal: str) -> str | None:
        """A place for one more socket, to be given to `release`; None where the person has as many as they may."""
        most = settings.CLOISON_SOCKETS_PER_USER
        mine = self._open.setdefault(principal, set())
        if len(mine) >= most:
            return None
        place = uuid.uuid4().hex
        mine.add(place)  # Before anything is awaited: a second claim sees it.
        try:
            async with asyncio.timeout(1), streams.lane():
                free = await streams.client(retrying=False).eval(CLAIM, 1, PREFIX + principal, place, str(most), str(LEASE))
        except (RedisError, OSError, TimeoutError):
            free = 1
        if not free:
            self._forget(principal, place)
            return None
        metrics.SOCKETS.inc()
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.get_running_loop().create_task(self._renew_forever())
        return place

    async def release(self, principal: str, place: str) -> None:
        """Give a place back."""
        self._forget(principal, place)
        metrics.SOCKETS.dec()
        try:
            async with asyncio.timeout(1), streams.lane():
                await streams.client(retrying=False).zrem(PREFIX + principal, place)
        except (RedisError, OSError, TimeoutError):
            logger.debug("a socket's place ends by itself")

    def _forget(self, principal: str, place: str) -> None:
        mine = self._open.get(principal, set())
        mine.discard(place)
        if not mine:
            self._open.pop(principal, None)

    async def _renew_forever(self) -> None:
        """Until the last socket is closed."""
        while self._open:
            await asyncio.sleep(RENEWAL)
            try:
                async with streams.client(retrying=False).pipeline(transaction=False) as pipe:
                    for principal, places in self._open.items():
                        pipe.eval(RENEW, 1, PREFIX + principal, str(LEASE), *places)
                    await pipe.execute()
            except (RedisError, OSError):
                continue


_sockets: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Sockets] = weakref.WeakKeyDictionary()


def sockets() -> Sockets:
    """The running loop's."""
    loop = asyncio.get_running_loop()
    found = _sockets.get(loop)
    if found is None:
        found = _sockets[loop] = Sockets()
    return found
