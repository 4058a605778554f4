"""Notices a provider's silence at no cost per token, and lets tokens gather."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class SilenceWatch:
    """Calls `on_silence` when nothing comes for `first` seconds, later for `gap` seconds.

    A timer for every read would cost more than the read. This keeps one timer, which looks at the clock when it fires
    and sets itself again. Time that the reader of our events takes does not count.
    """

    __slots__ = ("_gap", "_handle", "_loop", "_on_silence", "_since", "expired", "limit")

    def __init__(self, first: float, gap: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._gap = gap
        self._since: float | None = self._loop.time()
        self._handle: asyncio.TimerHandle | None = None
        self._on_silence: Callable[[], object] = lambda: None
        self.limit = first
        self.expired = False

    def begin(self, on_silence: Callable[[], object]) -> None:
        """The first token's time counts from the watch's making, not from here."""
        self._on_silence = on_silence
        self._arm()

    def progress(self) -> None:
        if self.limit != self._gap:
            self.limit = self._gap
            self._since = self._loop.time()
            self._arm()
        self._since = self._loop.time()

    def pause(self) -> None:
        self._since = None

    def resume(self) -> None:
        self._since = self._loop.time()

    def end(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        self.end()
        since = self._loop.time() if self._since is None else self._since
        self._handle = self._loop.call_at(since + self.limit, self._look)

    def _look(self) -> None:
        if self._since is None or self._loop.time() < self._since + self.limit:
            self._arm()
        else:
            self.expired = True
            self._on_silence()


GATHER = 0.025  # seconds; run events are written every 30 ms, so nobody sees a token sooner for its being read sooner


class Gathering:
    """Leaves what a connection delivers with the kernel for a moment.

    Waking up for a token costs ten times what reading it does: of several at once each costs a fraction.
    """

    __slots__ = ("_handle", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._handle: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Read nothing for `GATHER` seconds."""
        if self._transport is not None and self._handle is None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._handle = self._loop.call_later(GATHER, self.end)

    def end(self) -> None:
        if self._handle is not None and self._transport is not None:
            self._handle.cancel()
            self._handle = None
            self._transport.resume_reading()
