"""The events of runs: appended to a Redis Stream each, numbered from 1, read by followers from the number they have.

An entry's id is `<seq>-0` and its one field is the event's JSON, encoded once and sent as it is to every follower.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError, ResponseError

from core import streams

logger = logging.getLogger(__name__)

FINAL = frozenset({"run.completed", "run.failed", "run.stopped", "run.interrupted"})
KEEP_SECONDS = 2 * 3600  # how long a finished run replays event by event
LATER = 0.1  # seconds that an event which nobody waits for stays back
TICK = 0.03  # seconds between two appends of this process: all runs' events of a tick go in one round trip
READ_COUNT = 500  # entries of one run in one read
STOPS = "runs:stops"  # requests to stop a run, read by every process that hosts runs
STOPS_KEPT = 1000
WAKE_KEPT = 3600  # seconds that a process's own stream outlives it


def stream_key(schema: str, run: uuid.UUID | str) -> str:
    return f"run:{schema}:{run}"


def encode(seq: int, kind: str, run: uuid.UUID | str, **fields: Any) -> bytes:
    """An event as every door shows it: `{"seq", "type", "run", …}`."""
    return json.dumps({"seq": seq, "type": kind, "run": str(run), **fields}, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(slots=True)
class RunLog:
    """What one run has said so far, kept by its host until the end: Redis can be filled again from it.

    Deltas wait in `pending` until the writer's next tick, which joins them into one event.
    """

    key: str
    run: uuid.UUID
    entries: list[bytes] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)

    def add(self, kind: str, **fields: Any) -> None:
        self.seal()
        self.entries.append(encode(len(self.entries) + 1, kind, self.run, **fields))

    def seal(self) -> None:
        """Make an event of the deltas that wait."""
        if self.pending:
            text = "".join(self.pending)
            self.pending.clear()
            self.entries.append(encode(len(self.entries) + 1, "delta", self.run, text=text))


class EventWriter:
    """Appends the events of all runs of this process: one pipeline a tick, in order, until Redis has them."""

    def __init__(self) -> None:
        self._written: dict[str, int] = {}
        self._logs: dict[str, RunLog] = {}
        self._dirty: set[str] = set()
        self._wake: asyncio.Event | None = None
        self._urgent: asyncio.Event | None = None
        self._flushed: dict[str, asyncio.Event] = {}
        self._task: asyncio.Task[None] | None = None
        self.on_written: Callable[[str], None] | None = None  # Redis has more of this stream than before

    def start(self) -> None:
        self._wake, self._urgent = asyncio.Event(), asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._write_forever(), name="run events writer")

    async def stop(self) -> None:
        """Give what is left a last chance of two seconds."""
        if self._task:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    while self._dirty:  # noqa: ASYNC110 (bounded by the timeout around it)
                        await asyncio.sleep(TICK)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def open(self, log: RunLog, written: int = 0) -> None:
        """Take charge of a run's log; `written` entries of it are in Redis already."""
        self._logs[log.key], self._written[log.key] = log, written

    def has(self, key: str) -> bool:
        """Whether a stream is written here, by this process."""
        return key in self._logs

    def stored(self, key: str, after: int) -> list[bytes]:
        """The events of a stream written here, after number `after`, that Redis has."""
        return self._logs[key].entries[after : self._written[key]]

    def touch(self, log: RunLog, urgent: bool = False) -> None:
        """There is something new in `log`; `urgent` does not wait for the tick (everything but a delta)."""
        self._dirty.add(log.key)
        if self._wake and self._urgent:
            self._wake.set()
            if urgent:
                self._urgent.set()

    def touch_later(self, log: RunLog) -> None:
        """There is something new that may go with the next event, or by itself if none comes within `LATER`."""

        def look() -> None:
            if len(log.entries) > self._written.get(log.key, len(log.entries)):
                self.touch(log)

        asyncio.get_running_loop().call_later(LATER, look)

    async def close(self, log: RunLog) -> None:
        """Return when all of `log` is in Redis, which then forgets it after `KEEP_SECONDS`."""
        done = self._flushed[log.key] = asyncio.Event()
        self.touch(log, urgent=True)
        await done.wait()
        for table in (self._logs, self._written, self._flushed):
            table.pop(log.key, None)

    def forget(self, log: RunLog) -> None:
        """Write nothing more of a run that another process has taken over."""
        self._dirty.discard(log.key)
        for table in (self._logs, self._written):
            table.pop(log.key, None)

    async def _write_forever(self) -> None:
        assert self._wake and self._urgent
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._urgent.clear()
            try:
                await self._write()
            except (RedisError, OSError) as error:
                logger.warning("run events wait for Redis", extra={"error": type(error).__name__})
                await asyncio.sleep(0.5)
                await self._look_again()
                self._wake.set()
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK):
                        await self._urgent.wait()

    async def _write(self) -> None:
        keys, self._dirty = self._dirty, set()
        self._dirty |= keys  # Stays dirty until Redis has it.
        pipeline = streams.client(retrying=False).pipeline(transaction=False)
        ends: dict[str, int] = {}
        for key in keys:
            if key not in self._logs:  # Forgotten.
                self._dirty.discard(key)
                continue
            log, written = self._logs[key], self._written[key]
            log.seal()
            ends[key] = len(log.entries)
            for seq in range(written + 1, ends[key] + 1):
                # Only the first makes the stream: a Redis that came back empty must not go on from the middle.
                made = () if seq == 1 else ("NOMKSTREAM",)
                pipeline.execute_command("XADD", key, *made, f"{seq}-0", "e", log.entries[seq - 1])
            if key in self._flushed or written == 0:
                pipeline.execute_command("EXPIRE", key, KEEP_SECONDS)
        for answer in await pipeline.execute(raise_on_error=False):
            # An id that is there already: an append whose answer was lost. Anything else is a fault.
            if isinstance(answer, ResponseError) and "equal or smaller" in str(answer):
                continue
            if isinstance(answer, Exception):
                raise answer
            if answer is None:
                raise RedisError("a stream is gone that was there")
        for key, end in ends.items():
            if key not in self._logs:
                continue
            self._written[key] = end
            if self.on_written:
                self.on_written(key)
            if end == len(self._logs[key].entries) and not self._logs[key].pending:
                self._dirty.discard(key)
                if key in self._flushed:
                    self._flushed[key].set()
        if self._dirty and self._wake:
            self._wake.set()

    async def _look_again(self) -> None:
        """After a fault: how much of each log Redis really has. An empty Redis gets everything again, same numbers."""
        for key in list(self._logs):
            try:
                self._written[key] = streams.number_of((await streams.last_id(key)).encode())
            except (RedisError, OSError):
                return
            self._dirty.add(key)


