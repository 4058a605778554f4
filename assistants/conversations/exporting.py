"""Conversations as files: our own JSON with the whole tree (docs/export-format.md), or the active branch as Markdown."""

from __future__ import annotations

import io
import json
import logging
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from django.core.files.storage import default_storage
from django.db.models import Prefetch
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

import audit
from accounts.models import User
from assistants.conversations.importing.files import FILES
from assistants.conversations.importing.ours import FORMAT, VERSION
from assistants.conversations.models import Attachment, Conversation, Feedback, Message
from assistants.conversations.rendering import MARKER
from assistants.conversations.tree import active_branch

logger = logging.getLogger(__name__)

Format = Literal["json", "md"]
BLOCK = 1 << 20  # bytes
TOGETHER = 20  # conversations that are in memory at once
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff<>:"/\\|?*]+')
CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)
LONGEST_NAME = 80
SAME_TIME = (1980, 1, 1, 0, 0, 0)  # The same conversations give the same archive.


def file_name(conversation: Conversation, ending: str, number: int = 0) -> str:
    """Safe on every system: from the title, without what paths and terminals give a meaning."""
    words = " ".join(FORBIDDEN.sub(" ", str(conversation)).split())[:LONGEST_NAME].strip(". ")
    return f"{words or 'conversation'}{f' ({number})' if number else ''}.{ending}"


def export_conversation(*, user: User, conversation: Conversation, form: Format) -> bytes:
    """One conversation as a file. Noted in the audit log, without a word of it."""
    [(row, messages)] = _with_messages([conversation])
    audit.record("conversation.exported", target=f"conversation:{row.public_id}", subject=user.pk, details={"format": form})
    if form == "md":
        return as_markdown(row, messages).encode()
    return b"".join((_head(), _json(as_json(row, messages)), b"\n]}\n"))


def note_export_of_all(*, user: User, form: Format) -> None:
    audit.record("conversations.exported", subject=user.pk, details={"format": form})


def _head() -> bytes:
    return f'{{"format": "{FORMAT}", "version": {VERSION}, "conversations": [\n'.encode()


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Archive:
    """A person's conversations as a zip, in parts: each `part` asks the database for the next few, and forgets them."""

    def __init__(self, user: User, form: Format) -> None:
        self._user, self._form = user, form
        self._after = 0
        self._buffer = _Tape()
        self._zip: zipfile.ZipFile | None = None
        self._entry: Any = None
        self._names: dict[str, int] = {}
        self._files: dict[str, str] = {}  # hash → where it is stored; they follow the texts
        self._texts_told = self._ended = False

    def part(self) -> bytes | None:
        """The next bytes; None behind the last."""
        if self._ended:
            return None
        if self._zip is None:
            self._zip = zipfile.ZipFile(self._buffer, "w", zipfile.ZIP_DEFLATED, allowZip64=True)
            if self._form == "json":
                self._entry = self._open("conversations.json")
                self._entry.write(_head())
        if self._texts_told:
            self._add_file(*self._files.popitem())
        else:
            self._add_texts()
        if self._texts_told and not self._files:
            self.close()
        return self._buffer.take()

    def _add_texts(self) -> None:
        """The next few conversations."""
        rows = list(
            Conversation.objects.visible_to(self._user)
            .listed()
            .select_related("assistant", "folder")
            .prefetch_related("tags")
            .filter(pk__gt=self._after)
            .order_by("pk")[:TOGETHER]
        )
        for row, messages in _with_messages(rows):
            self._add(row, messages, first=not self._after)
            self._after = row.pk
        if len(rows) < TOGETHER:
            self._texts_told = True
            if self._entry:
                self._entry.write(b"\n]}\n")
                self._entry.close()
                self._entry = None

    def close(self) -> None:
        """Nothing more will be asked for. Harmless when repeated."""
        self._ended = True
        if self._entry:
            self._entry.close()
        if self._zip:
            self._zip.close()

    def _add_file(self, digest: str, path: str) -> None:
        """One attached file, a block at a time. One that storage has lost is left out: its hash in the texts says so."""
        try:
            file = default_storage.open(path)
        except FileNotFoundError:
            logger.warning("an attachment is not in storage", extra={"sha256": digest})
            return
        with file, self._open(f"{FILES}{digest}") as entry:
            while block := file.read(BLOCK):
                entry.write(block)

    def _open(self, name: str) -> Any:
        assert self._zip
        info = zipfile.ZipInfo(name, SAME_TIME)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
        return self._zip.open(info, "w", force_zip64=True)

    def _add(self, row: Conversation, messages: Sequence[Message], *, first: bool) -> None:
        self._files |= {each.sha256: each.path for message in messages for each in message.attachments.all()}
        if self._entry:
            self._entry.write(b"" if first else b",\n")
            self._entry.write(_json(as_json(row, messages)))
            return
        name = file_name(row, "md")
        number = self._names[name.lower()] = self._names.get(name.lower(), -1) + 1
        with self._open(file_name(row, "md", number)) as entry:
            entry.write(as_markdown(row, messages).encode())


