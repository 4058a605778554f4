"""One conversation after the other out of a JSON file of any size: no more than one of them is in memory.

The text is only cut here, not understood: at the commas of the outermost array, or of the array `conversations` in the
outermost object. Depth, length and the number of values are limited before anything is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from assistants.conversations.importing.errors import BrokenFile, FileTooLarge, TooDeep, UnknownFormat

DEEPEST = 64
LONGEST = 16 * 1024 * 1024  # bytes of one conversation
MOST_VALUES = 300_000  # arrays and objects in one conversation: each takes far more memory than its two brackets
KEY_WITHIN = 64  # bytes before an array in which its key stands

STRUCTURE = re.compile(rb'["\[\]{},]')
STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
SPACE = b" \t\r\n"
BOM = b"\xef\xbb\xbf"
KEY = re.compile(rb'"conversations"\s*:\s*$')


@dataclass(frozen=True, slots=True)
class Piece:
    """The JSON of one conversation, or None where it is larger than a conversation may be."""

    json: bytes | None


@dataclass(slots=True)
class Cutter:
    """Fed with parts of a file, gives its conversations. `head` is what stood around them."""

    head: bytearray = field(default_factory=bytearray)
    _stack: bytearray = field(default_factory=bytearray)
    _list_at: int = 0  # the depth of the array that holds the conversations; 0: not there yet
    _piece: bytearray = field(default_factory=bytearray)
    _values: int = 0
    _too_large: bool = False
    _in_string: bool = False
    _escaped: bool = False
    _begun: bool = False
    _ended: bool = False
    _listed: bool = False
    _start: bytes = b""

    def feed(self, part: bytes) -> Iterator[Piece]:
        """Raises `TooDeep`, `FileTooLarge`, `UnknownFormat` or `BrokenFile`."""
        at = 0
        if not self._begun:
            self._start += part
            if BOM.startswith(self._start):
                return  # Its three bytes may come one by one.
            part, self._start = self._start.removeprefix(BOM).lstrip(SPACE), b""
            if not part:
                return
            if part[:1] not in (b"[", b"{"):
                raise UnknownFormat
            self._begun = True
        while at < len(part):
            if self._in_string:
                at = self._through_string(part, at)
                continue
            if self._ended and part[at:].strip(SPACE):
                raise BrokenFile
            found = STRUCTURE.search(part, at)
            end = found.end() if found else len(part)
            sign = part[end - 1 : end] if found else b""
            if sign == b"," and len(self._stack) == self._list_at and self._list_at:
                self._keep(part, at, end - 1)
                yield from self._finish()
            elif sign in (b"]", b"}") and sign:
                yield from self._close(part, at, end, sign)
            else:
                if sign in (b"[", b"{") and sign:
                    self._open(part, at, end, sign)
                else:
                    self._keep(part, at, end)
                self._in_string = sign == b'"'
            at = end

    def _through_string(self, part: bytes, at: int) -> int:
        """On to behind the string's closing quote, or to the part's end."""
        start = at
        if self._escaped:
            at, self._escaped = at + 1, False
        found = STRING.match(part, at)
        at = found.end() if found else at
        if at < len(part):
            if part[at] == 0x5C:  # A backslash at the part's very end: what it escapes comes with the next.
                self._escaped = True
            else:
                self._in_string = False
            at += 1
        self._keep(part, start, at)
        return at

    def _open(self, part: bytes, at: int, end: int, sign: bytes) -> None:
        self._stack += sign
        if len(self._stack) > DEEPEST:
            raise TooDeep
        self._values += 1
        if self._list_at > 0:
            self._too_large = self._too_large or self._values > MOST_VALUES
            self._keep(part, at, end)
            return
        self._keep(part, at, end)
        if self._values > MOST_VALUES:
            raise FileTooLarge
        whole = len(self._stack) == 1 and sign == b"["
        if whole or (len(self._stack) == 2 and sign == b"[" and KEY.search(self.head[-KEY_WITHIN:-1])):
            self._list_at, self._listed, self._values = len(self._stack), True, 0

    def _close(self, part: bytes, at: int, end: int, sign: bytes) -> Iterator[Piece]:
        if not self._stack or self._stack[-1:] != {b"]": b"[", b"}": b"{"}[sign]:
            raise BrokenFile
        closes_list = self._list_at and len(self._stack) == self._list_at
        self._keep(part, at, end - 1 if closes_list else end)
        if closes_list:
            yield from self._finish()
            self.head += b"]"
            self._list_at = 0 if len(self._stack) > 1 else -1
        self._stack.pop()
        self._ended = not self._stack

    def _keep(self, part: bytes, start: int, end: int) -> None:
        if self._list_at > 0:
            if not self._too_large:
                self._piece += part[start:end]
                if len(self._piece) > LONGEST:
                    self._too_large = True
            if self._too_large:
                self._piece.clear()
            return
        self.head += part[start:end]
        if len(self.head) > LONGEST:
            raise FileTooLarge

    def _finish(self) -> Iterator[Piece]:
        if self._too_large:
            yield Piece(None)
        elif self._piece.strip(SPACE):
            yield Piece(bytes(self._piece))
        self._piece.clear()
        self._values, self._too_large = 0, False

    def end(self) -> Iterator[Piece]:
        """The file is over. An object that held no list of conversations is one itself. Raises `BrokenFile`."""
        if not self._ended:
            raise BrokenFile if self._begun else UnknownFormat
        if not self._listed:
            yield Piece(bytes(self.head))


def cut(parts: Iterable[bytes], cutter: Cutter | None = None) -> Iterator[Piece]:
    """The conversations of one JSON file."""
    cutter = cutter or Cutter()
    for part in parts:
        yield from cutter.feed(part)
    yield from cutter.end()