Push = Callable[[bytes], None]


@dataclass(eq=False, slots=True)
class Follower:
    """Somebody who watches one run: `push` gets each event's JSON after number `seq`, in order, each once."""

    key: str
    seq: int
    push: Push
    heard: float = 0.0  # when the last event came, by the loop's clock


class Reader:
    """One blocking XREAD for everything that is followed in this process, whatever the number of followers.

    What this process writes itself is not read back: its followers get it as soon as Redis has it.
    """

    def __init__(self, writer: EventWriter) -> None:
        self._writer = writer
        writer.on_written = self._deliver_own
        self._followers: dict[str, set[Follower]] = defaultdict(set)
        self._wake_key = f"runs:wake:{uuid.uuid4().hex}"
        self._wake_id = "0"
        self._stops_id = ""  # Found at the first read: "$" would miss what comes between two reads.
        self._task: asyncio.Task[None] | None = None
        self._broken = 0.0  # when Redis last did not answer
        self.on_stop: Callable[[str], None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._read_forever(), name="run events reader")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def follow(self, key: str, after: int, push: Push) -> Follower:
        """Push what is there after `after` at once, then what comes. Raises `RedisError` where Redis does not answer."""
        follower = Follower(key, after, push, asyncio.get_running_loop().time())
        if self._writer.has(key):
            self._followers[key].add(follower)
            self._deliver_own(key)
            return follower
        await self._catch_up(follower)
        self._followers[key].add(follower)
        # The blocked read does not know this key yet: an entry in our own wake stream ends it.
        pipeline = streams.client().pipeline(transaction=False)
        pipeline.execute_command("XADD", self._wake_key, "MAXLEN", "1", "*", "w", "")
        pipeline.execute_command("EXPIRE", self._wake_key, WAKE_KEPT)
        await pipeline.execute()
        return follower

    def unfollow(self, follower: Follower) -> None:
        group = self._followers.get(follower.key)
        if group:
            group.discard(follower)
            if not group:
                del self._followers[follower.key]

    def silent(self, seconds: float) -> dict[str, int]:
        """Streams of which no follower heard for so long, while Redis answered, with the highest number seen."""
        now = asyncio.get_running_loop().time()
        if now - self._broken < seconds:
            return {}
        return {
            key: max(follower.seq for follower in group)
            for key, group in self._followers.items()
            if not self._writer.has(key) and all(now - follower.heard >= seconds for follower in group)
        }

    async def _catch_up(self, follower: Follower) -> None:
        while entries := await streams.entries(follower.key, follower.seq, READ_COUNT):
            self._deliver(follower, entries)

    def _deliver_own(self, key: str) -> None:
        for follower in list(self._followers.get(key, ())):
            for event in self._writer.stored(key, follower.seq):
                follower.seq += 1
                follower.push(event)

    @staticmethod
    def _deliver(follower: Follower, entries: list[streams.Entry]) -> None:
        follower.heard = asyncio.get_running_loop().time()
        for entry_id, fields in entries:
            seq = streams.number_of(entry_id)
            if seq > follower.seq:
                follower.seq = seq
                follower.push(fields[b"e"])

    async def _read_forever(self) -> None:
        while True:
            try:
                await self._read()
            except (RedisError, OSError) as error:
                logger.warning("run events cannot be read", extra={"error": type(error).__name__})
                self._broken = asyncio.get_running_loop().time()
                await asyncio.sleep(0.5)

    async def _read(self) -> None:
        if not self._stops_id:
            self._stops_id = await streams.last_id(STOPS)
        wanted: dict[str, str] = {self._wake_key: self._wake_id, STOPS: self._stops_id}
        for key, group in self._followers.items():
            if self._writer.has(key):
                continue
            wanted[key] = f"{min(follower.seq for follower in group)}-0"
        answer = await streams.client().xread(wanted, count=READ_COUNT, block=streams.BLOCK_SECONDS * 1000)  # type: ignore[arg-type]
        for raw_key, entries in _pairs(answer):
            key = raw_key.decode()
            if key == self._wake_key:
                self._wake_id = entries[-1][0].decode()
            elif key == STOPS:
                self._stops_id = entries[-1][0].decode()
                for _entry_id, fields in entries:
                    if self.on_stop:
                        self.on_stop(fields[b"run"].decode())
            else:
                for follower in list(self._followers.get(key, ())):
                    self._deliver(follower, entries)


