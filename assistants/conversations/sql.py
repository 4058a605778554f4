"""What Django's queries cannot say, by hand: keys before their rows, and the one row that a link opens."""

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
