"""Token buckets shared by every process: GCRA in Redis, and in this process's memory while Redis does not answer.

"60 a minute, burst 100" is a bucket of 100 that gains one token a second (ITU-T I.371's generic cell rate algorithm
keeps it as one number: the theoretical arrival time, TAT). A fixed window of 60 a minute would let 120 through at its
edge and never 100 at once. Redis' own clock counts, so the processes' clocks do not matter.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from core import metrics, streams
from core.errors import AppError
from core.stamps import PREFIX as STAMP_PREFIX

logger = logging.getLogger(__name__)

PREFIX = "rate:"
PROBE_SECONDS = 1.0  # between two looks whether Redis is back
PROBE_PATIENCE = 3.0  # seconds that such a look may take
MOST_LOCAL = 50_000  # buckets kept in memory

# One round trip for all buckets of a request: either each of them gives a token, or none does. Times in microseconds.
# Keys after the buckets' are stamps (see `core.stamps`), which come back as they are.
# A TAT further ahead than an empty bucket's is the trace of a clock that was set back: that bucket starts full.
TAKE = """
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local fresh, wait, short = {}, 0, 0
local count = (#ARGV - 1) / 2
for i = 1, count do
  local key = KEYS[i]
  local interval, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local tat = tonumber(redis.call('GET', key) or now)
  if tat < now or tat > now + interval * burst + 1000 then tat = now end
  tat = tat + interval
  local excess = tat - interval * burst - now
  if excess > wait then wait, short = excess, i end
  fresh[i] = tat
end
if short == 0 then
  for i = 1, count do
    redis.call('SET', KEYS[i], string.format('%.0f', fresh[i]), 'PX', math.ceil((fresh[i] - now) / 1000) + 1)
  end
end
local answer = {short, math.ceil(wait)}
for i, tat in ipairs(fresh) do answer[i + 2] = tat - now end
for i = count + 1, #KEYS do answer[i + 2] = redis.call('GET', KEYS[i]) or '' end
return answer
"""


@dataclass(frozen=True, slots=True)
class Quota:
    """`per_minute` tokens a minute into a bucket that holds `burst`. `name` is said to clients."""

    name: str
    per_minute: float
    burst: int

    @property
    def interval(self) -> float:
        """Microseconds between two tokens."""
        return 60e6 / self.per_minute

    def times(self, factor: float, name: str) -> Quota:
        return Quota(name, self.per_minute * factor, max(1, round(self.burst * factor)))


@dataclass(frozen=True, slots=True)
class Bucket:
    key: str
    quota: Quota


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of the first bucket asked for: `remaining` tokens, and seconds until it is full again.

    Where `allowed` is False, `violated` names the quota that is used up and `retry_after` says in how many seconds a
    token is there. `stamps` are what Redis holds of those asked for; None where it was not asked.
    """

    quota: Quota
    remaining: int
    reset: int
    violated: str = ""
    retry_after: int = 0
    stamps: tuple[bytes, ...] | None = None

    @property
    def allowed(self) -> bool:
        return not self.violated


class RateLimited(AppError):
    code: ClassVar[str] = "rate_limited"
    status = 429
    title: ClassVar[str | Promise] = _("Too many requests")
    type = "https://iana.org/assignments/http-problem-types#quota-exceeded"

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(
            _("Try again in %(seconds)s s. Nothing was changed.") % {"seconds": verdict.retry_after},
            retry_after=verdict.retry_after,
            type=self.type,
            **{"violated-policies": [verdict.violated]},
        )
        self.verdict = verdict


def personal() -> Quota:
    """What each person, and each anonymous address, has."""
    return Quota("default", settings.CLOISON_RATE_PER_MINUTE, settings.CLOISON_RATE_BURST)


def shared(name: str) -> Quota:
    """What a whole tenant, or a whole address (an office behind one), has."""
    return personal().times(settings.CLOISON_TENANT_RATE_FACTOR, name)


class LocalBuckets:
    """The same algorithm on this process's monotonic clock."""

    def __init__(self, share: float = 1.0) -> None:
        self.share = share  # of each quota that this process may give
        self._full_at: dict[str, float] = {}

    def take(self, buckets: Sequence[Bucket], now: float | None = None) -> Verdict:
        """A token from each, or from none. `now` is in seconds of `time.monotonic()`."""
        now = time.monotonic() if now is None else now
        wait, short, fresh = 0.0, -1, []
        for number, bucket in enumerate(buckets):
            interval = bucket.quota.interval / 1e6 / self.share
            full_at = max(now, self._full_at.get(bucket.key, now)) + interval
            excess = full_at - interval * bucket.quota.burst * self.share - now
            if excess > 1e-9 and excess > wait:
                wait, short = excess, number
            fresh.append(full_at)
        if short < 0:
            for bucket, full_at in zip(buckets, fresh, strict=True):
                self._keep(bucket.key, full_at, now)
        return _verdict(buckets, short, wait, fresh[0] - now)

    def learn(self, bucket: Bucket, until_full: float) -> None:
        """What Redis said of a bucket, so that its loss does not fill the bucket anew. Seconds."""
        now = time.monotonic()
        self._keep(bucket.key, now + until_full, now)

    def _keep(self, key: str, full_at: float, now: float) -> None:
        if len(self._full_at) >= MOST_LOCAL and key not in self._full_at:
            self._full_at = {known: at for known, at in self._full_at.items() if at > now}
            if len(self._full_at) >= MOST_LOCAL:  # Somebody invents addresses: the oldest give way.
                for known in list(self._full_at)[: MOST_LOCAL // 10]:
                    del self._full_at[known]
        self._full_at[key] = full_at


def _verdict(buckets: Sequence[Bucket], short: int, wait: float, until_full: float) -> Verdict:
    """`until_full` is the first bucket's, with the token that was asked for already taken. Seconds."""
    quota = buckets[0].quota
    if short >= 0:  # It was not taken after all.
        until_full = max(0.0, until_full - quota.interval / 1e6)
    remaining = max(0, math.floor(quota.burst - until_full / (quota.interval / 1e6) + 1e-6))
    reset = max(0, math.ceil(until_full - 1e-6))
    if short < 0:
        return Verdict(quota, remaining, reset)
    return Verdict(quota, remaining, reset, buckets[short].quota.name, max(1, math.ceil(wait - 1e-6)))


class RateLimiter:
    """Asks Redis within `CLOISON_LIMITER_TIMEOUT` seconds; otherwise decides here, and looks in the background for Redis.

    A timeout of 0 keeps all buckets in this process: enough where there is one.
    """

    def __init__(self) -> None:
        self.local = LocalBuckets(1 / max(1, settings.CLOISON_WEB_PROCESSES))
        self.degraded = False
        self._slow = 0
        self._probe: asyncio.Task[None] | None = None
        self._script: AsyncScript | None = None
        metrics.LIMITER_DEGRADED.set(0)

    async def take(self, buckets: Sequence[Bucket], now: int | None = None, stamps: Sequence[str] = ()) -> Verdict:
        """A token from each bucket, or from none; and what stands under these names of stamps. Never raises.

        `now` (microseconds) stands in for Redis' clock in tests.
        """
        if self.degraded or not settings.CLOISON_LIMITER_TIMEOUT:
            return self.local.take(buckets)
        try:
            async with asyncio.timeout(settings.CLOISON_LIMITER_TIMEOUT), streams.lane():
                short, wait, *rest = await self._ask(buckets, now, stamps)
        except TimeoutError:
            # One slow answer may be this loop's own stall; the second one is Redis'.
            self._slow += 1
            if self._slow > 1:
                self._degrade("timeout")
            return self.local.take(buckets)
        except (RedisError, OSError) as error:
            self._degrade(type(error).__name__)
            return self.local.take(buckets)
        self._slow = 0
        until_full, found = rest[: len(buckets)], tuple(rest[len(buckets) :])
        for bucket, micros in zip(buckets, until_full, strict=True):
            taken = 0 if short == 0 else bucket.quota.interval
            self.local.learn(bucket, max(0.0, (micros - taken) / 1e6))
        return replace(_verdict(buckets, short - 1, wait / 1e6, until_full[0] / 1e6), stamps=found)

    async def _ask(self, buckets: Sequence[Bucket], now: int | None, stamps: Sequence[str]) -> list[Any]:
        client = streams.client(retrying=False)
        if self._script is None:
            self._script = client.register_script(TAKE)
        arguments: list[Any] = ["" if now is None else now]
        for bucket in buckets:
            arguments += [bucket.quota.interval, bucket.quota.burst]
        keys = [*(PREFIX + bucket.key for bucket in buckets), *(STAMP_PREFIX + name for name in stamps)]
        return list(await self._script(keys=keys, args=arguments, client=client))

    def _degrade(self, reason: str) -> None:
        if self.degraded:
            return
        self.degraded = True
        metrics.LIMITER_DEGRADED.set(1)
        logger.warning("rate limits are kept in this process: Redis does not answer", extra={"reason": reason})
        self._probe = asyncio.get_running_loop().create_task(self._look_for_redis())

    async def _look_for_redis(self) -> None:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            try:
                async with asyncio.timeout(PROBE_PATIENCE):
                    await streams.client(retrying=False).ping()
            except (RedisError, OSError, TimeoutError):
                continue
            self.degraded, self._slow = False, 0
            metrics.LIMITER_DEGRADED.set(0)
            logger.info("rate limits are shared again: Redis answers")
            return


_limiters: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, RateLimiter] = weakref.WeakKeyDictionary()


def limiter() -> RateLimiter:
    """The running loop's."""
    loop = asyncio.get_running_loop()
    found = _limiters.get(loop)
    if found is None:
        found = _limiters[loop] = RateLimiter()
    return found


def principal(schema: str, user_id: int, address: str) -> str:
    """Whose bucket it is: a person's in a tenant (whatever key, token or socket they come by), or an address' there."""
    return f"{schema}:user:{user_id}" if user_id else f"{schema}:address:{address}"


async def take(schema: str, user_id: int, address: str, stamps: Sequence[str] = ()) -> Verdict:
    """A token of the person (or, for nobody, of the address), of their tenant and of the address; and these stamps."""
    buckets = [
        Bucket(principal(schema, user_id, address), personal()),
        Bucket(f"{schema}:tenant", shared("tenant")),
        Bucket(f"address:{address}", shared("address")),
    ]
    return await limiter().take(buckets, stamps=stamps)


_shield = LocalBuckets()


def shield(address: str) -> Verdict:
    """A token of the address in this process alone: a first look that costs nothing and comes before anything else is known."""
    return _shield.take([Bucket(address, shared("address"))])
