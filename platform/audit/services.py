"""Checking the chain, and leave to read what is private."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.log import record
from audit.models import AuditEvent, Head, Reading, ReadingPolicy
from core.errors import AppError, NotAllowed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAVE = timedelta(minutes=30)
SHORTEST_REASON = 10  # characters: long enough to say something


class ReadingIsOff(NotAllowed):
    code: ClassVar[str] = "private_reading_off"
    title = _("This organisation does not allow anybody to read private conversations.")


class ReasonMissing(AppError):
    code: ClassVar[str] = "reason_missing"
    title = _("Say why, in a few words.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of a tenant's chain. `broken_at` is the number of the first event that is not what was written; None: all are.

    `seq` and `hash` are the last event's: kept elsewhere, they prove later that nothing before them was rewritten.
    """

    events: int
    seq: int
    hash: str
    broken_at: int | None = None
    reason: str = ""

    @property
    def holds(self) -> bool:
        return self.broken_at is None


def chain_hash(previous: str, event: AuditEvent) -> str:
    """SHA-256 over the hash before and every field with its length in bytes, as `audit_append` does in SQL."""
    moment = (event.at - EPOCH) // timedelta(microseconds=1)
    line = previous
    fields = (event.seq, moment, event.actor, event.actor_name, event.address, event.action, event.target, event.subject)
    for field in (*fields, event.details):
        text = "" if field is None else str(field)
        line += f"{len(text.encode())}:{text}"
    return hashlib.sha256(line.encode()).hexdigest()


def verify(anchor: tuple[int, str] | None = None) -> Verdict:
    """Recompute the current tenant's chain, from the first event to the head's row. Runs under `context.service`.

    `anchor` is a `(seq, hash)` noted earlier: it must still be there.
    """
    # One snapshot: an event appended between the two questions would look like a hole.
    with transaction.atomic():
        events: Iterable[AuditEvent] = AuditEvent.objects.order_by("seq").iterator(chunk_size=2_000)
        head = Head.objects.get()
        previous, seq = head.genesis, 0

        def broken(reason: str) -> Verdict:
            return Verdict(seq, head.seq, head.hash, seq + 1, reason)

        for event in events:
            if event.seq > head.seq:
                break  # Appended after the head was read.
            if event.seq != seq + 1:
                return broken("missing")
            if event.hash != chain_hash(previous, event):
                return broken("changed")
            previous, seq = event.hash, event.seq
            if anchor and anchor[0] == seq and anchor[1] != previous:
                return broken("rewritten")
        if (head.seq, head.hash) != (seq, previous):
            return broken("cut")
        if anchor and anchor[0] > seq:
            return broken("cut")
    return Verdict(seq, seq, previous)


def reading_policy() -> ReadingPolicy:
    return ReadingPolicy.objects.get()


def set_private_reading(*, allowed: bool) -> None:
    """Turn the reading of private conversations on or off; administrators only (the database refuses others)."""
    with transaction.atomic():
        changed = ReadingPolicy.objects.exclude(private_reading=allowed).update(
            private_reading=allowed, changed_at=timezone.now()
        )
        if changed:
            record("policy.private_reading", details={"allowed": allowed})


def take_leave(*, reader: int, reader_name: str, subject: int, subject_id: str, reason: str) -> Reading:
    """Leave to read one person's private conversations for half an hour. The person sees it, and why.

    Raises `ReadingIsOff` or `ReasonMissing`.
    """
    reason = " ".join(reason.split())
    if not reading_policy().private_reading or reader == subject:
        raise ReadingIsOff
    if len(reason) < SHORTEST_REASON:
        raise ReasonMissing
    with transaction.atomic():
        leave = Reading.objects.create(
            reader=reader, reader_name=reader_name, subject=subject, reason=reason[:500], expires_at=timezone.now() + LEAVE
        )
        record("content.reading_opened", target=f"person:{subject_id}", subject=subject, details={"reason": reason[:500]})
    return leave
