"""A parsed conversation as rows of its owner: whole, or not at all."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from assistants.conversations import organising
from assistants.conversations.attachments import remove_files
from assistants.conversations.importing import ours
from assistants.conversations.importing.attached import Files
from assistants.conversations.importing.parsed import ParsedConversation
from assistants.conversations.models import Attachment, Conversation, ConversationTag, Feedback, Message
from assistants.conversations.services import title_of
from assistants.conversations.sql import message_keys
from assistants.conversations.tree import Tree
from assistants.profiles.models import Assistant

BATCH = 500  # messages in one statement


@dataclass(frozen=True, slots=True)
class Stored:
    """A conversation in the database; `made` False: it was there."""

    conversation: uuid.UUID
    made: bool
    messages: tuple[uuid.UUID, ...] = ()


def known(owner: User, parsed: ParsedConversation) -> uuid.UUID | None:
    """The conversation that came from the same place under the same name, or that this is a copy of."""
    if not parsed.external_id:
        return None
    mine = Conversation.objects.filter(owner=owner)  # One that is out of sight is here, too.
    found = mine.filter(source=parsed.source, external_id=parsed.external_id)
    if parsed.source == ours.SOURCE:
        with contextlib.suppress(ValueError):
            found = found | mine.filter(public_id=uuid.UUID(parsed.external_id))
    return found.order_by().values_list("public_id", flat=True).first()


def store(owner: User, parsed: ParsedConversation, files: Files) -> Stored:
    """In one transaction. Imported text, names and roles give nobody any right: all of it is the owner's.

    Files are read before it: that takes longer than rows may stay locked. Raises `NoRoom`.
    """
    if there := known(owner, parsed):
        return Stored(there, made=False)
    attached = files.bring(owner, parsed)
    stored = None
    try:
        with transaction.atomic():
            stored = _store(owner, parsed, attached)
    except IntegrityError:
        # The same file arrives twice at the same moment: the first one won.
        there = known(owner, parsed)
        if there is None:
            raise
        return Stored(there, made=False)
    finally:
        if stored is None:
            remove_files({row.path for rows in attached.values() for row in rows})
    return stored


def _store(owner: User, parsed: ParsedConversation, attached: dict[str, list[Attachment]]) -> Stored:
    now = timezone.now()
    begun = parsed.created_at or next((m.created_at for m in parsed.messages if m.created_at), None) or now
    dates: dict[str, Any] = {}
    for message in parsed.messages:
        dates[message.key] = message.created_at or (dates[message.parent] if message.parent else begun)
    first = next((message.content for message in parsed.messages if message.role == "user"), "")
    assistants = Assistant.objects.visible_to(owner)
    conversation = Conversation.objects.create(
        owner=owner,
        title=parsed.title or title_of(first),
        assistant=assistants.filter(name=parsed.assistant).first() if parsed.assistant else None,
        source=parsed.source,
        external_id=parsed.external_id,
        created_at=begun,
        active_at=min(parsed.active_at or max(dates.values()), now),
        pinned_at=now if parsed.pinned else None,
        archived_at=now if parsed.archived else None,
    )
    keys = dict(zip((message.key for message in parsed.messages), message_keys(len(parsed.messages)), strict=True))
    links = _links(parsed)
    rows = [
        Message(
            pk=keys[message.key],
            conversation=conversation,
            owner=owner,
            parent_id=keys[message.parent] if message.parent else None,
            role=message.role,
            content=message.content,
            citations=message.citations,
            grounded=message.grounded,
            external_id=message.external_id,
            origin=message.origin,
            created_at=dates[message.key],
            **{name: keys[other] for name, other in links.get(message.key, {}).items()},
        )
        for message in parsed.messages
    ]
    Message.objects.bulk_create(rows, batch_size=BATCH)
    said = {message.key: message.feedback for message in parsed.messages if message.feedback}
    Feedback.objects.bulk_create([Feedback(message_id=keys[key], owner=owner, **given) for key, given in said.items()])
    for key, files in attached.items():
        for position, file in enumerate(files):
            file.message_id, file.conversation_id, file.position = keys[key], conversation.pk, position
        Attachment.objects.bulk_create(files)
    _organise(owner, conversation, parsed)
    leaf = keys.get(parsed.leaf or "")
    usual = Tree.built(((row.pk, row.parent_id, row.continues_id, row.beside_id) for row in rows), None).path()[-1]
    if leaf != usual:
        conversation.leaf = next((row for row in rows if row.pk == leaf), None)
        conversation.save(update_fields=["leaf"])
    return Stored(conversation.public_id, made=True, messages=tuple(row.public_id for row in rows))


def _links(parsed: ParsedConversation) -> dict[str, dict[str, str]]:
    """What an answer goes on from and stands beside, where that is an earlier answer to the same question."""
    seen: dict[str, str | None] = {}
    continued: set[str] = set()
    found: dict[str, dict[str, str]] = {}
    for message in parsed.messages:
        if message.role == "assistant":
            links = found.setdefault(message.key, {})
            if message.continues not in continued and seen.get(message.continues, "") == message.parent:
                links["continues_id"] = message.continues
                continued.add(message.continues)
            if seen.get(message.beside, "") == message.parent:
                links["beside_id"] = message.beside
            seen[message.key] = message.parent
    return found


def _organise(owner: User, conversation: Conversation, parsed: ParsedConversation) -> None:
    """Tags and folder by name, made where there are none; what is too much is named among what was left out."""
    try:
        with transaction.atomic():
            tags = organising.tags_named(owner=owner, names=parsed.tags)
            ConversationTag.objects.bulk_create([ConversationTag(conversation=conversation, tag=tag) for tag in tags])
    except organising.TooMany:
        parsed.skip("tags")
    if not parsed.folder:
        return
    try:
        conversation.folder = organising.folder_named(owner=owner, name=parsed.folder)
        conversation.save(update_fields=["folder"])
    except (organising.TooMany, organising.NameMissing):
        parsed.skip("folder")
