"""Questions that are not sent yet: kept at the server, so that another device goes on with them."""

from __future__ import annotations

from django.utils import timezone

from accounts.models import User
from assistants.conversations.models import Conversation, Draft
from assistants.conversations.services import LONGEST_QUESTION, MessageTooLong


def of(user: User, conversation: Conversation | None) -> Draft | None:
    """`conversation` None: the draft of the one that is not begun."""
    return Draft.objects.filter(owner=user, conversation=conversation).first()


def keep(*, user: User, conversation: Conversation | None, text: str) -> Draft | None:
    """Store a draft in the place of the one before; an empty one is none. Raises `MessageTooLong`."""
    kept = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    if not kept.strip():
        forget(user=user, conversation=conversation)
        return None
    if len(kept) > LONGEST_QUESTION:
        raise MessageTooLong(limit=LONGEST_QUESTION)
    # Two devices at once: the later one is what stays.
    [draft] = Draft.objects.bulk_create(
        [Draft(owner=user, conversation=conversation, text=kept, updated_at=timezone.now())],
        update_conflicts=True,
        unique_fields=["owner", "conversation"],
        update_fields=["text", "updated_at"],
    )
    return draft


def forget(*, user: User, conversation: Conversation | None) -> None:
    """Safe to repeat."""
    Draft.objects.filter(owner=user, conversation=conversation).delete()
