"""What a turn carries of attachments: the question's own, and those of the branch before it as far as that is sensible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.core.files.storage import default_storage

from assistants.conversations.attachments import LONGEST_TEXT, MOST
from assistants.conversations.models import Attachment, Message
from gateway.types import AttachedFile, Audio, ChatMessage, Image, ModelInfo

MOST_PICTURES = MOST  # of one turn; the newest
MOST_TEXT = MOST * LONGEST_TEXT  # characters


@dataclass(frozen=True, slots=True)
class Carried:
    """Of one message. A picture or sound that is not carried is a file without text, so that the model knows of it."""

    files: tuple[AttachedFile, ...] = ()
    images: tuple[Image, ...] = ()
    audio: tuple[Audio, ...] = ()


NOTHING = Carried()


def carried(question: Message, earlier: Sequence[Message]) -> dict[int, Carried]:
    """By the messages' keys. One query where nothing is attached, two otherwise; and the stored pictures are read."""
    keys = [question.pk, *(message.pk for message in earlier)]
    rows = list(Attachment.objects.filter(message__in=keys).defer("text").order_by("-message", "position", "pk"))
    if not rows:
        return {}
    texts = _texts(rows)
    pictures = 0
    found: dict[int, Carried] = {}
    for row in rows:
        assert row.message_id is not None
        before = found.get(row.message_id, NOTHING)
        if row.kind == Attachment.Kind.IMAGE and pictures < MOST_PICTURES:
            pictures += 1
            found[row.message_id] = replace(before, images=(*before.images, Image(_bytes(row), row.content_type, row.name)))
        elif row.kind == Attachment.Kind.AUDIO and row.message_id == question.pk:
            found[row.message_id] = replace(before, audio=(*before.audio, Audio(_bytes(row), row.content_type, row.name)))
        else:
            file = AttachedFile(row.name, texts.get(row.pk, ""), row.characters)
            found[row.message_id] = replace(before, files=(*before.files, file))
    return found


def _texts(rows: Sequence[Attachment]) -> dict[int, str]:
    keys, left = [], MOST_TEXT
    for row in rows:
        left -= min(row.characters, LONGEST_TEXT)
        if row.kind == Attachment.Kind.FILE and left >= 0:
            keys.append(row.pk)
    return dict(Attachment.objects.filter(pk__in=keys).values_list("pk", "text")) if keys else {}


def _bytes(row: Attachment) -> bytes:
    with default_storage.open(row.path) as file:
        content: bytes = file.read()
        return content


def readable_by(models: Sequence[ModelInfo], history: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """The history without pictures where one of the models that may answer reads none: their names stay."""
    if all("images" in model.abilities for model in models):
        return tuple(history)
    return tuple(
        replace(m, images=(), files=(*m.files, *(AttachedFile(image.name, "", 0) for image in m.images))) if m.images else m
        for m in history
    )
