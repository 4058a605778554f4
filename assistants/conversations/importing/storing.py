"""A draft as rows of its owner: whole, or not at all."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from assistants.conversations.active import set_leaf
from assistants.conversations.importing import ours
from assistants.conversations.importing.drafts import Draft
from assistants.conversations.models import Conversation, Message
from assistants.conversations.services import title_of
from assistants.conversations.sql import message_keys
from assistants.profiles.models import Assistant

BATCH = 500  # messages in one statement


@dataclass(frozen=True, slots=True)
class Stored:
    """A conversation in the database; `made` False: it was there."""

    conversation: uuid.UUID
    made: bool
    messages: tuple[uuid.UUID, ...] = ()


def known(owner: User, draft: Draft) -> uuid.UUID | None:
    """The conversation that came from the same place under the same name, or that this is a copy of."""
    if not draft.external_id:
        return None
    mine = Conversation.objects.filter(owner=owner)  # One that is out of sight is here, too.
    found = mine.filter(source=draft.source, external_id=draft.external_id)
    if draft.source == ours.SOURCE:
        with contextlib.suppress(ValueError):
            found = found | mine.filter(public_id=uuid.UUID(draft.external_id))
    return found.order_by().values_list("public_id", flat=True).first()


def store(owner: User, draft: Draft) -> Stored:
    """In one transaction. Imported text, names and roles give nobody any right: all of it is the owner's."""
    if there := known(owner, draft):
        return Stored(there, made=False)
    try:
        with transaction.atomic():
            return _store(owner, draft)
    except IntegrityError:
        # The same file arrives twice at the same moment: the first one won.
        there = known(owner, draft)
        if there is None:
            raise
        return Stored(there, made=False)


def _store(owner: User, draft: Draft) -> Stored:
    now = timezone.now()
    begun = draft.created_at or next((m.created_at for m in draft.messages if m.created_at), None) or now
    dates: dict[str, Any] = {}
    for message in draft.messages:
        dates[message.key] = message.created_at or (dates[message.parent] if message.parent else begun)
    first = next((message.content for message in draft.messages if message.role == "user"), "")
    assistants = Assistant.objects.visible_to(owner)
    conversation = Conversation.objects.create(
        owner=owner,
        title=draft.title or title_of(first),
        assistant=assistants.filter(name=draft.assistant).first() if draft.assistant else None,
        source=draft.source,
        external_id=draft.external_id,
        created_at=begun,
        active_at=min(draft.active_at or max(dates.values()), now),
    )
    keys = dict(zip((message.key for message in draft.messages), message_keys(len(draft.messages)), strict=True))
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
        )
        for message in draft.messages
    ]
    Message.objects.bulk_create(rows, batch_size=BATCH)
    _organise(draft)
    leaf = keys.get(draft.leaf or "")
    set_leaf(conversation, next((row for row in rows if row.pk == leaf), None))
    return Stored(conversation.public_id, made=True, messages=tuple(row.public_id for row in rows))


def _organise(draft: Draft) -> None:
    """Tags and folders have no place here: they are named among what was left out."""
    if draft.tags:
        draft.skip("tags")
    if draft.folder:
        draft.skip("folder")
