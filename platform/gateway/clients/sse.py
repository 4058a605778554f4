"""Server-sent events, read from whatever pieces the network delivers."""

from __future__ import annotations

MAX_EVENT = 1 << 20  # bytes; an event of a chat stream is a few hundred


class EventTooLong(Exception):
    """More than `MAX_EVENT` bytes without the end of an event."""


class EventReader:
    """Collects bytes, gives back the data of each finished event.

    Works on bytes throughout, so a character cut in two by the network is whole again before anyone decodes it.
    """

    __slots__ = ("_data", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that end within `piece`, in order. Comments and other fields are dropped.

        Raises `EventTooLong`.
        """
        lines = (self._rest + piece).split(b"\n") if self._rest else piece.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) + self._size > MAX_EVENT:
            raise EventTooLong
        events: list[bytes] = []
        for raw in lines:
            line = raw[:-1] if raw.endswith(b"\r") else raw
            if line.startswith(b"data:"):
                data = line[6:] if line.startswith(b"data: ") else line[5:]
                self._size += len(data)
                if self._size > MAX_EVENT:
                    raise EventTooLong
                self._data.append(data)
            elif not line and self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data.clear()
                self._size = 0
        return events

    def finish(self) -> list[bytes]:
        """What a stream that ended without its last blank line still held. The reader is empty afterwards."""
        events = self.feed(b"\n\n")
        self._rest = b""
        return events


class LineReader:
    """The same for streams of one JSON object a line."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that end within `piece`, in order, without empty ones. Raises `EventTooLong`."""
        lines = (self._rest + piece).split(b"\n") if self._rest else piece.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_EVENT or any(len(line) > MAX_EVENT for line in lines):
            raise EventTooLong
        return [line for line in lines if line and not line.isspace()]

    def finish(self) -> list[bytes]:
        """What a stream that ended without its last line's end still held. The reader is empty afterwards."""
        rest, self._rest = self._rest, b""
        return [rest] if rest.strip() else []
