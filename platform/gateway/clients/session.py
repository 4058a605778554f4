"""One HTTP session for each event loop, shared by all clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import aiohttp

CONNECT_TIMEOUT = 5.0  # seconds

_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()


def shared() -> aiohttp.ClientSession:
    """The running loop's session: no proxies from the environment, no cookies, no decompression, no total timeout."""
    import aiohttp

    loop = asyncio.get_running_loop()
    session = _sessions.get(loop)
    if session is None or session.closed:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30, ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "cloison", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )
        _sessions[loop] = session
    return session


async def close() -> None:
    """Close the running loop's session, if it has one. For a process's end; a later request opens a new one."""
    session = _sessions.pop(asyncio.get_running_loop(), None)
    if session is not None:
        await session.close()
