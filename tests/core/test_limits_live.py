"""The real limits at the real server: requests, websockets, and Redis killed (cases 46 to 50)."""

from __future__ import annotations

import asyncio
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
import websockets
from django.conf import settings

from core import streams
from tests import cluster
from tests.conftest import Live, another_web
from tests.people import House
from tests.wire import client, new_conversation, socket


@pytest.fixture
def strict(live: Live, tmp_path: Path) -> Iterator[Live]:
    """A web process with the product's own limits, on empty buckets."""
    with redis.Redis.from_url(settings.REDIS.runs) as link:
        for key in [*link.scan_iter("rate:*"), *link.scan_iter("sockets:*")]:
            link.delete(key)
    figures = {"CLOISON_RATE_PER_MINUTE": "60", "CLOISON_RATE_BURST": "100", "CLOISON_SOCKETS_PER_USER": "10"}
    figures["CLOISON_LIMITER_TIMEOUT_MS"] = "5000"  # A machine that stalls must not make this process decide by itself.
    with another_web(live, tmp_path, CLOISON_DB_POOL="4", **figures) as web:
        yield web


async def fire(http: httpx.AsyncClient, count: int) -> tuple[list[httpx.Response], float]:
    """`count` requests, sixteen at a time, and how long they took in seconds."""
    turn, begun = asyncio.Semaphore(16), time.monotonic()

    async def one() -> httpx.Response:
        async with turn:
            return await http.get("/api/v1/me/")

    return await asyncio.gather(*(one() for _ in range(count))), time.monotonic() - begun


async def test_case_46_a_burst_of_a_hundred_then_one_a_second(strict: Live, acme: House) -> None:
    async with client(strict, acme.person("member")) as http:
        answers, seconds = await fire(http, 130)
        refused = next(answer for answer in answers if answer.status_code == 429)
        await asyncio.sleep(int(refused.headers["Retry-After"]))
        waited = await http.get("/api/v1/me/")  # Case 48: the wait that was asked for is enough.
        slow = []
        for _ in range(8):
            await asyncio.sleep(1.01)
            slow.append((await http.get("/api/v1/me/")).status_code)

    allowed = [answer.status_code for answer in answers].count(200)
    assert 100 <= allowed <= 102 + seconds, f"case 46: {allowed} of 130 in {seconds:.1f} s"
    assert waited.status_code == 200
    assert slow == [200] * 8


async def test_case_50_a_socket_shares_the_bucket_and_stays_open(strict: Live, acme: House) -> None:
    member = acme.person("member")
    async with client(strict, member) as http, socket(strict, member) as page:
        spent = 1  # The ticket.
        await new_conversation(http)
        spent += 1
        begun = time.monotonic()
        for number in range(130):
            await page.send(type="run.follow", run="01900000-0000-7000-8000-000000000000", key=str(number))
        answers = [await page.receive() for _ in range(130)]
        seconds = time.monotonic() - begun
        over_http = await http.get("/api/v1/me/")
        await page.send(type="ping")
        pong = await page.receive()

    limited = [answer for answer in answers if answer["code"] == "rate_limited"]
    through = [answer for answer in answers if answer["code"] == "not_found"]
    assert len(limited) + len(through) == 130
    assert 98 - spent <= len(through) <= 101 - spent + seconds
    assert all(answer["type"] == "error" and answer["retry_after"] >= 1 and answer["key"] for answer in limited)
    assert over_http.status_code == 429
    assert pong == {"type": "pong"}


async def test_case_50_the_eleventh_socket_of_a_person_is_refused(strict: Live, acme: House, globex: House) -> None:
    member = acme.person("member")

    async def connect(house: House) -> websockets.ClientConnection:
        async with client(strict, house.person("member")) as http:
            ticket = (await http.post("/api/v1/auth/ws-ticket/")).json()["ticket"]
        url = f"ws://{house.host}:{strict.port}/ws/?ticket={ticket}"
        return await websockets.connect(url, host="127.0.0.1", port=strict.port)

    ten = [await connect(acme) for _ in range(10)]
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(acme)
    same_key_elsewhere = await connect(globex)
    await ten.pop().close()
    await asyncio.sleep(0.3)
    again = await connect(acme)

    assert refused.value.response.status_code == 403
    assert refused.value.response.headers["X-Content-Type-Options"] == "nosniff"
    assert member.user.pk == globex.person("member").user.pk
    for link in (*ten, same_key_elsewhere, again):
        await link.close()


async def test_case_50_a_frame_over_64_kib_closes_with_1009(strict: Live, acme: House) -> None:
    async with socket(strict, acme.person("member")) as page:
        await page.send(type="ping", padding="x" * 60_000)
        assert await page.receive() == {"type": "pong"}
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await page.send(type="ping", padding="x" * 66_000)
            await page.receive()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


@pytest.mark.faults
async def test_case_49_redis_gone(strict: Live, acme: House) -> None:
    async with client(strict, acme.person("member")) as http:
        before, _seconds = await fire(http, 20)
        idle = []
        for _ in range(20):
            begun = time.monotonic()
            await http.get("/api/v1/me/")
            idle.append(time.monotonic() - begun)
        assert cluster.REDIS.process
        cluster.REDIS.process.send_signal(signal.SIGKILL)
        cluster.REDIS.process.wait(10)
        try:
            spent: list[float] = []
            statuses: list[int] = []
            begun = time.monotonic()
            for _ in range(300):
                at = time.monotonic()
                statuses.append((await http.get("/api/v1/me/")).status_code)
                spent.append(time.monotonic() - at)
            seconds = time.monotonic() - begun
            gone = await http.get("/metrics", headers={"Host": "localhost", "Authorization": ""})
        finally:
            cluster.REDIS.start()  # Not in a thread: the server ends with the thread that started it.
            await streams.close()
        deadline = time.monotonic() + 10
        back = ""
        while "rate_limiter_degraded 0.0" not in back and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
            back = (await http.get("/metrics", headers={"Host": "localhost", "Authorization": ""})).text

    assert {answer.status_code for answer in before} == {200}
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= 1.3 * (60 + seconds)
    assert statistics.quantiles(spent, n=20)[18] - statistics.median(idle) <= 0.05
    assert "rate_limiter_degraded 1.0" in gone.text
    assert "rate_limiter_degraded 0.0" in back
