"""Which providers are worth asking: circuit breakers shared by every process, and how fast each model has been.

Five failures in a row open a provider's circuit; after thirty seconds one request may try, and its outcome decides. The
counts live in Redis, with a copy in this process that serves while Redis does not answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from core import streams
from gateway.types import Provider

logger = logging.getLogger(__name__)

FAILURES = 5
PAUSE = 30.0  # seconds
FORGET = 600.0  # seconds after the last failure
AWAY = 1.0  # seconds before Redis is asked again after it failed
WEIGHT = 0.3  # of the newest latency in the moving average
PREFIX = "circuit:"

# Each takes the keys and FAILURES, PAUSE and FORGET in milliseconds. Redis' own clock counts.
NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "
LOOK = """
local shut = {}
for i, key in ipairs(KEYS) do
  local state = redis.call('HMGET', key, 'failures', 'until')
  shut[i] = (tonumber(state[1] or 0) >= tonumber(ARGV[1]) and tonumber(state[2] or 0) > now) and 1 or 0
end
return shut
"""
# 0: not now; 1: it may be asked; 2: it may, and no failure is counted.
ENTER = """
local failures = redis.call('HGET', KEYS[1], 'failures')
if not failures then return 2 end
if tonumber(failures) < tonumber(ARGV[1]) then return 1 end
if tonumber(redis.call('HGET', KEYS[1], 'until') or 0) > now then return 0 end
redis.call('HSET', KEYS[1], 'until', now + ARGV[2])
return 1
"""
FAILED = """
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
if failures >= tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'until', now + ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return failures
"""
SUCCEEDED = "return redis.call('DEL', KEYS[1])"


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    until: float = 0.0  # of time.monotonic()


def key_of(provider: Provider) -> str:
    """One circuit for each account and address: a tenant's own broken account shuts nobody else out."""
    address = hashlib.blake2b(f"{provider.wire} {provider.base} {provider.account}".encode(), digest_size=8).hexdigest()
    return f"{PREFIX}{provider.name[:64]}:{address}"


class Health:
    """`shared`: through Redis. A half-open circuit lets one request through and waits for its outcome, a pause at most."""

    def __init__(self, *, failures: int = FAILURES, pause: float = PAUSE, shared: bool = True) -> None:
        self.failures = failures
        self.pause = pause
        self.shared = shared
        self._local: dict[str, _Circuit] = {}
        self._spotless: set[str] = set()  # had no failure in Redis when a request was last let through
        self._latency: dict[str, float] = {}
        self._away_until = 0.0

    async def shut(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of `keys` whose circuit is open now."""
        if not keys:
            return frozenset()
        return self._told(keys, await self._ask(LOOK, keys))

    def shut_now(self, keys: Sequence[str]) -> frozenset[str]:
        """As `shut`, for what runs on no loop, such as a page: a loop of its own would leave its connection behind."""
        answer, patience = None, self._patience()
        if keys and patience > 0:
            try:
                with Redis.from_url(settings.REDIS.runs, socket_timeout=patience, socket_connect_timeout=patience) as link:
                    answer = link.eval(NOW + LOOK, len(keys), *keys, *self._figures())
            except (RedisError, OSError, ValueError):
                self._away_until = time.monotonic() + AWAY
        return self._told(keys, answer)

    def _told(self, keys: Sequence[str], answer: Any) -> frozenset[str]:
        if answer is not None:
            return frozenset(key for key, open_ in zip(keys, cast("list[int]", answer), strict=True) if open_)
        now = time.monotonic()
        return frozenset(key for key in keys if (c := self._local.get(key)) and c.failures >= self.failures and c.until > now)

    async def enter(self, key: str) -> bool:
        """Whether a request may be sent. Say afterwards how it went."""
        answer = await self._ask(ENTER, (key,))
        if answer is not None:
            (self._spotless.add if answer == 2 else self._spotless.discard)(key)
            return bool(answer)
        circuit, now = self._local.get(key), time.monotonic()
        if circuit is None or circuit.failures < self.failures:
            return True
        if circuit.until > now:
            return False
        circuit.until = now + self.pause
        return True

    async def failed(self, key: str) -> None:
        circuit = self._local.setdefault(key, _Circuit())
        answer = await self._ask(FAILED, (key,))
        circuit.failures = circuit.failures + 1 if answer is None else int(cast("int", answer))
        if circuit.failures >= self.failures:
            circuit.until = time.monotonic() + self.pause
            logger.warning("circuit open", extra={"circuit": key, "failures": circuit.failures})

    async def succeeded(self, key: str) -> None:
        failed_here = self._local.pop(key, None) is not None
        if failed_here or (self.shared and key not in self._spotless):
            await self._ask(SUCCEEDED, (key,))

    def observe(self, model: str, seconds: float) -> None:
        """How long the first word took. A moving average of this process's own calls."""
        before = self._latency.get(model, seconds)
        self._latency[model] = before + WEIGHT * (seconds - before)

    def latency(self, model: str) -> float | None:
        """Seconds to the first word, None where the model was never asked here."""
        return self._latency.get(model)

    def forget(self) -> None:
        """For tests: this process's copy alone."""
        self._local.clear()
        self._spotless.clear()
        self._latency.clear()
        self._away_until = 0.0

    def _patience(self) -> float:
        """Seconds to wait for Redis; none where it is not to be asked now."""
        away = not self.shared or time.monotonic() < self._away_until
        return 0.0 if away else float(settings.CLOISON_LIMITER_TIMEOUT)

    def _figures(self) -> tuple[int, int, int]:
        return self.failures, int(self.pause * 1000), int(max(FORGET, 2 * self.pause) * 1000)

    async def _ask(self, script: str, keys: Sequence[str]) -> Any:
        """The script's answer, None while Redis does not answer."""
        patience = self._patience()
        if patience <= 0:
            return None
        try:
            async with asyncio.timeout(patience), streams.lane():
                client = streams.client(retrying=False)
                return await cast("Any", client.eval(NOW + script, len(keys), *keys, *self._figures()))
        except (RedisError, OSError, TimeoutError, ValueError):
            self._away_until = time.monotonic() + AWAY
            return None


@cache
def common() -> Health:
    """This process's own."""
    return Health()
