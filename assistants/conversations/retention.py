"""How long conversations stay: the tenant's rule, the bin's days, and temporary chats. The clock calls `sweep`."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

import audit
from accounts.models import User
from accounts.permissions import Right, require
from assistants.conversations import bin as bins
from assistants.conversations.models import TEMPORARY_LIFE, Conversation, RetentionPolicy
from core.errors import AppError
from isolation import context

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)  # between two sweeps; a temporary chat goes in the one before its hour is over
SLACK = timedelta(minutes=1)
MOST = 5_000  # conversations removed in one sweep; the next goes on


def policy() -> RetentionPolicy:
    return RetentionPolicy.objects.get()


def set_policy(*, actor: User, conversations_days: int | None, bin_days: int) -> RetentionPolicy:
    """Raises `NotAllowed`."""
    require(actor, Right.SET_POLICY)
    with transaction.atomic():
        row = RetentionPolicy.objects.select_for_update().get()
        row.conversations_days, row.bin_days = conversations_days, bin_days
        row.save()
        audit.record("policy.retention_changed", details={"conversations_days": conversations_days, "bin_days": bin_days})
    return row


def sweep() -> dict[str, int]:
    """Remove for good what is past its time, and say in the audit log how much. Safe to repeat. Runs under `context.service`.

    Each conversation goes in its owner's context: maintenance sees which are due, and nothing of what they hold.
    """
    rule, now = policy(), timezone.now()
    due = {
        "temporary": Q(temporary=True, active_at__lt=now - TEMPORARY_LIFE + EVERY + SLACK),
        "bin": Q(temporary=False, binned_at__lt=now - timedelta(days=rule.bin_days)),
    }
    if rule.conversations_days:
        due["conversations"] = Q(temporary=False, active_at__lt=now - timedelta(days=rule.conversations_days))
    counts = {}
    for kind, condition in due.items():
        if removed := _remove(condition):
            counts[kind] = removed
    if counts:
        audit.record("retention.applied", details=counts)
    return counts


def _remove(condition: Q) -> int:
    """Returns how many went; what cannot go now is met again by the next sweep."""
    removed = 0
    schema = context.current().schema
    for owner, keys in _batches(condition):
        with context.use(context.person(schema, owner)):
            rows = list(Conversation.objects.filter(condition, pk__in=keys).only("pk", "public_id", "owner"))
            try:
                bins.erase(rows, noted=False)
            except AppError as error:
                logger.warning("conversations past their time stay for now", extra={"code": error.code})
            else:
                removed += len(rows)
    return removed


def _batches(condition: Q) -> Iterator[tuple[int, list[int]]]:
    by_owner: dict[int, list[int]] = defaultdict(list)
    for key, owner in Conversation.objects.filter(condition).order_by("pk").values_list("pk", "owner")[:MOST]:
        by_owner[owner].append(key)
    for owner, keys in by_owner.items():
        for start in range(0, len(keys), bins.TOGETHER):
            yield owner, keys[start : start + bins.TOGETHER]