class _Tape(io.RawIOBase):
    """Takes bytes and gives them away: an archive that goes out cannot be sought in."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._kept += data
        return len(data)

    def take(self) -> bytes:
        found = bytes(self._kept)
        self._kept.clear()
        return found


def _with_messages(rows: Sequence[Conversation]) -> Iterator[tuple[Conversation, list[Message]]]:
    """Each conversation with all of its messages by key. Three queries."""
    found: dict[int, list[Message]] = {row.pk: [] for row in rows}
    if rows:
        thoughts = Prefetch("feedback", Feedback.objects.filter(owner_id=rows[0].owner_id))
        attached = Prefetch("attachments", Attachment.objects.filter(owner_id=rows[0].owner_id).defer("text"))
        messages = Message.objects.filter(conversation__in=found).select_related("run").prefetch_related(thoughts, attached)
        for message in messages.order_by("pk"):
            found[message.conversation_id].append(message)
    for row in rows:
        yield row, found[row.pk]


def as_json(conversation: Conversation, messages: Sequence[Message]) -> dict[str, Any]:
    """One member of `conversations`. What this version has no place for stands there empty."""
    ids = {message.pk: str(message.public_id) for message in messages}
    branch = active_branch(conversation, messages)
    assistant = conversation.assistant
    return {
        "id": str(conversation.public_id),
        "title": conversation.title,
        "assistant": {"id": str(assistant.public_id), "name": assistant.name} if assistant else None,
        "created_at": conversation.created_at.isoformat(),
        "active_at": conversation.active_at.isoformat(),
        **_order(conversation),
        "leaf": ids[branch[-1].pk] if branch else None,
        "messages": [_message(message, ids) for message in messages],
    }


def _order(conversation: Conversation) -> dict[str, Any]:
    """Tags and folder by name."""
    return {
        "tags": sorted(tag.name for tag in conversation.tags.all()),
        "folder": conversation.folder.name if conversation.folder else None,
        "pinned": conversation.pinned_at is not None,
        "archived": conversation.archived_at is not None,
    }


def _message(message: Message, ids: Mapping[int, str]) -> dict[str, Any]:
    return {
        "id": ids[message.pk],
        "parent": ids.get(message.parent_id or 0),
        "role": message.role,
        "content": message.content,
        "created_at": message.created_at.isoformat(),
        "author": message.origin.get("author"),
        "model": model_of(message),
        "citations": message.citations,
        "grounded": message.grounded,
        "external_id": message.external_id or None,
        "continues": ids.get(message.continues_id or 0),
        "beside": ids.get(message.beside_id or 0),
        "feedback": next(({"rating": f.rating, "reason": f.reason, "comment": f.comment} for f in message.feedback.all()), None),
        "attachments": [_attachment(each) for each in message.attachments.all()],
    }


def _attachment(row: Attachment) -> dict[str, Any]:
    """What is told of a file; its bytes lie in an archive under `FILES`, by their hash."""
    return {
        "id": str(row.public_id),
        "kind": row.kind,
        "name": row.name,
        "content_type": row.content_type,
        "size": row.size,
        "sha256": row.sha256,
    }


def model_of(message: Message) -> str | None:
    """The model that wrote an answer here, or elsewhere before it was imported."""
    run = getattr(message, "run", None)
    found = (run.routing.get("model") if run else None) or message.origin.get("model")
    return str(found) if found else None


def as_markdown(conversation: Conversation, messages: Sequence[Message]) -> str:
    """The active branch, to be read; sources as footnotes."""
    title = " ".join(str(conversation).split())
    lines = [f"# {title}", "", _day(conversation.created_at), ""]
    notes: list[str] = []
    name = conversation.assistant.name if conversation.assistant else _("Assistant")
    for number, message in enumerate(active_branch(conversation, messages), 1):
        who = message.origin.get("author") or (_("You") if message.role == Message.Role.USER else name)
        lines += [f"## {' '.join(who.split())}", "", _with_footnotes(message, number), ""]
        for citation in message.citations:
            where = _("%(title)s, page %(page)s") if citation.get("page") else "%(title)s"
            told = where % {"title": " ".join(str(citation["title"]).split()), "page": citation.get("page")}
            notes.append(f"[^{number}-{citation['number']}]: {told}")
    return "\n".join([*lines, *notes]).rstrip() + "\n"


def _with_footnotes(message: Message, number: int) -> str:
    """`[2]` becomes a footnote where the message cites a second source; never inside code."""
    cited = {citation["number"] for citation in message.citations}

    def mark(found: re.Match[str]) -> str:
        return f"[^{number}-{found[1]}]" if int(found[1]) in cited else found[0]

    parts = CODE.split(message.content)
    return "".join(part if place % 2 else MARKER.sub(mark, part) for place, part in enumerate(parts))


def _day(moment: Any) -> str:
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")
