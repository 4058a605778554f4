"""Several web processes and their deaths: a stream resumes anywhere, and a dead process's run ends honestly."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from assistants.conversations import events
from assistants.conversations.events import EventWriter, RunLog
from core import streams
from tests.conftest import Live, another_web
from tests.people import House
from tests.wire import ask, client, socket, sse, text_of


@pytest.fixture
def second(live: Live, tmp_path: Path) -> Iterator[Live]:
    """A second web process on the same servers, whose answers take several seconds."""
    with another_web(live, tmp_path, CLOISON_BUILTIN_PACE_MS="400") as web:
        yield web


async def wait_for_text(live: Live, run: str, house: House, seconds: float = 10) -> None:
    """Until some of the answer was told."""

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if any(b'"type":"delta"' in fields[b"e"] for _id, fields in await streams.entries(f"run:{house.schema}:{run}", 0, 100)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("no text was told")


async def test_another_process_follows_and_stops_a_run(live: Live, second: Live, acme: House) -> None:
    member = acme.person("member")
    async with client(second, member) as there, client(live, member) as here:
        started = await ask(there, "Bonjour")
        run = started["run"]["id"]
        await wait_for_text(second, run, acme)
        begun = time.monotonic()
        await here.post(f"/api/v1/runs/{run}/stop/")
        events = await sse(here, f"/api/v1/runs/{run}/events/")
        seconds = time.monotonic() - begun
        answer = (await here.get(f"/api/v1/conversations/{started['conversation']}/messages/")).json()["results"][1]

    assert events[-1]["type"] == "run.stopped"
    assert seconds < 3
    assert answer["content"] == text_of(events) != ""


async def test_a_killed_processs_run_ends_paid_and_keeps_every_shown_character(
    live: Live, second: Live, acme: House, owner: psycopg.Connection
) -> None:
    member = acme.person("member")
    async with client(second, member) as there:
        started = await ask(there, "Bonjour")
    run = started["run"]["id"]
    await wait_for_text(second, run, acme)

    second.web.send_signal(signal.SIGKILL)
    second.web.wait(10)
    begun = time.monotonic()
    async with client(live, member) as here:
        events = await sse(here, f"/api/v1/runs/{run}/events/")
        seconds = time.monotonic() - begun
        answer = (await here.get(f"/api/v1/conversations/{started['conversation']}/messages/")).json()["results"][1]
        again = await sse(here, f"/api/v1/runs/{run}/events/")

    assert events[-1]["type"] == "run.interrupted"
    assert seconds <= 15
    assert answer["content"] == text_of(events) != ""
    assert again == events
    paid = owner.execute(f"SELECT run::text, outcome, estimated FROM {acme.schema}.gateway_usagerecord").fetchall()
    assert paid == [(run, "stopped", True)]


@pytest.mark.faults
async def test_an_end_that_a_dying_process_stored_and_did_not_tell_is_told(live: Live, acme: House) -> None:
    from asgiref.sync import sync_to_async
    from django.db import connections

    from assistants.conversations import services
    from assistants.conversations.events import encode, stream_key

    member = acme.person("member")

    def start() -> services.Started:
        try:
            with member.acting():
                started = services.start_run(owner=member.user, conversation=None, content="Bonjour")
                assert services.claim_run(run_id=started.run.pk, host="dead")
                return started
        finally:
            connections.close_all()

    def finish(run: int, answer: int) -> None:
        try:
            with member.acting():
                told = {"host": "dead", "status": "completed", "text": "Un, deux, trois."}
                assert services.finish_run(run_id=run, answer_id=answer, **told)
                assert services.finish_run(run_id=run, answer_id=answer, **told)  # A commit whose answer was lost.
                assert not services.finish_run(run_id=run, answer_id=answer, **(told | {"host": "other"}))
        finally:
            connections.close_all()

    started = await sync_to_async(start, thread_sensitive=False)()
    run = started.run.public_id
    async with client(live, member) as http:
        waiting = asyncio.create_task(sse(http, f"/api/v1/runs/{run}/events/"))
        await asyncio.sleep(0.5)
        await streams.command("XADD", stream_key(acme.schema, run), "1-0", "e", encode(1, "delta", run, text="Un, "))
        await sync_to_async(finish, thread_sensitive=False)(started.run.pk, started.answer.pk)
        async with asyncio.timeout(15):
            events = await waiting

    assert [event["seq"] for event in events] == [1, 2, 3]
    assert text_of(events) == "Un, deux, trois."
    assert events[-1]["type"] == "run.completed"


async def test_sigterm_lets_runs_be_told_whole_and_closes_sockets_with_1012(live: Live, second: Live, acme: House) -> None:
    import websockets

    member = acme.person("member")
    async with socket(second, member) as page:
        await page.send(type="message.send", content="Bonjour", key="restart")
        run = (await page.receive())["run"]["id"]
        await wait_for_text(second, run, acme)
        second.web.send_signal(signal.SIGTERM)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await page.receive()
    async with client(live, member) as here:
        events = await sse(here, f"/api/v1/runs/{run}/events/")

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert events[-1]["type"] in {"run.interrupted", "run.completed"}
    assert text_of(events) != ""
    assert second.web.wait(25) == 0


async def test_a_run_nobody_was_told_of_is_found_by_the_sweep(live: Live, acme: House, owner: psycopg.Connection) -> None:
    from asgiref.sync import sync_to_async

    from assistants.conversations import services
    from isolation import context

    member = acme.person("member")

    def start(model: str) -> str:
        from django.db import connections

        try:
            with context.use(member.context):
                # No host lives in this process: nobody is woken.
                asked = {"conversation": None, "content": "Bonjour", "request": {"model": model} if model else {}}
                return str(services.start_run(owner=member.user, **asked).run.public_id)
        finally:
            connections.close_all()

    run, failing = [await sync_to_async(start, thread_sensitive=False)(model) for model in ("", "nowhere/none")]
    async with client(live, member) as http:
        events = await sse(http, f"/api/v1/runs/{run}/events/")
        failed = await sse(http, f"/api/v1/runs/{failing}/events/")

    assert events[-1]["type"] == "run.completed"
    assert failed[-1]["detail"] == "Il n’y a pas de modèle « nowhere/none » ici."  # Nobody's request is at hand: the owner's.


async def test_a_stream_that_redis_lost_between_two_events_is_told_again_from_the_first(servers: None) -> None:
    writer, run = EventWriter(), uuid.uuid4()
    log = RunLog(events.stream_key("t_0123456789ab", run), run)
    writer.start()
    try:
        writer.open(log)
        log.add("run.started")
        log.add("delta", text="Before ")
        writer.touch(log, urgent=True)
        async with asyncio.timeout(5):
            while len(await events.stored(log.key)) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await streams.command("DEL", log.key)
        log.add("delta", text="and after.")
        log.add("run.completed")
        await writer.close(log)

        assert await events.stored(log.key) == log.entries
    finally:
        await writer.stop()
        await streams.command("DEL", log.key)
