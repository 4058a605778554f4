"""The asynchronous Redis client of this process: run events, tickets. One pool per event loop."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, cast

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


async def close() -> None:
    """Give the running loop's connections back; the next call opens new ones."""
    if found := _clients.pop(asyncio.get_running_loop(), None):
        await found.aclose()


Entry = tuple[bytes, dict[bytes, bytes]]  # an id and its fields


async def entries(key: str, after: int, count: int) -> list[Entry]:
    """What a stream with ids `<number>-0` holds after number `after`, oldest first. Raises `redis.RedisError`."""
    return cast("list[Entry]", await client().xrange(key, min=f"({after}-0", count=count))


async def last_number(key: str) -> int:
    """The number of a stream's last entry; 0 where there is none."""
    found = cast("list[Entry]", await client().xrevrange(key, count=1))
    return number_of(found[0][0]) if found else 0


def number_of(entry_id: bytes) -> int:
    return int(entry_id.split(b"-", 1)[0])


async def command(*words: Any) -> Any:
    """A command that redis-py has no typed method for. Raises `redis.RedisError`."""
    return await client().execute_command(*words)  # type: ignore[no-untyped-call]


async def ping() -> None:
    """Raises `redis.RedisError` where Redis does not answer."""
    await client().ping()
