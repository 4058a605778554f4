"""Deleting: into the bin, back out of it, and for good. What goes for good takes its events in Redis along."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, cast

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from redis import Redis
from redis.exceptions import RedisError

import audit
from accounts.models import User
from assistants.conversations import attachments, events
from assistants.conversations.models import Conversation, Run, Share
from assistants.conversations.services import stop_queued_run
from assistants.conversations.turns import RunInProgress
from core.errors import AppError, NotFound
from isolation import context

logger = logging.getLogger(__name__)

PATIENCE = 3.0  # seconds that a stopped answer may take to end before its conversation is removed
PAUSE = 0.05
TOGETHER = 100  # conversations removed in one transaction


class CannotErase(AppError):
    code: ClassVar[str] = "unavailable"
    status = 503
    title = _("Temporarily unavailable")


def find(user: User, public_id: uuid.UUID) -> Conversation:
    """One of the person's, also in the bin. Raises `NotFound`."""
    found = Conversation.objects.visible_to(user).filter(public_id=public_id).first() or (
        Conversation.objects.in_bin(user).filter(public_id=public_id).first()
    )
    if found is None:
        raise NotFound(_("There is no such conversation."))
    return found


def delete(*, conversation: Conversation, forever: bool = False) -> bool:
    """Into the bin, from which it comes back whole; an answer that is being written is stopped, and kept.

    For good: what is in the bin already, temporary chats (which never were anywhere), and what is to go `forever`.
    True: for good. Raises `RunInProgress` where an answer does not end, and `CannotErase`; nothing is removed then.
    """
    if forever or conversation.temporary or conversation.binned_at:
        erase([conversation])
        return True
    conversation.binned_at = timezone.now()
    with transaction.atomic():
        conversation.save(update_fields=["binned_at"])
        Share.objects.filter(conversation=conversation).delete()  # Links end with what they show.
        audit.record("conversation.binned", target=f"conversation:{conversation.public_id}", subject=conversation.owner_id)
    _stop(_open([conversation]))
    return False


def restore(*, conversation: Conversation) -> None:
    """Out of the bin, to where it was; one that is not there stays as it is."""
    if conversation.binned_at is None:
        return
    conversation.binned_at = None
    with transaction.atomic():
        conversation.save(update_fields=["binned_at"])
        audit.record("conversation.restored", target=f"conversation:{conversation.public_id}", subject=conversation.owner_id)


def empty(*, user: User) -> int:
    """Remove for good what is in the person's bin; returns how many. Raises what `delete` does."""
    count = 0
    while rows := list(Conversation.objects.in_bin(user)[:TOGETHER]):
        erase(rows)
        count += len(rows)
    return count


def erase(conversations: Sequence[Conversation], *, noted: bool = True) -> None:
    """Remove conversations of one owner, in whose context this runs, with messages, attached files, runs, disclosures and events.

    `noted` writes an event for each to the audit log; usage records stay, which hold no content. Raises as `delete`.
    """
    _stop(_open(conversations))
    _wait_for_the_end(conversations)
    _forget_events(conversations)
    keys = [each.pk for each in conversations]
    with transaction.atomic():
        paths = attachments.paths_of(keys)
        Conversation.objects.filter(pk__in=keys).delete()
        transaction.on_commit(partial(attachments.remove_files, paths))
        if noted:
            for each in conversations:
                audit.record("conversation.deleted", target=f"conversation:{each.public_id}", subject=each.owner_id)


def _open(conversations: Sequence[Conversation]) -> list[Run]:
    return list(Run.objects.open().filter(conversation__in=[each.pk for each in conversations]))


def _stop(runs: Sequence[Run]) -> None:
    """Ask for the end of what is being written. Without Redis it runs to its own end."""
    for run in runs:
        if run.status == Run.Status.QUEUED and stop_queued_run(run=run):
            continue
        try:
            async_to_sync(events.ask_to_stop)(run.public_id)
        except (RedisError, OSError) as error:
            logger.warning("a run could not be stopped", extra={"error": type(error).__name__})


def _wait_for_the_end(conversations: Sequence[Conversation]) -> None:
    deadline = time.monotonic() + PATIENCE
    while _open(conversations):
        if time.monotonic() > deadline:
            raise RunInProgress
        time.sleep(PAUSE)


def _forget_events(conversations: Sequence[Conversation]) -> None:
    """Remove the runs' events. The final one is told a moment after the run has ended, and nothing follows it."""
    schema = context.current().schema
    keys = [
        events.stream_key(schema, run)
        for run in Run.objects.filter(conversation__in=[each.pk for each in conversations]).values_list("public_id", flat=True)
    ]
    if not keys:
        return
    try:
        with Redis.from_url(settings.REDIS.runs, socket_timeout=5, socket_connect_timeout=3) as link:
            deadline = time.monotonic() + PATIENCE
            for key in keys:
                while not _has_ended(link, key) and time.monotonic() < deadline:
                    time.sleep(PAUSE)
            link.delete(*keys)
    except (RedisError, OSError) as error:
        raise CannotErase(retry_after=5) from error


def _has_ended(link: Redis, key: str) -> bool:
    last = cast("list[tuple[bytes, dict[bytes, bytes]]]", link.xrevrange(key, count=1))
    return not last or json.loads(last[0][1][b"e"])["type"] in events.FINAL
