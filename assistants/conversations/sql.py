"""What Django's queries cannot say, by hand: keys before their rows, the one row that a link opens, and counts of opinions."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection


def message_keys(count: int) -> list[int]:
    """Keys for so many messages, ascending: a tree is stored in one statement, whose rows name each other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('conversations_message', 'id')) FROM generate_series(1, %s) ORDER BY 1",
            [count],
        )
        return [int(key) for (key,) in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class OpenedRow:
    """A link's copy; `share` None: it is there, for people who are signed in."""

    share: uuid.UUID | None
    audience: str
    title: str
    assistant: str
    shared_by: str
    messages: list[dict[str, Any]]
    created_at: datetime
    expires_at: datetime
    opened: int


def feedback_counts(begin: datetime, end: datetime) -> list[tuple[str, str, str, int]]:
    """What is counted (reason, model, assistant, day), its key, the rating, and how often. Nothing for who may not see it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT part, key, rating, answers FROM feedback_counts(%s, %s)", [begin, end])
        return [(part, key, rating, int(answers)) for part, key, rating, answers in cursor.fetchall()]


def open_share(digest: str) -> OpenedRow | None:
    """The open link whose token has this digest. Counts the opening, except by its owner."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM open_share(%s)", [digest])
        row = cursor.fetchone()
    if row is None:
        return None
    share, audience, title, assistant, shared_by, messages, *rest = row
    found = json.loads(messages) if isinstance(messages, str) else messages or []
    return OpenedRow(share, audience, title, assistant, shared_by, found, *rest)
