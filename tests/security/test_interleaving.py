"""Two tenants at once, on few connections, through every style of code (cases 6 and 7, and the long load)."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.testing import WebsocketCommunicator
from django.db import connections

from assistants.conversations import services
from assistants.conversations.models import Conversation, Message, Run
from isolation import context, in_thread
from isolation.context import NoTenantContext
from tests import canary
from tests.conftest import Live, another_web
from tests.people import Actor, House
from tests.wire import Socket, client, socket

PEOPLE = ("member", "member2", "viewer", "manager")


def plant(actor: Actor, count: int = 5) -> list[Run]:
    """Conversations whose every text holds their owner's canary, with finished runs that replay."""
    word = canary.private(actor.house) if actor.local == "member2" else actor.house.canary
    runs = []
    with actor.acting():
        for number in range(count):
            run = services.start_run(owner=actor.user, conversation=None, content=f"{word} question {number}").run
            Message.objects.filter(pk=run.answer_id).update(content=f"{word} answer {number}")
            Run.objects.filter(pk=run.pk).update(status="completed")
            runs.append(run)
    connections.close_all()
    return runs


@pytest.fixture(params=[2, 10])
def pooled(request: pytest.FixtureRequest, live: Live, tmp_path: Path) -> Iterator[Live]:
    """A web process with a pool of two, and one of ten."""
    with another_web(live, tmp_path, CLOISON_DB_POOL=str(request.param)) as web:
        yield web
    canary.look((tmp_path / "web.log").read_bytes(), None, "web.log")


@dataclasses.dataclass
class Tally:
    asked: int = 0
    reached: int = 0
    """answers of a view: not a refusal on the way"""
    rows: int = 0
    """canaries of one's own that came back: the load did read something"""

    def add(self, answer: httpx.Response) -> None:
        self.asked += 1
        self.reached += answer.status_code in {200, 201, 202, 204}
        self.rows += answer.text.count("CANARY")
        assert answer.status_code < 500, answer.text


def paths(runs: list[Run], foreign: list[Run]) -> list[str]:
    """What is asked for: mostly one's own, sometimes somebody else's ids and nonsense."""
    own = [f"/api/v1/conversations/{run.conversation.public_id}/messages/" for run in runs]
    theirs = [f"/api/v1/conversations/{run.conversation.public_id}/messages/" for run in foreign]
    return [*own, *own, "/api/v1/conversations/", "/api/v1/me/", "/", "/api/v1/folders/", *theirs[:2], "/api/v1/nothing/"]


async def read(link: Socket, runs: list[Run], foreign: list[Run], count: int) -> int:
    """Follow runs over a socket; returns how many answers held one's own text."""
    held = 0
    for number in range(count):
        await asyncio.sleep(random.uniform(0, 0.01))
        run = random.choice(foreign if number % 5 == 4 else runs)
        await link.send(type="run.follow", run=str(run.public_id), after=0)
        frames = [await link.receive()]
        while frames[-1]["type"] not in {"error", "run.completed", "run.failed", "run.stopped", "run.interrupted"}:
            frames.append(await link.receive())
        held += "CANARY" in json.dumps(frames)
    return held


