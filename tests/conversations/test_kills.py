"""Five hundred turns while something dies every five seconds: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import collections
import itertools
import json
import random
import signal
import socket as sockets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import websockets

from core import streams
from tests import cluster
from tests.conftest import Live, free_port, start_process, wait_for_port
from tests.conversations.test_vanishing import told
from tests.gateway.conftest import Provider, simulator
from tests.people import House
from tests.wire import FINAL, client, new_conversation, socket, text_of

__all__ = ["simulator"]
pytestmark = pytest.mark.faults

SENDS, CLIENTS = 500, 10
EVERY = 5.0  # seconds between two kills
MOST = 600.0  # seconds in which messages are sent: a slow machine sends fewer, never fewer than LEAST
LEAST = 100
CAST = ("member", "member2", "manager", "admin", "viewer")
RECONNECTS = 20
TROUBLE = (httpx.HTTPError, OSError, websockets.WebSocketException, TimeoutError, KeyError, AssertionError)


@dataclass
class Installation:
    """Two web processes and a worker; who dies is started again, as by the supervisor."""

    simulator: Provider
    folder: Path
    ports: tuple[int, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    killed: collections.Counter[str] = field(default_factory=collections.Counter)

    def start(self, name: str) -> None:
        log = self.folder / f"{name}.log"
        if name == "worker":
            self.processes[name] = start_process("worker", log=log, **told(self.simulator))
        else:
            port = str(self.ports[name == "web2"])
            self.processes[name] = start_process("serve", "--port", port, log=log, **told(self.simulator))

    async def kill(self, name: str) -> None:
        self.killed[name] += 1
        if name == "redis":
            assert cluster.REDIS.process
            cluster.REDIS.process.send_signal(signal.SIGKILL)
            cluster.REDIS.process.wait(10)
            await asyncio.sleep(0.2)
            cluster.REDIS.start()  # Not in a thread: the server ends with the thread that started it.
            return
        self.processes[name].kill()
        await asyncio.to_thread(self.processes[name].wait, 10)
        await asyncio.sleep(0.2)
        self.start(name)

    async def kill_forever(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            serving = [name for name, port in zip(("web1", "web2"), self.ports, strict=True) if listens(port)]
            # One that is starting is let start: on a slow machine there would never be any.
            names = ["redis", "worker", *(serving if len(serving) == 2 else ())]
            rarest = min(self.killed[name] for name in names)
            await self.kill(random.choice([name for name in names if self.killed[name] <= rarest + 1]))

    def sites(self) -> Iterator[Live]:
        """The web processes in turn, for who tries again elsewhere."""
        ports = random.sample(self.ports, 2)
        return itertools.cycle([Live(port, self.processes["web1"], self.processes["worker"], self.folder) for port in ports])


@pytest.fixture
def installation(houses: dict[str, House], simulator: Provider, tmp_path: Path) -> Iterator[Installation]:
    simulator.reset()
    made = Installation(simulator, tmp_path, (free_port(), free_port()))
    for name in ("web1", "web2", "worker"):
        made.start(name)
    try:
        for name, port in zip(("web1", "web2"), made.ports, strict=True):
            wait_for_port(port, made.processes[name], tmp_path / f"{name}.log")
        yield made
    finally:
        for process in made.processes.values():
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    try:
        sockets.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@dataclass
class Seen:
    """What one follower of a run was told."""

    run: str
    events: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    waited: float = 0.0  # the longest silence, seconds

    @property
    def over(self) -> bool:
        return bool(self.events) and self.events[-1]["type"] in FINAL

    def take(self, event: dict[str, Any], since: float) -> float:
        self.waited = max(self.waited, time.monotonic() - since)
        self.events.append(event)
        return time.monotonic()


async def follow(installation: Installation, house: House, local: str, run: str, *, reconnects: int = 0) -> Seen:
    """Server-sent events to the end, from wherever the last connection broke; `reconnects` times it breaks by our will."""
    seen, since = Seen(run), time.monotonic()
    for site in installation.sites():
        seen.connections += 1
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(len(seen.events))}
        try:
            async with (
                client(site, house.person(local)) as http,
                http.stream("GET", f"/api/v1/runs/{run}/events/", headers=headers, timeout=20) as stream,
            ):
                stream.raise_for_status()
                async for line in stream.aiter_lines():
                    if line.startswith("data: "):
                        since = seen.take(json.loads(line[6:]), since)
                        if seen.over:
                            return seen
                        if seen.connections <= reconnects:
                            break
        except TROUBLE:
            await asyncio.sleep(0.2)
    raise AssertionError


async def follow_by_socket(installation: Installation, house: House, local: str, run: str) -> Seen:
    seen, since = Seen(run), time.monotonic()
    for site in installation.sites():
        seen.connections += 1
        try:
            async with socket(site, house.person(local)) as page:
                await page.send(type="run.follow", run=run, after=len(seen.events))
                while True:
                    event = await page.receive()
                    if event["type"] == "error":
                        raise KeyError(event["code"])
                    since = seen.take(event, since)
                    if seen.over:
                        return seen
        except TROUBLE:
            await asyncio.sleep(0.2)
    raise AssertionError


async def send(installation: Installation, house: House, local: str, conversation: str, key: str) -> dict[str, Any]:
    """Until it is acknowledged."""
    body = {"content": f"{key} [[sim ttft=50 itl=15 tokens=40]]"}
    for site in installation.sites():
        try:
            async with client(site, house.person(local)) as http:
                path = f"/api/v1/conversations/{conversation}/messages/"
                answer = await http.post(path, json=body, headers={"Idempotency-Key": key}, timeout=20)
                if answer.status_code == 202:
                    return dict(answer.json())
                assert answer.status_code >= 500, answer.text
        except TROUBLE:
            pass
        await asyncio.sleep(0.2)
    raise AssertionError


async def converse(installation: Installation, house: House, number: int, accepted: dict[str, Any], seen: list[Seen]) -> None:
    until = time.monotonic() + MOST
    local = CAST[number % len(CAST)]
    async with client(next(installation.sites()), house.person(local)) as http:
        conversation = await new_conversation(http)
    for turn in range(SENDS // CLIENTS):
        if time.monotonic() > until:
            return
        key = f"client {number} turn {turn}"
        accepted[key] = await send(installation, house, local, conversation, key)
        run = accepted[key]["run"]["id"]
        watchers = [follow(installation, house, local, run)]
        if turn % 5 == 0:
            watchers.append(follow(installation, house, local, run, reconnects=RECONNECTS))
        if turn % 5 == 1:
            watchers.append(follow_by_socket(installation, house, local, run))
        seen += await asyncio.gather(*watchers)


async def test_case_60_five_hundred_turns_survive_random_kills(
    installation: Installation, acme: House, owner: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted: dict[str, dict[str, Any]] = {}
    seen: list[Seen] = []
    begun = time.monotonic()
    killer = asyncio.create_task(installation.kill_forever())
    try:
        async with asyncio.timeout(MOST + 120):
            await asyncio.gather(*(converse(installation, acme, number, accepted, seen) for number in range(CLIENTS)))
    finally:
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
        await streams.close()
    seconds = time.monotonic() - begun
    messages = owner.execute(
        f"SELECT public_id::text, content FROM {acme.schema}.conversations_message WHERE role = 'user'"
    ).fetchall()
    runs = {
        run: (status, text, paid)
        for run, status, text, paid in owner.execute(
            f"SELECT r.public_id::text, r.status, m.content,"
            f" (SELECT count(*) FROM {acme.schema}.gateway_usagerecord u WHERE u.run = r.public_id)"
            f" FROM {acme.schema}.conversations_run r JOIN {acme.schema}.conversations_message m ON m.id = r.answer_id"
        )
    }
    ends = collections.Counter(status for status, _text, _paid in runs.values())
    silences = sorted(each.waited for each in seen)
    with capsys.disabled():
        print(
            f"\n{len(accepted)} sends in {seconds:.0f} s, killed {dict(installation.killed)}, ends {dict(ends)},"
            f" {sum(each.connections for each in seen)} connections of {len(seen)} followers,"
            f" longest silence p50 {silences[len(silences) // 2]:.1f} s, p99 {silences[-len(silences) // 100]:.1f} s,"
            f" most {silences[-1]:.1f} s"
        )

    assert sorted(answer["message"]["id"] for answer in accepted.values()) == sorted(name for name, _content in messages)
    assert len({content for _name, content in messages}) == len(messages) >= LEAST
    assert {answer["run"]["id"] for answer in accepted.values()} == set(runs)
    assert set(ends) <= {"completed", "interrupted", "failed"}
    for each in seen:
        status, text, _paid = runs[each.run]
        assert [event["seq"] for event in each.events] == list(range(1, len(each.events) + 1)), each
        assert [event["type"] for event in each.events if event["type"] in FINAL] == [f"run.{status}"]
        assert text_of(each.events) == text, each
    assert {paid for _status, text, paid in runs.values() if text} == {1}
    assert {paid for _status, _text, paid in runs.values()} <= {0, 1}
    assert all(text.count("~") == 40 for status, text, _paid in runs.values() if status == "completed")
