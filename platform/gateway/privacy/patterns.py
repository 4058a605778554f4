"""A tenant's own patterns: regular expressions that cannot hold a process up.

Three fences: a pattern that repeats a repetition is refused when it is saved, as is one that is slow on texts made to
defeat it; and each use has a time limit.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from gateway.privacy.errors import InvalidPattern, PatternTooSlow
from gateway.privacy.findings import Hit

if TYPE_CHECKING:
    import regex

LONGEST = 500
SECONDS_AT_SAVE = 0.05
SECONDS_AT_USE = 0.1
SECONDS_PER_CHARACTER = 2e-6  # Beyond the fixed limit, so that a large attachment has its fair time.
_UNBOUNDED = re.compile(r"[*+]|\{[0-9]*,\}|\{[0-9]*,?[0-9]{2,}\}")
_REPEATED = re.compile(r"[*+]|\{[0-9]*,[0-9]*\}|\{(?:[2-9]|[0-9]{2,})\}")
_NEIGHBOURS = re.compile(r"(\\.|\[[^\]]*\]|[^\\\[\]()])[*+]\??\1[*+]")  # `.*.*`, `\s*\s*`.


@dataclass(frozen=True, slots=True)
class ExtraPattern:
    name: str
    pattern: str
    weight: float


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> regex.Pattern[str]:
    import regex

    return regex.compile(pattern)


def check(extra: ExtraPattern) -> None:
    """Raises `InvalidPattern` or `PatternTooSlow`."""
    import regex

    field = f"patterns.{extra.name}"
    if not 0 < len(extra.pattern) <= LONGEST:
        raise InvalidPattern(_("A pattern has 1 to %(most)d characters") % {"most": LONGEST}, field=field)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(extra.pattern)  # Only what both libraries understand alike: no recursion, no fuzzy matching.
            compiled = _compiled(extra.pattern)
    except (re.error, regex.error, RecursionError, OverflowError, Warning) as error:
        raise InvalidPattern(_("No regular expression: %(why)s") % {"why": error}, field=field) from error
    if re.search(r"(?<!\\)(?:\\\\)*\\[1-9]|\(\?P=|\(\?\(|\{[^}]*[a-z<=][^}]*\}", extra.pattern):
        raise InvalidPattern(_("References to groups, and letters in braces, are not allowed"), field=field)
    if _repeats_a_repetition(extra.pattern) or _NEIGHBOURS.search(extra.pattern):
        raise PatternTooSlow(_("A repetition within a repetition, or beside its like, can take for ever"), field=field)
    try:
        if compiled.search("", timeout=SECONDS_AT_SAVE):
            raise InvalidPattern(_("The pattern matches the empty text"), field=field)
        for probe in _probes(extra.pattern):
            for _found in compiled.finditer(probe, timeout=SECONDS_AT_SAVE):
                pass
    except TimeoutError as error:
        raise PatternTooSlow(_("The pattern is slow on a text of 4,000 characters"), field=field) from error


def _repeats_a_repetition(pattern: str) -> bool:
    """`(a+)+`, `(a|b*)*`, `((x{2,})y)+`: a group that holds a repetition or a choice, itself repeated without a bound."""
    bare = re.sub(r"\\.", "a", pattern, flags=re.DOTALL)
    bare = re.sub(r"\[\^?\]?[^\]]*\]", "a", bare)
    stack: list[bool] = []
    at = 0
    while at < len(bare):
        letter = bare[at]
        if letter == "(":
            stack.append(False)
            at += 1
            if bare[at : at + 1] == "?":
                at += 1
            continue
        if letter == ")" and stack:
            inside = stack.pop()
            repeated = _UNBOUNDED.match(bare, at + 1)
            if inside and repeated is not None:
                return True
            if stack and (inside or repeated is not None):
                stack[-1] = True
        elif stack and (_REPEATED.match(bare, at) or letter == "|"):
            # `(a?b)+` is harmless; `(a|a)+` is not, and a choice cannot be told harmless by its look.
            stack[-1] = True
        at += 1
    return False


def _probes(pattern: str) -> Iterator[str]:
    letters = sorted(set(re.sub(r"\\[a-zA-Z]", "", pattern)))[:24]
    for letter in [*letters, "a", "A", "0", " ", "é"]:
        yield letter * 4000 + "\x00"
    literal = "".join(letter for letter in pattern if letter.isalnum() or letter in " -_.@")[:40] or "a"
    for word in (literal, "a0", "a ", "0 ", "a.", "0-", "aA0-_. @"):
        yield word * (4000 // len(word)) + "\x00"


def detect(text: str, patterns: tuple[ExtraPattern, ...]) -> Iterator[Hit]:
    """Over the text as it is. Raises `PatternTooSlow`: a text that cannot be judged does not leave."""
    limit = SECONDS_AT_USE + SECONDS_PER_CHARACTER * len(text)
    for extra in patterns:
        try:
            for found in _compiled(extra.pattern).finditer(text, timeout=limit, concurrent=True):
                if found.end() > found.start():
                    yield Hit(extra.name, found.start(), found.end(), "pattern")
        except TimeoutError as error:
            raise PatternTooSlow(
                _("The pattern %(name)s takes too long on this text") % {"name": extra.name}, field=f"patterns.{extra.name}"
            ) from error