async def mixed(live: Live, houses: list[House], *, requests: int, sockets: int, reads: int, at_once: int) -> tuple[Tally, int]:
    """The load: `requests` over HTTP, `sockets` sockets with `reads` each, of both tenants. Canaries are looked for throughout."""
    actors = [house.person(name) for house in houses for name in PEOPLE]
    planted = {actor.email: await sync_to_async(plant)(actor) for actor in actors}
    tally, turn = Tally(), asyncio.Semaphore(at_once)

    def foreign(actor: Actor) -> list[Run]:
        return [run for email, runs in planted.items() if email != actor.email for run in runs[:1]]

    async def http_load(actor: Actor, count: int) -> None:
        wanted = paths(planted[actor.email], foreign(actor))
        async with client(live, actor) as http:

            async def one() -> None:
                async with turn:
                    tally.add(await http.get(random.choice(wanted)))

            await asyncio.gather(*(one() for _ in range(count)))

    async def socket_load(actor: Actor) -> int:
        async with socket(live, actor) as link:
            return await read(link, planted[actor.email], foreign(actor), reads)

    sockets_of = [actors[number % len(actors)] for number in range(sockets)]
    done = await asyncio.gather(
        *(http_load(actor, requests // len(actors)) for actor in actors), *(socket_load(actor) for actor in sockets_of)
    )
    return tally, sum(held for held in done if held)


async def test_case_6_interleaved_consumers_and_requests(pooled: Live, acme: House, globex: House) -> None:
    tally, held = await mixed(pooled, [acme, globex], requests=400, sockets=40, reads=10, at_once=32)

    assert tally.asked == 400
    assert tally.reached >= 0.6 * tally.asked
    assert tally.rows > 400
    assert held >= 40 * 8 * 0.9


@pytest.mark.soak
async def test_ten_thousand_requests_and_two_thousand_reads_show_no_foreign_row(live: Live, acme: House, globex: House) -> None:
    tally, held = await mixed(live, [acme, globex], requests=10_000, sockets=40, reads=50, at_once=64)

    print(f"{tally.asked} requests, {tally.reached} reached a view, {tally.rows} own rows; {held} reads of own text over sockets")
    assert tally.asked == 10_000
    assert tally.reached >= 0.6 * tally.asked
    assert held >= 40 * 50 * 0.8 * 0.9


def titles() -> list[str]:
    return [conversation.title for conversation in Conversation.objects.order_by("pk")[:50]]


def titles_and_close() -> list[str]:
    try:
        return titles()
    finally:
        connections.close_all()


class SetsOnce(AsyncWebsocketConsumer):  # type: ignore[misc]
    """(a) enters the context when it connects, and never again."""

    async def connect(self) -> None:
        context.enter(self.scope["as"])
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(json.dumps(await in_thread(titles)))


class WrapsAwait(AsyncWebsocketConsumer):  # type: ignore[misc]
    """(b) enters it around an await."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        with context.use(self.scope["as"]):
            await asyncio.sleep(random.uniform(0, 0.005))
            found = await sync_to_async(titles_and_close, thread_sensitive=False)()
        await self.send(json.dumps(found))


class AsyncORM(AsyncWebsocketConsumer):  # type: ignore[misc]
    """(c) iterates the ORM asynchronously."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        with context.use(self.scope["as"]):
            found = [conversation.title async for conversation in Conversation.objects.order_by("pk")[:50]]
            await sync_to_async(connections.close_all)()
        await self.send(json.dumps(found))


class Synchronous(WebsocketConsumer):  # type: ignore[misc]
    """(d) is synchronous altogether: channels runs each of its handlers in a thread."""

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        with context.use(self.scope["as"]):
            self.send(json.dumps(titles()))


class Forgets(AsyncWebsocketConsumer):  # type: ignore[misc]
    """(e) enters none."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            found = await in_thread(titles)
        except NoTenantContext:
            found = ["refused"]
        await self.send(json.dumps(found))


STYLES = [SetsOnce, WrapsAwait, AsyncORM, Synchronous, Forgets]


@pytest.fixture
async def planted(acme: House, globex: House) -> AsyncIterator[list[Actor]]:
    actors = [house.person(name) for house in (acme, globex) for name in ("member", "member2")]
    for actor in actors:
        await sync_to_async(plant)(actor)
    yield actors
    await sync_to_async(connections.close_all)()


async def talk(style: type[Any], actor: Actor, count: int) -> list[list[str]]:
    communicator = WebsocketCommunicator(style.as_asgi(), "/")
    communicator.scope["as"] = await sync_to_async(lambda: actor.context)()
    connected, _protocol = await communicator.connect(timeout=10)
    assert connected
    found = []
    for _ in range(count):
        await communicator.send_to(text_data="list")
        frame = await communicator.receive_from(timeout=20)
        canary.look(frame, actor, style.__name__)
        found.append(json.loads(frame))
    await communicator.disconnect()
    return found


@pytest.mark.parametrize("style", STYLES)
async def test_case_7_consumers_of_every_style_read_their_own(planted: list[Actor], style: type[Any]) -> None:
    """Four people of two tenants at once, and again after the others have run in this process."""
    for each in (style, *STYLES, style):
        answers = await asyncio.gather(*(talk(each, actor, 5) for actor in planted))
        for own in answers:
            for found in own:
                assert found == ["refused"] if each is Forgets else len(found) == 5, f"case 7: {each.__name__}"
