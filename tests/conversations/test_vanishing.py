"""Clients that vanish and processes that die between two steps: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket as sockets
import struct
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests import cluster
from tests.conftest import Live, another_web, free_port, resting, wait_for_port
from tests.gateway.conftest import Provider, simulator
from tests.people import House
from tests.wire import ask, client, new_conversation, socket, sse, text_of

__all__ = ["simulator"]

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection instead of ending it


def told(provider: Provider) -> dict[str, str]:
    return {"OPENAI_API_BASE": provider.base, "CLOISON_OPENAI_MODEL": "sim", "CLOISON_OPENAI_LOCALITY": "cloud"}


@pytest.fixture(scope="module")
def simulated_web(live: Live, simulator: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A web process whose answers come from the simulator."""
    with another_web(live, tmp_path_factory.mktemp("simulated"), **told(simulator)) as web:
        yield web


@pytest.fixture
def simulated(live: Live, simulated_web: Live, simulator: Provider) -> Iterator[Live]:
    simulator.reset()
    with resting(live.web):
        yield simulated_web


async def reset_after(http: httpx.AsyncClient, path: str, events: int) -> list[dict[str, Any]]:
    """The first events of a stream, whose connection is then reset."""
    found: list[dict[str, Any]] = []
    async with http.stream("GET", path, headers={"Accept": "text/event-stream"}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
            if len(found) == events:
                link = stream.extensions["network_stream"].get_extra_info("socket")
                link.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, AT_ONCE)
                break
    return found


async def test_case_55_who_vanishes_by_a_reset_resumes_without_gap_or_repeat(
    simulated: Live, simulator: Provider, acme: House, globex: House
) -> None:
    member = acme.person("member")
    async with client(simulated, member) as http:
        started = await ask(http, f"{acme.canary} [[sim ttft=50 itl=15 tokens=200]]")
        run = started["run"]["id"]
        path = f"/api/v1/runs/{run}/events/"
        async with socket(simulated, member) as page:
            await page.send(type="run.follow", run=run, after=0)
            frames = [await page.receive() for _ in range(8)]
            page.link.transport.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, AT_ONCE)
            page.link.transport.abort()
        async with client(simulated, member) as vanishing:
            events = await reset_after(vanishing, path, 8)
        await asyncio.sleep(0.5)
        assert simulator.stats()["active"] == 1  # Nobody watches, and the answer goes on.

        rest = await sse(http, path, after=len(events))
        async with socket(simulated, member) as page:
            await page.send(type="run.follow", run=run, after=len(frames))
            frames += await page.until_final()
        answer = (await http.get(f"/api/v1/conversations/{started['conversation']}/messages/")).json()["results"][1]

    assert [event["seq"] for event in events + rest] == list(range(1, len(events + rest) + 1))
    assert events + rest == frames
    assert frames[-1]["type"] == "run.completed"
    assert text_of(frames) == answer["content"]
    assert answer["content"].count("~") == 200
    for stranger in (acme.person("member2"), globex.person("member")):
        async with client(simulated, stranger) as http:
            refused, missing = await http.get(path), await http.get(path.replace(run, str(uuid.uuid4())))
            assert refused.status_code == missing.status_code == 404
            assert refused.content == missing.content


async def test_case_55_stop_reaches_the_provider_within_a_second(simulated: Live, simulator: Provider, acme: House) -> None:
    async with client(simulated, acme.person("member")) as http:
        started = await ask(http, "[[sim ttft=50 itl=20 tokens=2000]]")
        await simulator.until(20, active=1)
        run = started["run"]["id"]
        stopping = asyncio.create_task(http.post(f"/api/v1/runs/{run}/stop/"))
        seconds = await simulator.until(1.0, active=0, client_gone=1)
        assert (await stopping).status_code == 202
        events = await sse(http, f"/api/v1/runs/{run}/events/")

    assert seconds <= 1.0
    assert events[-1]["type"] == "run.stopped"


@pytest.fixture
def dying(live: Live, simulator: Provider, tmp_path: Path) -> Iterator[Live]:
    """A web process that kills itself between the commit of a turn and its response."""
    port, log = free_port(), tmp_path / "dying.log"
    script = Path(__file__).with_name("dies_on_commit.py")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, str(script), "--port", str(port)],
            env=cluster.environment(**told(simulator)),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_for_port(port, process, log)
        yield dataclasses.replace(live, port=port, web=process)
    finally:
        process.kill()
        process.wait()


async def test_case_59_one_key_is_one_turn_ten_times_at_once_and_after_a_kill_before_the_response(
    simulated: Live, dying: Live, acme: House, owner: psycopg.Connection
) -> None:
    member = acme.person("member")
    body = {"content": "Une seule fois [[sim ttft=20 itl=5 tokens=20]]"}
    key = {"Idempotency-Key": "once"}
    async with client(simulated, member) as http, client(dying, member) as there:
        conversation = await new_conversation(http)
        path = f"/api/v1/conversations/{conversation}/messages/"
        with pytest.raises(httpx.TransportError):
            await there.post(path, json=body, headers=key)
        assert dying.web.wait(10) == -9
        answers = await asyncio.gather(*(http.post(path, json=body, headers=key) for _ in range(10)))
        run = answers[0].json()["run"]["id"]
        events = await sse(http, f"/api/v1/runs/{run}/events/")
        answers += await asyncio.gather(*(http.post(path, json=body, headers=key) for _ in range(10)))
        messages = (await http.get(path)).json()["results"]

    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert events[-1]["type"] == "run.completed"
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[1]["content"] == text_of(events) != ""
    for table, rows in (("conversations_message", 2), ("conversations_run", 1), ("gateway_usagerecord", 1)):
        assert owner.execute(f"SELECT count(*) FROM {acme.schema}.{table}").fetchone() == (rows,), table
