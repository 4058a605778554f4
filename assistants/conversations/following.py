"""Watching and stopping a run, whichever process makes it: shared by the websocket and the server-sent stream."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from assistants.conversations import events, services
from assistants.conversations.events import Follower, Push, stream_key
from assistants.conversations.host import host
from assistants.conversations.models import Run
from assistants.conversations.recovery import finished_events
from core.errors import NotFound
from isolation import in_thread


def visible_run(user: User, run: uuid.UUID) -> Run:
    """Raises `NotFound` for a run that is not this person's."""
    found = Run.objects.visible_to(user).select_related("answer").filter(public_id=run).first()
    if found is None:
        raise NotFound(_("There is no such run."))
    return found


async def follow(*, user: User, schema: str, run: uuid.UUID, after: int, push: Push) -> Follower | None:
    """Push the run's events after number `after`; None where it is over and everything was pushed. Raises `NotFound`."""
    row = await in_thread(visible_run, user, run)
    if row.is_final:
        for event in await finished_events(schema, row, after, get_language()):
            push(event)
        return None
    return await host.reader.follow(stream_key(schema, run), after, push)


async def follow_own(schema: str, run: uuid.UUID, push: Push) -> Follower:
    """As `follow`, from the start, for a run that the same person has just begun: nothing to look up."""
    return await host.reader.follow(stream_key(schema, run), 0, push)


async def stream(*, user: User, schema: str, run: uuid.UUID, after: int, language: str | None) -> AsyncGenerator[bytes, None]:
    """The run's events after `after`, ended by the final one. Raises `NotFound` before the first.

    `language` is the request's, which is over when the events are sent.
    """
    row = await in_thread(visible_run, user, run)
    if row.is_final:
        for event in await finished_events(schema, row, after, language):
            yield event
        return
    async with aclosing(events.events_of(host.reader, stream_key(schema, run), after)) as found:
        async for event in found:
            yield event


async def stream_all(*, user: User, schema: str, runs: Sequence[uuid.UUID], language: str | None) -> AsyncGenerator[bytes, None]:
    """As `stream`, the events of runs that were begun together, as they come; ended when all have ended."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def pump(run: uuid.UUID) -> None:
        try:
            async with aclosing(stream(user=user, schema=schema, run=run, after=0, language=language)) as found:
                async for event in found:
                    queue.put_nowait(event)
        finally:
            queue.put_nowait(None)

    tasks = [asyncio.get_running_loop().create_task(pump(run)) for run in runs]
    try:
        left = len(tasks)
        while left:
            event = await queue.get()
            if event is None:
                left -= 1
            else:
                yield event
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def stop(*, user: User, schema: str, run: uuid.UUID) -> None:
    """Ask for a run's end; one that is over stays as it is. Raises `NotFound`."""
    row = await in_thread(visible_run, user, run)
    if row.is_final:
        return
    if row.status == Run.Status.QUEUED and await in_thread(services.stop_queued_run, run=row):
        return
    host.stop_run(str(run))
    await events.ask_to_stop(run)
