"""RunHost: answers belong to the server. It takes queued runs, tells their events, and ends each exactly once.

It lives in the web process's event loop, or alone in `manage.py runner`. A socket's end stops nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError
from django.utils import translation
from redis.exceptions import RedisError

from assistants.conversations import recovery, services, wakeups
from assistants.conversations.answers import (
    Answered,
    AnswerService,
    Delta,
    Retrieved,
    Routed,
    Used,
    cited_passages,
    numbered,
)
from assistants.conversations.events import EventWriter, Reader, RunLog, stream_key
from assistants.conversations.failures import text_of
from assistants.conversations.models import Run
from assistants.conversations.privacy import PrivacyKeeper
from assistants.conversations.services import ClaimedRun
from assistants.conversations.titles import TitleService
from core import languages, streams
from core.errors import AppError
from documents.rag import RAGService
from gateway.clients import session as providers
from gateway.router import LLMRouter
from isolation import context, in_thread
from isolation.context import Context
from tenants.sites import active_schemas

logger = logging.getLogger(__name__)

SAVE_EVERY = 2.0  # seconds between two savings of the text so far, each of which renews the lease
SWEEP_EVERY = 2.0  # seconds
SILENCE = 5.0  # seconds without an event after which it is looked whether a followed run is over


@dataclass(slots=True)
class Progress:
    """What a run in this process has produced."""

    run: Run
    log: RunLog
    text: list[str] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)
    routing: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    answered: Answered = field(default_factory=lambda: Answered((), None))
    task: asyncio.Task[None] | None = None
    stop_asked: bool = False
    lost: bool = False  # to another process, which ends it

    @property
    def content(self) -> str:
        return "".join(self.text)


class RunHost:
    """One per process. `start` and `stop` run on the loop that it then lives in; `wake` may come from any thread."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"[:64]
        self.writer = EventWriter()
        self.reader = Reader(self.writer)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: dict[str, Progress] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.writer.start()
        self.reader.on_stop = self.stop_run
        self.reader.start()
        wakeups.listen(self.wake)
        self._sweep = self._loop.create_task(self._sweep_forever(), name="run sweep")

    @property
    def is_busy(self) -> bool:
        return bool(self._tasks)

    def drain(self) -> None:
        """Take no new runs: other processes' sweeps find them."""
        wakeups.forget(self.wake)
        if self._sweep:
            self._sweep.cancel()

    async def stop(self) -> None:
        """The text so far is stored, runs end as interrupted, and nothing is left half-told."""
        self.drain()
        # Only the answers are broken off: a run that is being stored and told ends by itself.
        for progress in list(self._running.values()):
            if progress.task:
                progress.task.cancel()
        if self._tasks:
            _done, late = await asyncio.wait(self._tasks, timeout=5)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=1)
        await self.writer.stop()
        await self.reader.stop()
        await streams.close()
        await providers.close()

    def wake(self, here: Context, run: Run) -> None:
        """A run was committed in this thread: claim it with the connection that is at hand, unless the loop is gone.

        What goes wrong with it is told in the language of the request that asked for it.
        """
        if self._loop and not self._loop.is_closed():
            claimed = self._claim(run.pk, run)
            if claimed:
                self._loop.call_soon_threadsafe(self._spawn, self._run(here, claimed, translation.get_language()))

    def stop_run(self, run: str) -> None:
        """Stop a run if it is ours. Others' hosts hear the same request."""
        progress = self._running.get(run)
        if progress and progress.task and not progress.stop_asked:
            progress.stop_asked = True
            progress.task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._loop
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _claim(self, run_id: int, known: Run | None = None) -> ClaimedRun | None:
        """Take the run, unless it is another's, or the database or an attached file cannot be read."""
        try:
            return services.claim_run(run_id=run_id, host=self.name, known=known)
        except (DatabaseError, OSError):
            logger.warning("run could not be claimed; the sweep will find it", extra={"run_id": run_id})
            return None

    async def _run_left(self, here: Context, run_id: int) -> None:
        """A run that missed its wake-up."""
        with context.use(here):
            claimed = await in_thread(self._claim, run_id)
        if claimed:
            await self._run(here, claimed, languages.of(claimed.run.owner))

    async def _run(self, here: Context, claimed: ClaimedRun, language: str | None) -> None:
        with context.use(here), translation.override(language):
            run = claimed.run
            progress = Progress(run, RunLog(stream_key(here.schema, run.public_id), run.public_id))
            self._running[str(run.public_id)] = progress
            self.writer.open(progress.log)
            progress.log.add("run.started", message=str(run.answer.public_id))
            self.writer.touch_later(progress.log)
            if claimed.turn.so_far:
                self._write(progress, claimed.turn.so_far)
            progress.task = asyncio.get_running_loop().create_task(self._answer(progress, claimed.turn))
            saver = asyncio.get_running_loop().create_task(self._save_forever(progress))
            try:
                status, fields = await self._outcome(progress)
            finally:
                saver.cancel()
            if progress.lost:
                logger.warning("run was taken over", extra={"run": str(run.public_id)})
                self._running.pop(str(run.public_id), None)
                self.writer.forget(progress.log)
                return
            await self._finish(progress, status, fields)
            if status == Run.Status.COMPLETED:
                await TitleService().write(claimed.turn, progress.content, run.conversation)

    async def _answer(self, progress: Progress, turn: Any) -> None:
        service = AnswerService(router=LLMRouter(), retriever=RAGService(), keeper=PrivacyKeeper())
        stream = service.answer(turn)
        try:
            async for event in stream:
                match event:
                    case Delta():
                        self._write(progress, event.text)
                    case Routed():
                        progress.routing = event.as_json()
                        self._tell(progress, "routing", **progress.routing)
                    case Retrieved():
                        progress.found = numbered(event.citations)
                        self._tell(progress, "retrieval", citations=progress.found, seconds=round(event.seconds, 3))
                    case Used():
                        progress.usage = event.as_json()
                        progress.log.add("usage", **progress.usage)
                        self.writer.touch_later(progress.log)
                    case Answered():
                        progress.answered = event
        finally:
            await stream.aclose()

    def _write(self, progress: Progress, text: str) -> None:
        progress.text.append(text)
        progress.log.pending.append(text)
        self.writer.touch(progress.log, urgent=len(progress.text) == 1)

    async def _outcome(self, progress: Progress) -> tuple[str, dict[str, Any]]:
        """How the answer ended, as the run's status and the final event's own fields."""
        assert progress.task
        try:
            await progress.task
        except asyncio.CancelledError:
            if progress.stop_asked:
                return Run.Status.STOPPED, {}
            # The process is going down: what was shown is kept, and the run says so.
            return Run.Status.INTERRUPTED, {}
        except AppError as error:
            if error.code == "no_permitted_model" and not progress.routing:
                reasons = [error.code, *error.extra.get("reasons", [])]
                progress.routing = {"route": "refused", "model": None, "model_name": "", "reasons": reasons}
                self._tell(progress, "routing", **progress.routing)
            retryable = bool(getattr(error, "retryable", False))
            return Run.Status.FAILED, {"code": error.code, "retryable": retryable, "detail": str(error.detail)}
        except Exception:  # noqa: BLE001 (the run's edge: a bug ends this run with a final event, and is logged whole)
            logger.exception("run failed", extra={"run": str(progress.run.public_id)})
            return Run.Status.FAILED, {"code": "internal", "retryable": True, "detail": text_of("internal")}
        return Run.Status.COMPLETED, {"grounded": progress.answered.grounded}

    async def _finish(self, progress: Progress, status: str, fields: dict[str, Any]) -> None:
        """Store, then tell: whoever sees the final event finds the answer in the database."""
        run = progress.run
        ended = False
        # What was shown of a broken-off answer cites, too.
        cited = progress.answered.citations or tuple(cited_passages(progress.content, progress.found))
        for pause in (0.1, 0.5, 1.0, 2.0, 4.0):
            try:
                ended = await in_thread(
                    services.finish_run,
                    run_id=run.pk,
                    answer_id=run.answer_id,
                    host=self.name,
                    status=status,
                    text=progress.content,
                    citations=cited,
                    grounded=progress.answered.grounded,
                    routing=progress.routing,
                    usage=progress.usage,
                    error_code=fields.get("code", ""),
                )
                break
            except DatabaseError:
                logger.warning("run waits for the database to be stored", extra={"run": str(run.public_id)})
                await asyncio.sleep(pause)
        self._running.pop(str(run.public_id), None)
        if ended:
            self._tell(progress, f"run.{status}", message=str(run.answer.public_id), **fields)
        await self.writer.close(progress.log)

    def _tell(self, progress: Progress, kind: str, **fields: Any) -> None:
        progress.log.add(kind, **fields)
        self.writer.touch(progress.log, urgent=True)

    async def _save_forever(self, progress: Progress) -> None:
        saved = 0
        while True:
            await asyncio.sleep(SAVE_EVERY)
            text = progress.content if len(progress.text) != saved else ""
            saved = len(progress.text)
            try:
                kept = await in_thread(
                    services.keep_run,
                    run_id=progress.run.pk,
                    answer_id=progress.run.answer_id,
                    host=self.name,
                    text=text,
                )
                if not kept and progress.task:  # Silent for longer than its lease: another process has ended it.
                    progress.lost = True
                    progress.task.cancel()
                    return
            except DatabaseError:
                logger.warning("text so far could not be stored; trying again", extra={"run": str(progress.run.public_id)})

    async def _sweep_forever(self) -> None:
        while True:
            try:
                for here, run_id, queued in await in_thread(self._lost):
                    self._spawn(self._run_left(here, run_id) if queued else self._recover(here, run_id))
                if silent := self.reader.silent(SILENCE):
                    for here, run_id, after in await in_thread(recovery.untold, silent):
                        self._spawn(self._tell_the_end(here, run_id, after))
            except DatabaseError:
                logger.warning("sweep waits for the database")
            await asyncio.sleep(SWEEP_EVERY)

    @staticmethod
    def _lost() -> list[tuple[Context, int, bool]]:
        found: list[tuple[Context, int, bool]] = []
        for schema in active_schemas():
            with context.use(context.service(schema)):
                found += [(lost.owner.context(schema), lost.run_id, lost.queued) for lost in services.lost_runs()]
        return found

    async def _recover(self, here: Context, run_id: int) -> None:
        with context.use(here):
            await self._repaired(recovery.end_lost_run(self.writer, run_id=run_id, host=self.name))

    async def _tell_the_end(self, here: Context, run_id: int, after: int) -> None:
        with context.use(here):
            await self._repaired(recovery.tell_the_end(run_id, after))

    @staticmethod
    async def _repaired(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (DatabaseError, RedisError, OSError) as error:
            logger.warning("a lost run waits for the next sweep", extra={"error": type(error).__name__})


host = RunHost()
