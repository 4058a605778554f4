"""The text as a detector wants it: plain digits, spaces, dashes, nothing invisible; and the way back to positions."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# Zero width, direction marks, soft hyphen, variation selectors and keycaps, and accents written apart from their letter.
INVISIBLE = re.compile("[\u00ad\u0300-\u036f\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\u20e3\ufe00-\ufe0f\ufeff]")
_ZEROES = (
    [0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50, 0x0ED0, 0xFF10]
    + [0x1D7CE + 10 * style for style in range(5)]  # Bold, double-struck, … of mathematics.
)


def _table() -> dict[int, str]:
    table = {zero + value: str(value) for zero in _ZEROES for value in range(10)}
    table |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}  # Full-width ASCII.
    table |= dict.fromkeys([0x00A0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
    table |= dict.fromkeys([*range(0x2010, 0x2016), 0x2043, 0x2212, 0xFE58, 0xFE63, 0x00AF], "-")
    table |= dict.fromkeys([0x00B7, 0x2022, 0x2024, 0x2027, 0x2219, 0x22C5, 0x3002, 0xFE52, 0xFF61], ".")
    table |= {0x2044: "/", 0x2215: "/", 0xFE6B: "@", 0x2019: "'", 0x2018: "'", 0xFE62: "+"}
    return table


def _bare_table() -> dict[int, str]:
    table: dict[int, str] = {}
    for code in range(0xC0, 0x250):
        letter = unicodedata.normalize("NFD", chr(code))[0].lower()
        table[code] = letter if len(letter) == 1 else chr(code)
    return table


PLAIN = _table()
BARE = _bare_table()


@dataclass(frozen=True, slots=True)
class Plain:
    """`text` keeps its case; `bare` is in lower case without accents. Both have the same length, in code points."""

    text: str
    bare: str
    positions: tuple[int, ...] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of the plain text lies in the original."""
        if self.positions is None:
            return start, end
        return self.positions[start], self.positions[end - 1] + 1


def plain(original: str) -> Plain:
    if original.isascii():
        return Plain(original, original.lower())
    positions: tuple[int, ...] | None = None
    text = original
    odd = [letter for letter in set(text) if letter > "\x7f"]
    if any(INVISIBLE.match(letter) for letter in odd):
        positions = tuple(at for at, letter in enumerate(text) if not INVISIBLE.match(letter))
        text = "".join([text[at] for at in positions])
    text = _replace(text, odd, PLAIN)
    bare = _replace(text, odd, BARE)
    low = bare.lower()
    if len(low) != len(bare):  # A letter whose lower case is two code points.
        low = "".join([one if len(one := letter.lower()) == 1 else letter for letter in bare])
    return Plain(text, low, positions)


def _replace(text: str, odd: list[str], table: dict[int, str]) -> str:
    """As `str.translate`, which takes 0.4 ms for 4 KB: most texts have few different letters beyond ASCII."""
    letters = [letter for letter in odd if ord(letter) in table]
    if len(letters) > 60:
        return text.translate(table)
    for letter in letters:
        text = text.replace(letter, table[ord(letter)])
    return text
