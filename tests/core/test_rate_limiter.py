"""Token buckets: GCRA in Redis and in memory (cases 46 to 49)."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import pytest

from core import rate_limiter, streams
from core.rate_limiter import Bucket, LocalBuckets, Quota, RateLimiter

PERSONAL = Quota("default", 60, 100)
SECOND = 1_000_000


def bucket(quota: Quota = PERSONAL) -> Bucket:
    return Bucket(f"test:{uuid.uuid4().hex}", quota)


@pytest.fixture(autouse=True)
def shared_buckets(settings: Any) -> None:
    settings.CLOISON_LIMITER_TIMEOUT = 2.0


@pytest.fixture(params=["redis", "memory"])
def take(request: pytest.FixtureRequest, servers: None) -> object:
    """`await take(buckets, seconds)` by either keeper, on a clock of the test's own."""
    local, shared = LocalBuckets(), RateLimiter()

    async def ask(buckets: list[Bucket], seconds: float) -> rate_limiter.Verdict:
        if request.param == "memory":
            return local.take(buckets, 1_000 + seconds)
        assert not shared.degraded
        return await shared.take(buckets, 1_800_000_000 * SECOND + round(seconds * SECOND))

    return ask


async def test_case_46_a_hundred_at_once_then_one_a_second_then_a_hundred_again(take) -> None:  # type: ignore[no-untyped-def]
    mine = [bucket()]

    burst = [(await take(mine, 0.005 * n)).allowed for n in range(130)]
    slow = [(await take(mine, 2 + n)).allowed for n in range(30)]
    again = [(await take(mine, 140 + 0.001 * n)).allowed for n in range(130)]

    assert burst == [True] * 100 + [False] * 30
    assert all(slow)
    assert sum(again) == 100
    await streams.close()


async def test_case_46_ten_saturated_minutes_give_700(take) -> None:  # type: ignore[no-untyped-def]
    mine = [bucket()]

    allowed = sum([(await take(mine, n / 5)).allowed for n in range(3_000)])

    assert abs(allowed - 700) <= 7
    await streams.close()


async def test_case_46_one_real_minute_under_parallel_fire_gives_what_the_bucket_holds(servers: None) -> None:
    """Redis' own clock, eight hands at once; six seconds at ten times the pace stand for the minute."""
    mine, limiter = [bucket(Quota("default", 600, 100))], RateLimiter()
    begun = time.monotonic()

    async def fire() -> int:
        given = 0
        while time.monotonic() - begun < 6:
            given += (await limiter.take(mine)).allowed
            await asyncio.sleep(0.005)
        return given

    given = sum(await asyncio.gather(*(fire() for _ in range(8))))

    ideal = 100 + 10 * (time.monotonic() - begun)
    assert not limiter.degraded
    assert abs(given - ideal) <= 0.02 * ideal + 1
    await streams.close()


async def test_case_47_a_bucket_that_refuses_takes_nothing_from_the_others(take) -> None:  # type: ignore[no-untyped-def]
    house = bucket(Quota("tenant", 60, 3))
    first, second = bucket(), bucket()

    given = [await take([first, house], 0) for _ in range(5)]
    other = await take([second], 0)

    assert [verdict.allowed for verdict in given] == [True] * 3 + [False] * 2
    assert given[3].violated == "tenant"
    assert given[4].remaining == 97  # The person's own bucket lost three, not five.
    assert other.remaining == 99
    await streams.close()


async def test_case_48_the_verdict_says_what_is_left_and_how_long_to_wait(take) -> None:  # type: ignore[no-untyped-def]
    mine = [bucket()]

    first = await take(mine, 0)
    for _ in range(99):
        last = await take(mine, 0)
    refused = await take(mine, 0)
    too_early = await take(mine, refused.retry_after - 0.01)
    then = await take(mine, refused.retry_after)

    assert (first.remaining, first.reset) == (99, 1)
    assert (last.remaining, last.reset) == (0, 100)
    assert (refused.allowed, refused.remaining, refused.retry_after) == (False, 0, 1)
    assert (too_early.allowed, then.allowed) == (False, True)
    await streams.close()


async def test_a_clock_set_back_locks_nobody_out(servers: None) -> None:
    mine, limiter = [bucket()], RateLimiter()
    now = 1_800_000_000 * SECOND
    await limiter.take(mine, now)

    an_hour_earlier = [await limiter.take(mine, now - 3600 * SECOND + n * SECOND) for n in range(3)]

    assert [verdict.allowed for verdict in an_hour_earlier] == [True, True, True]
    await streams.close()


async def test_case_49_without_redis_the_buckets_go_on_from_where_they_were(
    servers: None, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter, mine = RateLimiter(), [bucket()]
    for _ in range(60):
        await limiter.take(mine)
    await streams.close()

    settings.REDIS = type(settings.REDIS)("unix:///nowhere/redis.sock", "", "", "")  # type: ignore[attr-defined]
    begun = time.monotonic()
    given = [(await limiter.take(mine)).allowed for _ in range(100)]
    seconds = time.monotonic() - begun

    assert limiter.degraded
    assert 40 <= sum(given) <= 42
    assert seconds < 1
    await streams.close()
    monkeypatch.undo()
    if limiter._probe:
        limiter._probe.cancel()


def test_memory_stays_bounded_when_somebody_invents_addresses() -> None:
    local = LocalBuckets()

    for number in range(rate_limiter.MOST_LOCAL + 5_000):
        local.take([Bucket(f"address:{number}", PERSONAL)])

    assert len(local._full_at) <= rate_limiter.MOST_LOCAL


def test_each_process_gives_its_share_while_redis_is_away() -> None:
    halves = [LocalBuckets(0.5), LocalBuckets(0.5)]
    mine = [bucket()]

    given = sum(half.take(mine, 1.0).allowed for _ in range(100) for half in halves)

    assert given == 100


async def test_a_burst_takes_turns_on_few_connections(servers: None) -> None:
    shared = RateLimiter()

    async def opened() -> int:
        return int((await streams.client(retrying=False).info("stats"))["total_connections_received"])

    before = await opened()
    verdicts = await asyncio.gather(*(shared.take([bucket()]) for _ in range(64)))

    assert all(verdict.allowed for verdict in verdicts)
    assert await opened() - before <= 2 * streams.LANES  # Other processes of the suite may come in between.
    await streams.close()
