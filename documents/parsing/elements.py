"""What a parser returns: one normalised text, and where its parts are on the pages.

Nothing here or in the other modules of this package imports Django: the parser is a process of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["title", "text", "list", "table"]

MAX_PAGES = 2_000
MAX_TEXT = 10_000_000  # code points

# PostgreSQL stores neither NUL nor lone surrogates; other control characters only disturb readers.
UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
SURROGATE = re.compile(r"[\ud800-\udfff]")
SPACES = re.compile(r"[ \t\xa0\u2000-\u200b\u202f\u3000]+")


class ParsingFailed(Exception):
    """The document cannot be read; `code` says why: encrypted, unreadable, archive_too_large, too_complex…"""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Line:
    """A printed line: where its text stands in the document (code points) and on its page.

    Coordinates are in points from the page's upper left corner, as the page is shown.
    """

    start: int
    end: int
    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Element:
    """A paragraph, heading, list item or table: `text[start:end]`. `page` counts from 1; None: the format has no pages."""

    kind: Kind
    start: int
    end: int
    page: int | None
    level: int = 0  # of a heading, 1 is the highest


@dataclass(frozen=True, slots=True)
class Parsed:
    """One document. `sizes` are the pages' width and height in points; `empty` the pages without any text (scans)."""

    text: str
    elements: tuple[Element, ...]
    lines: tuple[Line, ...] = ()
    sizes: tuple[tuple[float, float], ...] = ()
    empty: tuple[int, ...] = ()
    truncated: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "elements": [[e.kind, e.start, e.end, e.page, e.level] for e in self.elements],
            "lines": [[n.start, n.end, n.page, n.x0, n.y0, n.x1, n.y1] for n in self.lines],
            "sizes": [list(size) for size in self.sizes],
            "empty": list(self.empty),
            "truncated": self.truncated,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Parsed:
        return cls(
            text=data["text"],
            elements=tuple(Element(*row) for row in data["elements"]),
            lines=tuple(Line(*row) for row in data["lines"]),
            sizes=tuple((width, height) for width, height in data["sizes"]),
            empty=tuple(data["empty"]),
            truncated=data["truncated"],
        )


def clean(text: str) -> str:
    """The text without what no database or reader takes: control characters vanish, lone surrogates become U+FFFD."""
    return SURROGATE.sub("\ufffd", UNWANTED.sub("", text))


def squeeze(text: str) -> str:
    """`clean`, with runs of blanks as one space and no blanks at either end; line ends stay."""
    return "\n".join(SPACES.sub(" ", line).strip() for line in clean(text).splitlines()).strip()


@dataclass(slots=True)
class TextBuilder:
    """Grows the one text, paragraphs apart by an empty line, and keeps count of code points."""

    parts: list[str] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    length: int = 0
    truncated: bool = False

    def add(self, text: str, kind: Kind, page: int | None = None, level: int = 0) -> int | None:
        """Append an element's clean text. Returns its start, or None when it is empty or beyond the limit."""
        if not text or self.truncated:
            return None
        gap = "\n\n" if self.parts else ""
        if self.length + len(gap) + len(text) > MAX_TEXT:
            self.truncated = True
            return None
        self.parts += [gap, text]
        start = self.length + len(gap)
        self.length = start + len(text)
        self.elements.append(Element(kind, start, self.length, page, level))
        return start

    def finish(
        self,
        *,
        lines: Iterable[Line] = (),
        sizes: Iterable[tuple[float, float]] = (),
        empty: Iterable[int] = (),
        truncated: bool = False,
    ) -> Parsed:
        return Parsed(
            "".join(self.parts),
            tuple(self.elements),
            tuple(lines),
            tuple(sizes),
            tuple(empty),
            truncated or self.truncated,
        )
