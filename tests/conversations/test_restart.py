"""A deploy: one of two web processes gets SIGTERM under load, and nobody loses anything."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import websockets

from tests.conftest import Live, free_port, start_process, wait_for_port
from tests.conversations.test_vanishing import told
from tests.gateway.conftest import Provider, simulator
from tests.people import Actor, House
from tests.wire import FINAL, ask, client, socket, sse, text_of

__all__ = ["simulator"]
pytestmark = pytest.mark.faults


@pytest.fixture
def two(live: Live, simulator: Provider, tmp_path: Path) -> Iterator[tuple[Live, Live]]:
    """Two web processes whose answers come from the simulator."""
    simulator.reset()
    ports = free_port(), free_port()
    processes = [
        start_process("serve", "--port", str(port), log=tmp_path / f"{port}.log", CLOISON_DRAIN_SECONDS="11", **told(simulator))
        for port in ports
    ]
    try:
        for port, process in zip(ports, processes, strict=True):
            wait_for_port(port, process, tmp_path / f"{port}.log")
        first, second = (dataclasses.replace(live, port=p, web=process) for p, process in zip(ports, processes, strict=True))
        yield first, second
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait(30)


@dataclass
class Follower:
    """A page that follows a run, and goes to the other process when its own closes."""

    sites: tuple[Live, Live]
    actor: Actor
    run: str
    events: list[dict[str, Any]] = field(default_factory=list)
    closed_with: int | None = None

    async def follow(self) -> None:
        for site in self.sites:
            async with socket(site, self.actor) as page:
                await page.send(type="run.follow", run=self.run, after=len(self.events))
                try:
                    while not self.events or self.events[-1]["type"] not in FINAL:
                        self.events.append(await page.receive())
                    return
                except websockets.ConnectionClosed as closed:
                    self.closed_with = closed.rcvd.code if closed.rcvd else None


@dataclass
class Clerk:
    """Reads and writes without a pause over kept connections, as through a balancer: a refused port means the other."""

    sites: tuple[Live, Live]
    actor: Actor
    done: int = 0
    failed: list[str] = field(default_factory=list)
    moved: bool = False

    async def work(self, until: asyncio.Event) -> None:
        async with client(self.sites[0], self.actor) as here, client(self.sites[1], self.actor) as there:
            while not until.is_set():
                made = await self._ask(here, there, "POST", "/api/v1/conversations/", {"title": "x"})
                if made is not None:
                    path = f"/api/v1/conversations/{made.json()['id']}/"
                    await self._ask(here, there, "PATCH", path, {"title": "y"})
                    await self._ask(here, there, "GET", path)
                    await self._ask(here, there, "DELETE", f"{path}?forever=1")
                await asyncio.sleep(0.05)

    async def _ask(self, here: httpx.AsyncClient, there: httpx.AsyncClient, verb: str, path: str, body: Any = None) -> Any:
        try:
            answer = await (there if self.moved else here).request(verb, path, json=body)
        except httpx.ConnectError:
            self.moved = True
            answer = await there.request(verb, path, json=body)
        except httpx.TransportError as error:
            self.failed.append(f"{verb} {path}: {type(error).__name__} {error}")
            return None
        self.done += 1
        if answer.status_code >= 400:
            self.failed.append(f"{verb} {path}: {answer.status_code} {answer.text}")
            return None
        return answer


async def test_case_58_a_deploy_loses_no_character_and_no_request(
    two: tuple[Live, Live], acme: House, owner: psycopg.Connection
) -> None:
    member = acme.person("member")
    first, second = two
    async with client(first, member) as http:
        asked = ["[[sim ttft=100 itl=25 tokens=400]]"] * 18 + ["[[sim ttft=100 itl=50 tokens=2000]]"] * 2
        runs = [started["run"]["id"] for started in await asyncio.gather(*(ask(http, content) for content in asked))]
        short, long = runs[:18], runs[18:]
    followers = [Follower(two, member, run) for run in short + long]
    following = [asyncio.create_task(follower.follow()) for follower in followers]
    over = asyncio.Event()
    clerks = [Clerk(two, acme.person("member2")) for _ in range(4)]
    working = [asyncio.create_task(clerk.work(over)) for clerk in clerks]
    async with client(first, member) as http, client(second, member) as elsewhere:
        stream = asyncio.create_task(sse(http, f"/api/v1/runs/{short[-1]}/events/"))
        while not all(text_of(follower.events) for follower in followers):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)

        first.web.terminate()
        begun = time.monotonic()
        await asyncio.gather(*following)
        gone = await asyncio.to_thread(first.web.wait, 30)
        seconds = time.monotonic() - begun
        streamed = await stream
        await asyncio.sleep(0.5)
        over.set()
        await asyncio.gather(*working)
        stored = dict(
            owner.execute(
                f"SELECT r.public_id::text, m.content FROM {acme.schema}.conversations_run r"
                f" JOIN {acme.schema}.conversations_message m ON m.id = r.answer_id"
            ).fetchall()
        )
        again = await sse(elsewhere, f"/api/v1/runs/{short[0]}/events/")

    assert (gone, [failure for clerk in clerks for failure in clerk.failed]) == (0, [])
    assert all(clerk.moved for clerk in clerks)
    assert sum(clerk.done for clerk in clerks) > 100
    assert seconds < 18
    for follower in followers:
        assert follower.closed_with == 1012
        assert [event["seq"] for event in follower.events] == list(range(1, len(follower.events) + 1))
        assert text_of(follower.events) == stored[follower.run] != ""
        assert sum(event["type"] in FINAL for event in follower.events) == 1
    assert {follower.events[-1]["type"] for follower in followers[:18]} == {"run.completed"}
    assert {follower.events[-1]["type"] for follower in followers[18:]} == {"run.interrupted"}  # Past the grace.
    assert all(stored[run].count("~") == 400 for run in short)
    assert streamed == followers[17].events
    assert again == followers[0].events
