"""The asynchronous Redis client of this process: run events, tickets. One pool per event loop."""

from __future__ import annotations

import asyncio
import weakref

from django.conf import settings
from redis.asyncio import Redis

_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = weakref.WeakKeyDictionary()

BLOCK_SECONDS = 5  # how long a reader waits in one call; below the socket's timeout
SOCKET_SECONDS = 10


def client() -> Redis:
    """The client of the running loop. Values come back as bytes."""
    loop = asyncio.get_running_loop()
    found = _clients.get(loop)
    if found is None:
        found = Redis.from_url(
            settings.REDIS.runs, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=3, health_check_interval=30
        )
        _clients[loop] = found
    return found


async def ping() -> None:
    """Raises `redis.RedisError` where Redis does not answer."""
    await client().ping()
