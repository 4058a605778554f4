"""The column under a heading: `login;password` and, a line below, `jdupont;Soleil2024`. In CSV, tabs and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

WIDEST, LONGEST = 400, 500  # A line, in characters; a table, in lines.
EDGE = re.compile(r"[ \"'*`]{0,3}([;|\t,]|$)")
FEW_WORDS = re.compile(r"(?:[a-z]{2,12}[ _-]){0,2}")  # `salaire brut`, `new password`
FEW_MORE = re.compile(r"(?:[ _-][a-z]{2,12}){0,2}(?: ?\([^)\n;|,]{1,12}\))?")
RULE = re.compile(r"[\s|:+-]*")


def cells_below(bare: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The cells under the one that the heading at `start` fills, if it fills one; without blanks and quotes around."""
    begin = bare.rfind("\n", max(0, start - WIDEST), start) + 1
    stop = bare.find("\n", end, end + WIDEST)
    if stop < 0 or start - begin >= WIDEST:
        return
    edge = _separator(bare, begin, start, end, stop)
    if edge is None:
        return
    column, count = bare.count(edge, begin, start), bare.count(edge, begin, stop)
    for _ in range(LONGEST):
        begin = stop + 1
        stop = bare.find("\n", begin, begin + WIDEST)
        stop = stop if stop >= 0 else min(len(bare), begin + WIDEST)
        if begin >= len(bare) or bare.count(edge, begin, stop) != count:
            return
        if RULE.fullmatch(bare, begin, stop):
            continue
        yield _cell(bare, edge, column, begin, stop)


def _separator(bare: str, begin: int, start: int, end: int, stop: int) -> str | None:
    """What parts the cells, where the heading has one to itself; a unit may follow: `salaire (€)`."""
    cell = max(begin, *(bare.rfind(edge, begin, start) + 1 for edge in ";|\t,"))
    ahead = bare[begin:cell]
    more = FEW_MORE.match(bare, end, stop)
    after = EDGE.match(bare, more.end() if more else end, stop)
    if after is None or FEW_WORDS.fullmatch(bare[cell:start].lstrip(" \"'*`")) is None:
        return None
    edge = after[1] or ahead[-1:]
    if not edge or (ahead and ahead[-1] != edge):
        return None
    if sum(not cell.strip() for cell in bare[begin:stop].strip("| ").split(edge)):
        return None  # token,
    if edge == "," and max(map(len, bare[begin:stop].split(","))) > 30:
        return None  # A sentence.
    return edge


def _cell(bare: str, edge: str, column: int, begin: int, stop: int) -> tuple[int, int]:
    for _ in range(column):
        begin = bare.index(edge, begin, stop) + 1
    end = bare.find(edge, begin, stop)
    end = end if end >= 0 else stop
    while begin < end and bare[begin] in " \"'*`\r":
        begin += 1
    while begin < end and bare[end - 1] in " \"'*`\r":
        end -= 1
    return begin, end
