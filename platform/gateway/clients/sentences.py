"""Cuts a passage into sentences that are exact pieces of it."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

# Where a sentence may end: its mark, closing quotes or brackets, then white space.
END = re.compile(
    r"[.!?…]+(?:[ \u00a0\u202f]?»|[”\"')\]])*(?:\[\d{1,3}\])*(?=\s)|;(?=\s*\n)|(?=\n\s*\n)"
    r"|\n(?=\s*(?:[-–—•▪◦*·‣]|\d{1,2}[.)]|[a-z]\)|#{1,6}\s)\s*)"
)
BREAK = re.compile(r"\n")
ABBREVIATIONS = frozenset(
    "m mm mme mlle dr pr st ste art al cf ex p pp vol chap fig no n° etc env min max tél mr mrs ms prof inc ltd co"
    " corp vs e.g i.e approx dept est fig sec jan feb apr aug sept oct nov dec janv févr avr juil".split()
)
LEAD = re.compile(r"\s*(?:[-–—•▪◦*·‣]\s+|#{1,6}\s+|\d{1,2}[.)]\s+|[a-z]\)\s+)?")
CLOSED = re.compile(r"[.!?…:;»”\"')\]]$")
SHORT_LINE = 45  # characters; a shorter line that does not end like a sentence stands by itself (a heading, a cell)


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` is `passage[start:end]`. `heading`: a line without an end mark, which says what follows is about."""

    start: int
    end: int
    text: str
    heading: bool

    @property
    def quotable(self) -> str:
        """On one line, as a quotation in running text needs it; otherwise unchanged."""
        return re.sub(r"\s*\n\s*", " ", self.text)


def split(passage: str) -> list[Sentence]:
    """The sentences in reading order. White space and the bullets between them are left out, nothing else is."""
    cuts = sorted({0, len(passage), *_ends(passage), *_line_ends(passage)})
    found = []
    for begin, end in itertools.pairwise(cuts):
        piece = passage[begin:end].rstrip()
        bullet = LEAD.match(piece)
        start = begin + (bullet.end() if bullet else 0)
        text = passage[start : begin + len(piece)]
        if text:
            found.append(Sentence(start, start + len(text), text, heading=_is_heading(text)))
    return found


def _ends(passage: str) -> list[int]:
    ends = []
    for match in END.finditer(passage):
        if match.group().startswith("."):
            word = passage[: match.start()].rsplit(None, 1)[-1:] or [""]
            line = passage[passage.rfind("\n", 0, match.start()) + 1 : match.start()].strip()
            if line.isdigit() and len(line) <= 2:
                continue  # the number of a heading or of a list's point
            stem = word[0].lower().lstrip("(«“\"'")
            if stem in ABBREVIATIONS or (len(stem) == 1 and stem.isalpha()) or stem.endswith(("l'art", "l’art")):
                continue
            follows = passage[match.end() :].lstrip()[:1]
            if follows.islower():
                continue
        ends.append(match.end())
    return ends


def _line_ends(passage: str) -> list[int]:
    """Ends of lines that are whole in themselves: rows of a table, and a short line before one that starts anew."""
    ends = []
    begin = 0
    for match in BREAK.finditer(passage):
        line = passage[begin : match.start()].strip()
        begin = match.end()
        follows = passage[begin:].lstrip()[:1]
        row = "|" in line or "\t" in line
        if row or (line and len(line) <= SHORT_LINE and not follows.islower() and not line.endswith(",")):
            ends.append(match.start())
    return ends


def _is_heading(text: str) -> bool:
    return len(text) <= 90 and not CLOSED.search(text) and not re.search(r"[:=|\t]\s*\S", text)
