"""Runs that their process left: ended with every character that was shown, paid for, and told to whoever still waits."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils import translation
from redis.exceptions import ResponseError

from assistants.conversations import events, services
from assistants.conversations.answers import cited_passages
from assistants.conversations.events import EventWriter, RunLog, encode, stream_key
from assistants.conversations.failures import text_of
from assistants.conversations.models import Run
from core import languages, streams
from gateway import metering, tokens
from isolation import context, in_thread
from isolation.context import Context

logger = logging.getLogger(__name__)

HEAD = frozenset({"seq", "type", "run"})  # of every event


async def end_lost_run(writer: EventWriter, *, run_id: int, host: str) -> None:
    """Take over a run whose process died and end it. Runs in its owner's context. Raises `RedisError`."""
    await streams.ping()  # Before the run is ours for a lease: what Redis has of it is needed.
    run = await in_thread(services.take_over_run, run_id=run_id, host=host)
    if run is None:
        return
    log = RunLog(stream_key(context.current().schema, run.public_id), run.public_id)
    log.entries = _whole(await events.stored(log.key))
    told = [json.loads(entry) for entry in log.entries]
    found: list[dict[str, Any]] = next((event["citations"] for event in told if event["type"] == "retrieval"), [])
    routing = next((_fields(event) for event in reversed(told) if event["type"] == "routing"), {})
    writer.open(log, len(log.entries))
    if not told:
        log.add("run.started", message=str(run.answer.public_id))
    shown = _text(told)
    if rest := _rest(shown, run.answer.content):
        log.add("delta", text=rest)
    text = shown + rest
    if routing:
        await _pay(run, routing, found, text)
    ended = await in_thread(
        services.finish_run,
        run_id=run.pk,
        answer_id=run.answer_id,
        host=host,
        status=Run.Status.INTERRUPTED,
        text=text,
        citations=tuple(cited_passages(text, found)),
        routing=routing,
    )
    if ended:
        log.add("run.interrupted", message=str(run.answer.public_id))
    await writer.close(log)
    logger.info("run of a dead process ended", extra={"run": str(run.public_id), "characters": len(text)})


async def _pay(run: Run, routing: Mapping[str, Any], found: Sequence[Mapping[str, Any]], text: str) -> None:
    """What the dead process asked a provider for is paid like what is stopped; once, whoever records it."""
    asked = await in_thread(services.asked_of, run)
    caller = metering.Caller(
        user=run.owner_id,
        groups=tuple(run.owner.group_keys),
        api_key=int(run.request["api_key"]) if run.request.get("api_key") else None,
        assistant=run.conversation.assistant_id,
        conversation=run.conversation.public_id,
        run=run.public_id,
    )
    size = sum(tokens.estimate(part) for part in (*asked, *(str(each.get("text", "")) for each in found)))
    begun_text = run.answer.continues.content if run.answer.continues else ""
    await metering.record_lost(
        caller,
        model=str(routing.get("model") or ""),
        route=str(routing.get("route") or ""),
        asked=size,
        written=max(0, len(text) - len(begun_text)),
        since=run.created_at,
    )


async def finished_events(schema: str, run: Run, after: int, language: str | None) -> list[bytes]:
    """The events of a run that is over, after number `after`, with the final one in any case.

    As they were while Redis has them; what it lost of them is one delta with the rest of the text, and the final event,
    whose words are in `language`.
    """
    found = _whole(await events.stored(stream_key(schema, run.public_id)))
    if found and _number(found[0]) != 1:
        found = []
    if not found or not events.is_final(found[-1]):
        final: dict[str, object] = {"message": str(run.answer.public_id)}
        if run.status == Run.Status.FAILED:
            with translation.override(language):
                final |= {"code": run.error_code or "internal", "retryable": True, "detail": text_of(run.error_code)}
        if run.status == Run.Status.COMPLETED:
            final["grounded"] = run.answer.grounded
        last = _number(found[-1]) if found else 0
        if rest := _rest(_text(map(json.loads, found)), run.answer.content):
            last += 1
            found.append(encode(last, "delta", run.public_id, text=rest))
        # Whoever has seen a higher number than is known here waits for the end all the same.
        found.append(encode(max(last, after) + 1, f"run.{run.status}", run.public_id, **final))
    return [event for event in found if _number(event) > after]


def untold(silent: Mapping[str, int]) -> list[tuple[Context, int, int]]:
    """Of the followed streams of which nothing comes any more, with the number seen last: those whose run is over."""
    runs: dict[str, dict[uuid.UUID, int]] = {}
    for key, seen in silent.items():
        _run, schema, name = key.split(":")
        runs.setdefault(schema, {})[uuid.UUID(name)] = seen
    found: list[tuple[Context, int, int]] = []
    for schema, wanted in runs.items():
        with context.use(context.service(schema)):
            over = services.ended_runs(list(wanted))
            found += [(run.owner.context(schema), run.pk, wanted[run.public_id]) for run in over]
    return found


async def tell_the_end(run_id: int, after: int) -> None:
    """Append what a process that died after storing a run had not told of it. Safe to repeat, and for several at once."""
    run = await in_thread(services.ended_run, run_id)
    if run is None:
        return
    schema = context.current().schema
    key = stream_key(schema, run.public_id)
    last = streams.number_of((await streams.last_id(key)).encode())
    for event in await finished_events(schema, run, max(last, after), languages.of(run.owner)):
        try:
            await streams.command("XADD", key, f"{_number(event)}-0", "e", event)
        except ResponseError as error:
            if "equal or smaller" not in str(error):  # Another process was faster.
                raise
    await streams.command("EXPIRE", key, events.KEEP_SECONDS)
    logger.info("end of a run told", extra={"run": str(run.public_id)})


def _whole(found: list[bytes]) -> list[bytes]:
    """Up to the final event: a process that lost its run without knowing may have gone on."""
    for place, event in enumerate(found):
        if events.is_final(event):
            return found[: place + 1]
    return found


def _number(event: bytes) -> int:
    return int(json.loads(event)["seq"])


def _text(told: Iterable[Mapping[str, Any]]) -> str:
    return "".join(event["text"] for event in told if event["type"] == "delta")


def _rest(shown: str, stored: str) -> str:
    return stored[len(shown) :] if stored.startswith(shown) else ""


def _fields(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in HEAD}
