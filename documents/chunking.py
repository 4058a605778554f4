"""Elements → chunks: passages of about 220 tokens, whole sentences, not across a heading or the end of a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from documents import languages
from documents.parsing.elements import Element, Line, Parsed

TARGET = 220  # tokens, estimated: MiniLM's window is 256
SMALLEST = 25  # tokens: a shorter chunk joins its neighbour where it may
OVERLAP = 32  # tokens at most that two chunks of one paragraph share: one sentence
PER_TOKEN = 4.4  # characters of western prose that make a token, more or less
SENTENCE_END = re.compile(r"(?:[.!?…]+[\"'»”)\]]*|\n)(?=\s)")
LONG_WORD = 400  # characters after which a text without blanks is cut anyway


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text[start:end]` of a document. `pages` ascend; `boxes` has one entry per page with rectangles per printed line."""

    start: int
    end: int
    text: str
    heading: str
    language: str
    pages: tuple[int, ...]
    boxes: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, or a heading that opens a section."""

    start: int
    end: int
    is_heading: bool
    level: int
    page: int | None
    opens: bool  # the first piece of its element

    @property
    def tokens(self) -> int:
        return tokens(self.end - self.start)


def tokens(characters: int) -> int:
    """About how many tokens a stretch of text makes."""
    return int(characters / PER_TOKEN) + 1


def chunk(parsed: Parsed, *, language: str, target: int = TARGET) -> Iterator[Chunk]:
    """Yield a document's chunks in reading order; together they cover every element. `target` is in tokens.

    `language` is the document's; a long chunk that is surely in another one says so.
    """
    lines = _LineIndex(parsed)
    for span in _spans(parsed, target):
        start, end = span[0].start, span[-1].end
        text = parsed.text[start:end]
        pages, boxes = lines.between(start, end)
        if not pages:
            pages = tuple(sorted({piece.page for piece in span if piece.page is not None}))
        heading = next((parsed.text[p.start : p.end] for p in span if p.is_heading), "")
        yield Chunk(start, end, text, heading, languages.of_chunk(text, language), pages, boxes)


def _spans(parsed: Parsed, target: int) -> Iterator[list[_Piece]]:
    """Runs of pieces: a run ends when it is full, and before a heading once it is not small."""
    run: list[_Piece] = []
    size = 0
    fresh = 0  # tokens in the run that no earlier chunk holds
    for piece in _pieces(parsed, target):
        full = size + piece.tokens > target
        headings_only = all(p.is_heading for p in run)
        section = piece.is_heading and size >= SMALLEST and not headings_only
        # A citation's page is exact unless a sentence runs over the page's end.
        leaf = not headings_only and piece.page != run[-1].page and not _runs_on(parsed.text, run[-1], piece)
        if run and fresh and (full or section or leaf):
            kept, moved, repeated = _close(run, piece, section or leaf, target)
            yield kept
            run = moved or repeated
            size = sum(p.tokens for p in run)
            fresh = size if moved else 0
        run.append(piece)
        size += piece.tokens
        fresh += piece.tokens
    if run and fresh:
        yield run


def _runs_on(text: str, last: _Piece, following: _Piece) -> bool:
    """Whether a sentence goes on over the end of a page."""
    ended = text[last.end - 1] in '.!?…:;»”")'
    return not (ended or last.is_heading or following.is_heading) and text[following.start].islower()


def _close(run: list[_Piece], following: _Piece, section: bool, target: int) -> tuple[list[_Piece], list[_Piece], list[_Piece]]:
    """The finished run, the headings at its end that belong to what follows, and the short sentence that repeats there."""
    kept, moved = list(run), list[_Piece]()
    while len(kept) > 1 and kept[-1].is_heading:
        moved.insert(0, kept.pop())
    if sum(p.tokens for p in moved) + following.tokens > target:
        return run, [], []
    if moved or section or following.opens:
        return kept, moved, []
    last = kept[-1]
    repeats = len(kept) > 1 and last.tokens <= OVERLAP and last.tokens + following.tokens <= target
    return kept, [], [last] if repeats else []


def _pieces(parsed: Parsed, target: int) -> Iterator[_Piece]:
    limit = int(target * PER_TOKEN)
    for element in parsed.elements:
        is_heading = element.kind == "title"
        first = True
        spans = _cut(parsed.text, element.start, element.end, limit) if is_heading else sentences(parsed.text, element, limit)
        for start, end in spans:
            yield _Piece(start, end, is_heading, element.level, element.page, first)
            first = False


def sentences(text: str, element: Element, limit: int) -> Iterator[tuple[int, int]]:
    """The spans of an element's sentences (of a table's rows); what is longer than `limit` characters is cut at a blank."""
    start = element.start
    ends = [match.end() for match in SENTENCE_END.finditer(text, element.start, element.end)]
    for end in [*ends, element.end]:
        yield from _cut(text, start, end, limit)
        start = end


def _cut(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > limit:
        middle = text.rfind(" ", start + limit // 2, start + limit)
        cut = middle if middle > 0 else start + min(limit, LONG_WORD)
        yield start, cut
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end


class _LineIndex:
    """Printed lines by their place in the text, which is the order in which they come."""

    def __init__(self, parsed: Parsed) -> None:
        self._lines: tuple[Line, ...] = parsed.lines
        self._sizes = parsed.sizes
        self._text = parsed.text
        self._next = 0

    def between(self, start: int, end: int) -> tuple[tuple[int, ...], tuple[dict[str, Any], ...]]:
        """The pages and rectangles of `text[start:end]`. Starts must not go far back from call to call."""
        lines = self._lines
        while self._next > 0 and lines[self._next - 1].end > start:
            self._next -= 1
        while self._next < len(lines) and lines[self._next].end <= start:
            self._next += 1
        by_page: dict[int, list[list[float]]] = {}
        for index in range(self._next, len(lines)):
            line = lines[index]
            if line.start >= end:
                break
            by_page.setdefault(line.page, []).append(_clipped(line, start, end))
        boxes = tuple(
            {"page": page, "width": self._sizes[page - 1][0], "height": self._sizes[page - 1][1], "rects": rects}
            for page, rects in sorted(by_page.items())
        )
        return tuple(sorted(by_page)), boxes


def _clipped(line: Line, start: int, end: int) -> list[float]:
    """A line's rectangle, narrowed in proportion where the span begins or ends inside the line."""
    width, letters = line.x1 - line.x0, max(line.end - line.start, 1)
    left = line.x0 + width * max(start - line.start, 0) / letters
    right = line.x1 - width * max(line.end - end, 0) / letters
    return [round(left, 1), line.y0, round(right, 1), line.y1]
