"""Redis dies in mid-answer: nothing that was shown is lost, and nothing is told twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import streams
from tests import cluster
from tests.conftest import Live, another_web, resting
from tests.people import House
from tests.wire import ask, client, socket, sse, text_of

pytestmark = pytest.mark.faults


@pytest.fixture
def slow(live: Live, tmp_path: Path) -> Iterator[Live]:
    with resting(live.web), another_web(live, tmp_path, CLOISON_BUILTIN_PACE_MS="150") as web:
        yield web


@pytest.mark.parametrize("emptied", [False, True])
async def test_redis_killed_in_mid_answer_loses_no_character(emptied: bool, slow: Live, acme: House) -> None:
    member = acme.person("member")
    async with client(slow, member) as http, socket(slow, member) as page:
        started = await ask(http, "Bonjour, que sais-tu ?")
        run = started["run"]["id"]
        await page.send(type="run.follow", run=run, after=0)
        frames = [await page.receive() for _ in range(6)]

        assert cluster.REDIS.process
        cluster.REDIS.process.send_signal(signal.SIGKILL)
        cluster.REDIS.process.wait(10)
        if emptied:
            for path in (cluster.PLACES.servers / "redis").glob("append*"):
                path.unlink() if path.is_file() else [each.unlink() for each in path.iterdir()]
        cluster.REDIS.start()  # Not in a thread: the server ends with the thread that started it.
        await streams.close()

        frames += await page.until_final()
        again = await sse(http, f"/api/v1/runs/{run}/events/")
        answer = (await http.get(f"/api/v1/conversations/{started['conversation']}/messages/")).json()["results"][1]

    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    assert frames[-1]["type"] == "run.completed"
    assert text_of(frames) == answer["content"]
    assert text_of(again) == answer["content"]
