"""A conversation as every format is turned into, before it is stored."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware

LONGEST_MESSAGE = 500_000  # characters
MOST_MESSAGES = 20_000  # of one conversation
NUL_AND_SURROGATES = re.compile("[\0\ud800-\udfff]")
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class NotReadable(ValueError):
    """A conversation that cannot be brought in; the text is a reason's code."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something of a conversation that was left out; `message` is its name in the source."""

    reason: str
    message: str = ""
    conversation: str = ""

    def as_json(self) -> dict[str, str]:
        return {"conversation": self.conversation, "message": self.message, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What a message says of an attached file, which an archive of ours holds by its hash (hexadecimal; empty where there is
    none), and ChatGPT's by the name of its asset. `missing` is why it is left out where the archive holds it not.
    """

    name: str
    sha256: str = ""
    asset: str = ""
    missing: str = "attachment_missing"


@dataclass(slots=True)
class ParsedMessage:
    """`key` and `parent` are names inside the conversation; `external_id` is what is given back."""

    key: str
    parent: str | None
    role: str
    content: str
    created_at: datetime | None = None
    external_id: str = ""
    origin: dict[str, str] = field(default_factory=dict)
    citations: list[dict[str, Any]] = field(default_factory=list)
    grounded: bool | None = None
    continues: str = ""
    beside: str = ""
    feedback: dict[str, str] = field(default_factory=dict)
    attachments: list[ParsedFile] = field(default_factory=list)


@dataclass(slots=True)
class ParsedConversation:
    """`messages` in the order in which they are stored: each after its parent, siblings in their own order."""

    source: str
    external_id: str
    title: str
    messages: list[ParsedMessage] = field(default_factory=list)
    leaf: str | None = None
    created_at: datetime | None = None
    active_at: datetime | None = None
    assistant: str = ""
    tags: list[str] = field(default_factory=list)
    folder: str = ""
    pinned: bool = False
    archived: bool = False
    skipped: list[Skipped] = field(default_factory=list)

    def skip(self, reason: str, message: str = "") -> None:
        self.skipped.append(Skipped(reason, message[:200], self.title[:80] or self.external_id[:80]))


def text(value: Any, most: int | None = None) -> str:
    """A string that PostgreSQL stores: NUL is left out, a lone surrogate becomes a question mark; "" for anything else."""
    if not isinstance(value, str):
        return ""
    if NUL_AND_SURROGATES.search(value):
        value = value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return str(value[:most])


def name(value: Any) -> str:
    """An identifier or a person's name in the source: short, and a number is one, too."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**18 else ""
    return text(value, 200).strip()


def moment(value: Any) -> datetime | None:
    """A date of ISO 8601, or seconds (or milliseconds) since 1970; None where it is none that can be."""
    found: datetime | None = None
    if isinstance(value, str):
        try:
            found = parse_datetime(value.strip())
        except ValueError:
            return None
        if found is not None and is_naive(found):
            found = make_aware(found, UTC)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        seconds = value / 1000 if value > 100_000_000_000 else value
        if EARLIEST.timestamp() < seconds < LATEST.timestamp():
            found = datetime.fromtimestamp(seconds, UTC)
    try:
        return found if found is not None and EARLIEST < found < LATEST else None
    except OverflowError:
        return None


def names(value: Any) -> list[str]:
    """Names in a list, of strings or of objects with a `name`; the first hundred."""
    given = value[:100] if isinstance(value, list) else []
    found = (name(each.get("name")) if isinstance(each, dict) else name(each) for each in given)
    return list(dict.fromkeys(each for each in found if each))


def members(value: Any) -> dict[str, Any]:
    """The value where it is an object, else an empty one: no format's nested field is trusted to be there."""
    return value if isinstance(value, dict) else {}


def walk(children: dict[str | None, list[str]]) -> Iterator[tuple[str, str | None]]:
    """Keys with their parents, a parent before its children, siblings in order. What no root leads to is not met.

    Loops end: each key is met once.
    """
    seen: set[str] = set()
    stack: list[tuple[str, str | None]] = [(key, None) for key in reversed(children.get(None, []))]
    while stack:
        key, parent = stack.pop()
        if key in seen:
            continue
        seen.add(key)
        yield key, parent
        below = children.get(key, [])
        stack += [(child, key) for child in reversed(below)]


class Grafter:
    """Puts messages into a conversation one by one, parents first; what is left out hands its children to its own parent."""

    def __init__(self, parsed: ParsedConversation) -> None:
        self.parsed = parsed
        self._kept: dict[str, str | None] = {}

    def leave_out(self, key: str, parent: str | None, *reasons: str) -> None:
        self._kept[key] = self._kept.get(parent) if parent is not None else None
        for reason in reasons:
            self.parsed.skip(reason, key)

    def add(self, key: str, parent: str | None, role: str, content: str, **more: Any) -> None:
        """Leaves out, with a reason, what no message can be."""
        if role not in {"user", "assistant"}:
            return self.leave_out(key, parent, "system" if role == "system" else "unknown_role")
        if len(content) > LONGEST_MESSAGE:
            return self.leave_out(key, parent, "too_long")
        if role == "user" and not content:
            return self.leave_out(key, parent, "empty")
        if len(self.parsed.messages) >= MOST_MESSAGES:
            raise NotReadable("too_many_messages")
        above = self._kept.get(parent) if parent is not None else None
        self.parsed.messages.append(ParsedMessage(key, above, role, content, **more))
        self._kept[key] = key
        return None

    def end(self, leaf: str | None) -> ParsedConversation:
        """The conversation, whose active branch ends with `leaf` or what stands for it.

        Raises `NotReadable` where nothing is left.
        """
        if not self.parsed.messages:
            raise NotReadable("no_messages")
        self.parsed.leaf = self._kept.get(leaf) if leaf is not None else None
        return self.parsed
