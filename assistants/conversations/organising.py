"""Order in one's own conversations: folders, tags, pinned ones on top, archived ones out of the way. Private, all of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from assistants.conversations.models import (
    LONGEST_NAME,
    Conversation,
    ConversationFolder,
    ConversationQuerySet,
    ConversationTag,
    Tag,
)
from core.errors import AppError, Conflict, NotFound

MOST_TAGS = 500
MOST: dict[type[models.Model], int] = {ConversationFolder: 200, Tag: MOST_TAGS}
MOST_TAGS_EACH = 20  # on one conversation
Named = TypeVar("Named", ConversationFolder, Tag)


class NameMissing(AppError):
    code: ClassVar[str] = "name_missing"
    title = _("Give it a name.")


class NameTaken(Conflict):
    code: ClassVar[str] = "name_taken"
    title = _("You have one of this name already.")


class TooMany(AppError):
    code: ClassVar[str] = "too_many"
    title = _("That is more than can be kept.")


class InvalidFilter(AppError):
    code: ClassVar[str] = "invalid_filter"
    title = _("The filter is not valid.")


def clean_name(name: str) -> str:
    """Raises `NameMissing`."""
    found = " ".join(name.replace("\0", "").split())[:LONGEST_NAME].strip()
    if not found:
        raise NameMissing(field="name")
    return found


def create(kind: type[Named], *, owner: User, name: str) -> Named:
    """A folder or tag. Raises `NameMissing`, `NameTaken` or `TooMany`."""
    cleaned, most = clean_name(name), MOST[kind]
    if kind.objects.filter(owner=owner).count() >= most:
        raise TooMany(limit=most)
    try:
        with transaction.atomic():
            return kind.objects.create(owner=owner, name=cleaned)
    except IntegrityError as error:
        raise NameTaken(field="name") from error


def rename(thing: Named, name: str) -> Named:
    """Raises `NameMissing` or `NameTaken`."""
    thing.name = clean_name(name)
    try:
        with transaction.atomic():
            thing.save(update_fields=["name"])
    except IntegrityError as error:
        raise NameTaken(field="name") from error
    return thing


@transaction.atomic
def remove(thing: Named) -> None:
    """The folder or tag goes; its conversations stay, in no folder and without it."""
    thing.delete()


@transaction.atomic
def organise(*, user: User, conversation: Conversation, changes: Mapping[str, Any]) -> Conversation:
    """Change what `changes` names: `title`, `folder` (id or None), `tags` (ids), `pinned`, `archived`.

    Raises `NotFound` naming the field for a folder or tag that is not the person's, `TooMany`, or `Conflict` for a
    temporary chat, which is kept nowhere.
    """
    if conversation.temporary and changes:
        raise Conflict(_("A temporary chat is not kept, so there is nothing to put in order."))
    now = timezone.now()
    fields: dict[str, Any] = {}
    if "title" in changes:
        fields["title"] = changes["title"]
    if "folder" in changes:
        fields["folder"] = _own(ConversationFolder, user, [changes["folder"]], "folder")[0] if changes["folder"] else None
    if "pinned" in changes:
        fields["pinned_at"] = (conversation.pinned_at or now) if changes["pinned"] else None
    if "archived" in changes:
        fields["archived_at"] = (conversation.archived_at or now) if changes["archived"] else None
    for name, value in fields.items():
        setattr(conversation, name, value)
    if fields:
        conversation.save(update_fields=list(fields))
    if "tags" in changes:
        _tag(user, conversation, changes["tags"])
    return conversation


def _own(kind: type[Named], user: User, ids: Iterable[uuid.UUID], field: str) -> list[Named]:
    wanted = set(ids)
    found = list(kind.objects.filter(owner=user, public_id__in=wanted))
    if len(found) != len(wanted):
        raise NotFound(_("There is nothing of this kind."), field=field)
    return found


def _tag(user: User, conversation: Conversation, ids: Iterable[uuid.UUID]) -> None:
    tags = _own(Tag, user, ids, "tags")
    if len(tags) > MOST_TAGS_EACH:
        raise TooMany(field="tags", limit=MOST_TAGS_EACH)
    ConversationTag.objects.filter(conversation=conversation).exclude(tag__in=tags).delete()
    ConversationTag.objects.bulk_create(
        [ConversationTag(conversation=conversation, tag=tag) for tag in tags], ignore_conflicts=True
    )


def tags_named(*, owner: User, names: Iterable[str]) -> list[Tag]:
    """The person's tags of these names, made where there are none. Raises `TooMany`."""
    wanted = {cleaned.lower(): cleaned for name in names if (cleaned := " ".join(name.replace("\0", "").split())[:LONGEST_NAME])}
    if len(wanted) > MOST_TAGS_EACH:
        raise TooMany(field="tags", limit=MOST_TAGS_EACH)
    known = {tag.name.lower(): tag for tag in Tag.objects.filter(owner=owner)}
    return [known.get(key) or create(Tag, owner=owner, name=name) for key, name in wanted.items()]


def folder_named(*, owner: User, name: str) -> ConversationFolder:
    """The person's folder of this name, made where there is none. Raises `NameMissing` or `TooMany`."""
    cleaned = clean_name(name)
    known = ConversationFolder.objects.filter(owner=owner, name__iexact=cleaned).first()
    return known or create(ConversationFolder, owner=owner, name=cleaned)


def listed(user: User, asked: Mapping[str, str]) -> ConversationQuerySet:
    """The person's conversations as `folder`, `tag`, `pinned` and `archived` ask.

    `folder` and `tag` are ids, a folder also `none`; `archived` is `true`, `all` or (by default) `false`. Raises
    `InvalidFilter`, whose `field` says where.
    """
    rows: ConversationQuerySet = Conversation.objects.visible_to(user).listed()
    if folder := asked.get("folder"):
        rows = rows.filter(folder=None) if folder == "none" else rows.filter(folder__public_id=_id(folder, "folder"))
    if tag := asked.get("tag"):
        tagged = ConversationTag.objects.filter(tag__owner=user, tag__public_id=_id(tag, "tag"))
        rows = rows.filter(pk__in=tagged.values("conversation"))
    if pinned := asked.get("pinned"):
        rows = rows.filter(pinned_at__isnull=not _truth(pinned, "pinned"))
    archived = asked.get("archived") or "false"
    return rows if archived == "all" else rows.filter(archived_at__isnull=not _truth(archived, "archived"))


def _id(text: str, field: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidFilter(_("An id is wanted."), field=field) from None


def _truth(text: str, field: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0"}:
        raise InvalidFilter(_("true or false is wanted."), field=field)
    return text.lower() in {"true", "1"}
