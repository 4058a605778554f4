"""HTTP sessions for each event loop, shared by all clients: one that checks every address, one that may go inside, too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from core import outgoing

if TYPE_CHECKING:
    import aiohttp

CONNECT_TIMEOUT = 5.0  # seconds

_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, aiohttp.ClientSession]] = WeakKeyDictionary()


def shared(*, local_network: bool = True) -> aiohttp.ClientSession:
    """The running loop's session: no proxies from the environment, no cookies, no decompression, no total timeout.

    Without `local_network` its sockets open to public addresses only (`Provider.local_network`).
    """
    import aiohttp

    sessions = _sessions.setdefault(asyncio.get_running_loop(), {})
    session = sessions.get(local_network)
    if session is None or session.closed:
        session = aiohttp.ClientSession(
            connector=outgoing.connector(allow_private=local_network, limit=0, keepalive_timeout=30, ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "cloison", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )
        sessions[local_network] = session
    return session


async def close() -> None:
    """Close the running loop's sessions, if it has any. For a process's end; a later request opens new ones."""
    for session in _sessions.pop(asyncio.get_running_loop(), {}).values():
        await session.close()
