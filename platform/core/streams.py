"""The asynchronous Redis client of this process: run events, tickets. One pool per event loop."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, cast

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

_lanes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = weakref.WeakKeyDictionary()
_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, Redis]] = weakref.WeakKeyDictionary()

LANES = 8
BLOCK_SECONDS = 5  # how long a reader waits in one call; below the socket's timeout
SOCKET_SECONDS = 10


def client(*, retrying: bool = True) -> Redis:
    """The client of the running loop. Values come back as bytes.

    One that does not retry lets its user see that a connection broke, and so that the server may have lost something.
    """
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    found = clients.get(retrying)
    if found is None:
        options: dict[str, Any] = {} if retrying else {"retry": Retry(NoBackoff(), 0)}
        found = clients[retrying] = Redis.from_url(
            settings.REDIS.runs, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=3, health_check_interval=30, **options
        )
    return found


def lane() -> asyncio.Semaphore:
    """To be held around a short command that many tasks send at once: a burst takes turns on `LANES` connections.

    Without it each task opens a connection of its own, which costs as much as ten commands.
    """
    loop = asyncio.get_running_loop()
    found = _lanes.get(loop)
    if found is None:
        found = _lanes[loop] = asyncio.Semaphore(LANES)
    return found


async def close() -> None:
    """Give the running loop's connections back; the next call opens new ones."""
    for found in _clients.pop(asyncio.get_running_loop(), {}).values():
        await found.aclose()


Entry = tuple[bytes, dict[bytes, bytes]]  # an id and its fields


async def entries(key: str, after: int, count: int) -> list[Entry]:
    """What a stream with ids `<number>-0` holds after number `after`, oldest first. Raises `redis.RedisError`."""
    return cast("list[Entry]", await client().xrange(key, min=f"({after}-0", count=count))


async def last_id(key: str) -> str:
    """The id of a stream's last entry; "0-0" where there is none. Raises `redis.RedisError`."""
    found = cast("list[Entry]", await client().xrevrange(key, count=1))
    return found[0][0].decode() if found else "0-0"


def number_of(entry_id: bytes) -> int:
    return int(entry_id.split(b"-", 1)[0])


async def command(*words: Any) -> Any:
    """A command that redis-py has no typed method for. Raises `redis.RedisError`."""
    return await client().execute_command(*words)  # type: ignore[no-untyped-call]


async def ping() -> None:
    """Raises `redis.RedisError` where Redis does not answer."""
    await client().ping()