def _pairs(answer: Any) -> list[tuple[bytes, list[streams.Entry]]]:
    """XREAD's answer as (key, entries), in RESP2's shape (a list) and RESP3's (a map of lists of lists)."""
    if isinstance(answer, dict):
        return [(key, batches[0] if batches and isinstance(batches[0], list) else batches) for key, batches in answer.items()]
    return [(key, entries) for key, entries in answer or []]


async def ask_to_stop(run: uuid.UUID) -> None:
    """Tell whichever process hosts `run` to stop it."""
    await streams.command("XADD", STOPS, "MAXLEN", "~", str(STOPS_KEPT), "*", "run", str(run))


async def stored(key: str, after: int = 0) -> list[bytes]:
    """All events of a run that Redis still has."""
    found: list[bytes] = []
    while entries := await streams.entries(key, after, READ_COUNT):
        found += [fields[b"e"] for _entry_id, fields in entries]
        after = streams.number_of(entries[-1][0])
    return found


async def events_of(reader: Reader, key: str, after: int) -> AsyncGenerator[bytes, None]:
    """A run's events for one reader, ended by the final one: the body of a server-sent stream."""
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    follower = await reader.follow(key, after, queue.put_nowait)
    try:
        while True:
            event = await queue.get()
            yield event
            if is_final(event):
                return
    finally:
        reader.unfollow(follower)


def is_final(event: bytes) -> bool:
    """Whether an event ends its run; looks at the head only, since text follows the type."""
    head = event[:80]
    return b'"type":"run.' in head and any(f'"type":"{kind}"'.encode() in head for kind in FINAL)
