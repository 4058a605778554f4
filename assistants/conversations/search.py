"""Finding one's own messages and titles by their words, in French and English, without regard to accents.

All words of the question must stand in a message; the last may be cut short, as while it is typed; words in quotation
marks stand beside each other. The newest come first. The index (migrations/0012_search.py) holds each text's stems in
both languages and its owner, so that the walls cost nothing: a question asks for its words and its person at once.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db import connection
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from assistants.conversations.models import Conversation, Message
from assistants.conversations.rendering import plain
from core.errors import AppError
from documents import terms

LONGEST_QUERY = 500  # characters
MOST_WORDS = 24
MOST_RESULTS = 50
PASSAGE = 240  # characters of a message that a result shows
LEAD = 60  # of them before the first word found
MOST_MATCHES = 200  # words found in one message that are looked at for its passage
LANGUAGES = ("fr", "en")
HEAD = 2  # letters
WORD = re.compile(r"[^\W_]+")
PART = re.compile(r'"([^"]*)"|(\S+)')

# Two ways to the newest hits. A frequent word: among the person's latest entries there are enough. Any other: the index,
# which then finds few. Both are in the order of the entries, so the first is exact when it is full.
LATEST = 400
FOUND = """
WITH q AS MATERIALIZED (
  SELECT (to_tsquery('pg_catalog.french', f.t) || to_tsquery('pg_catalog.english', f.t)) AS words
  FROM search_fold(%(query)s) AS f(t)
),
latest AS (
  SELECT e.id, e.conversation_id, e.message_id, e.words FROM conversations_searchentry e
  WHERE e.owner_id = %(owner)s ORDER BY e.id DESC LIMIT %(latest)s
)
SELECT l.conversation_id, l.message_id FROM latest l JOIN conversations_conversation c ON c.id = l.conversation_id
WHERE l.words OPERATOR(guard.@@@) (SELECT words FROM q) AND c.binned_at IS NULL AND NOT c.temporary
ORDER BY l.id DESC LIMIT %(most)s
"""
INDEXED = """
WITH q AS MATERIALIZED (
  SELECT (to_tsquery('pg_catalog.french', f.t) || to_tsquery('pg_catalog.english', f.t)) AS words
  FROM search_fold(%(query)s) AS f(t)
),
hits AS MATERIALIZED (
  SELECT e.id, e.conversation_id, e.message_id FROM conversations_searchentry e
  WHERE e.words OPERATOR(guard.@@@) ((SELECT words FROM q) && ('''@' || %(owner)s || '''')::tsquery)
    AND (SELECT numnode(words) FROM q) > 0
)
SELECT h.conversation_id, h.message_id FROM hits h JOIN conversations_conversation c ON c.id = h.conversation_id
WHERE c.binned_at IS NULL AND NOT c.temporary ORDER BY h.id DESC LIMIT %(most)s
"""


class InvalidQuery(AppError):
    code: ClassVar[str] = "invalid_query"
    title = _("The query is not valid")


@dataclass(frozen=True, slots=True)
class Found:
    """`message` is None where the words stand in the title, which is then `text`. Highlights are code points of `text`."""

    conversation: uuid.UUID
    title: str
    message: uuid.UUID | None
    text: str
    highlights: tuple[tuple[int, int], ...]
    created_at: datetime

    def as_json(self) -> dict[str, Any]:
        return {
            "conversation": str(self.conversation),
            "title": self.title,
            "message": str(self.message) if self.message else None,
            "text": self.text,
            "highlights": [list(pair) for pair in self.highlights],
            "created_at": self.created_at,
        }

    def pieces(self) -> Iterator[tuple[str, bool]]:
        """The text in order, and which parts of it were asked for."""
        at = 0
        for start, end in self.highlights:
            yield self.text[at:start], False
            yield self.text[start:end], True
            at = end
        yield self.text[at:], False


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked, as the database reads it, and how a word of a text is known again."""

    expression: str
    stems: frozenset[str]  # LANGUAGE:STEM
    heads: frozenset[str]  # A stem begins as its word does: what begins otherwise need not be stemmed, which is slow.
    prefix: str

    def matches(self, word: str) -> bool:
        folded = terms.fold(word)
        if self.prefix and folded.startswith(self.prefix):
            return True
        if folded[:HEAD] not in self.heads:
            return False
        return any(f"{language}:{stem}" in self.stems for language in LANGUAGES for stem in terms.stems(folded, language))


def parse(query: str) -> Query:
    """Raises `InvalidQuery` for one that is too long, or without a word."""
    text = query.replace("\0", " ").strip()
    if len(text) > LONGEST_QUERY:
        raise InvalidQuery(_("A query has 1 to %(most)d characters.") % {"most": LONGEST_QUERY}, field="q")
    groups: list[list[str]] = []
    prefix = ""
    for part in PART.finditer(text):
        phrase = part[1] is not None
        words = WORD.findall(part[1] if phrase else part[2])
        groups += [words] if phrase and words else [[word] for word in words]
        # The word at the very end may be half a word; one that a space or a quotation mark follows is whole.
        prefix = terms.fold(words[-1]) if words and not phrase and query.rstrip("\0").endswith(words[-1]) else ""
    groups = groups[:MOST_WORDS]
    words = [word for group in groups for word in group][:MOST_WORDS]
    if not words:
        raise InvalidQuery(_("A query has at least one word."), field="q")
    parts = [" <-> ".join(f"'{word}'" for word in group[:MOST_WORDS]) for group in groups]
    if prefix:
        # Stemmed as a whole word, or cut short: `contracts` finds `contract`, and `contr` does, too.
        parts[-1] = f"{parts[-1]} | {parts[-1]}:*"
    expression = " & ".join(f"({part})" for part in parts)
    stems = frozenset(f"{lang}:{stem}" for word in words for lang in LANGUAGES for stem in terms.stems(terms.fold(word), lang))
    return Query(expression, stems, frozenset(terms.fold(word)[:HEAD] for word in words), prefix)


def search(*, user: User, query: str, most: int = 20) -> list[Found]:
    """The person's own messages and titles with these words, newest first; nothing from the bin or a temporary chat.

    Raises `InvalidQuery`.
    """
    asked = parse(query)
    most = max(1, min(most, MOST_RESULTS))
    hits = _hits(user, asked, most)
    titles = {
        row["pk"]: row
        for row in Conversation.objects.visible_to(user)
        .filter(pk__in={conversation for conversation, _message in hits})
        .values("pk", "public_id", "title", "created_at")
    }
    texts = {
        row["pk"]: row
        for row in Message.objects.filter(pk__in=[message for _conversation, message in hits if message])
        .values("pk", "public_id", "role", "content", "created_at")
        .order_by()
    }
    found = []
    for conversation, message in hits:
        title, body = titles.get(conversation), texts.get(message or 0)
        if title is None or (message and body is None):
            continue  # Removed between the questions.
        is_answer = body is not None and body["role"] == Message.Role.ASSISTANT
        show = passage_of_answer if is_answer else passage
        text, highlights = show(body["content"] if body else title["title"], asked)
        found.append(
            Found(
                title["public_id"],
                title["title"],
                body["public_id"] if body else None,
                text,
                highlights,
                (body or title)["created_at"],
            )
        )
    return found


def _hits(user: User, asked: Query, most: int) -> Sequence[tuple[int, int | None]]:
    """Conversation and message (None: the title), newest first."""
    given: dict[str, str | int] = {"query": asked.expression, "owner": user.pk, "most": most, "latest": LATEST}
    with connection.cursor() as cursor:
        cursor.execute(FOUND, given)
        rows: list[tuple[int, int | None]] = cursor.fetchall()
        if len(rows) < most:
            cursor.execute(INDEXED, given)
            rows = cursor.fetchall()
    return rows


Passage = tuple[str, tuple[tuple[int, int], ...]]
Match = tuple[int, int, str]


def passage_of_answer(text: str, asked: Query) -> Passage:
    """As `passage`, of a Markdown text, without its signs: only the piece to be shown is read as Markdown."""
    matches = _matches(text, asked)
    start = _start(matches)
    line = text.rfind("\n", 0, max(0, start - LEAD)) + 1
    begin = line if start - line <= 2 * PASSAGE else _word_start(text, start - LEAD)
    shown = passage(plain(text[begin : start + 2 * PASSAGE]), asked)
    # What was asked for may be a sign's: the address of a link, the language of a piece of code.
    return shown if shown[1] or not matches else passage(text, asked)


def passage(text: str, asked: Query) -> Passage:
    """The part of a text that holds most of what was asked, and where in it."""
    matches = _matches(text, asked)
    if not matches:
        return _cut(text, 0, PASSAGE), ()
    start = _start(matches)
    begin = 0 if len(text) <= PASSAGE else _word_start(text, max(0, min(start - LEAD, len(text) - PASSAGE)))
    shown = _cut(text, begin, PASSAGE)
    return shown, tuple((a - begin, b - begin) for a, b, _word in matches if begin <= a and b - begin <= len(shown))


def _matches(text: str, asked: Query) -> list[Match]:
    """The words that were asked for, in order: from where, to where, which."""
    matches: list[Match] = []
    for word in WORD.finditer(text):
        if asked.matches(word[0]):
            matches.append((*word.span(), terms.fold(word[0])))
            if len(matches) == MOST_MATCHES:
                break
    return matches


def _start(matches: list[Match]) -> int:
    """Where the most of what was asked stands together."""
    return max(matches, key=lambda first: (_distinct(matches, first[0]), -first[0]))[0] if matches else 0


def _distinct(matches: list[Match], start: int) -> int:
    return len({word for a, b, word in matches if start <= a and b <= start + PASSAGE - LEAD})


def _word_start(text: str, at: int) -> int:
    """The beginning of a word at or soon after a place, so that no passage begins inside one."""
    if at == 0:
        return 0
    space = text.find(" ", at, at + LEAD // 2)
    return at if space < 0 else space + 1


def _cut(text: str, begin: int, length: int) -> str:
    return text[begin : begin + length]
