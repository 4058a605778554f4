"""One row per sign-in, whether it lives in a browser's session or in a family of tokens: listed, ended, watched.

What changes here runs under `context.auth`; a person's own context reads its own rows only.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import audit
from accounts import remembered
from accounts.models import RefreshToken, SignIn, SignInQuerySet, User
from core import caller
from core.errors import NotFound
from isolation import context

TOUCH = timedelta(minutes=1)  # `last_used_at` is written at most that often


class NoSuchSignIn(NotFound):
    code: ClassVar[str] = "sign_in_not_found"
    title = _("There is no such sign-in.")


def life(kind: str) -> timedelta:
    """How long a sign-in lasts from its start (a session) or its last renewal (tokens)."""
    return timedelta(seconds=settings.SESSION_COOKIE_AGE) if kind == SignIn.Kind.SESSION else timedelta(days=7)


def begin(*, user: User, kind: str, method: str = "password", agent: str = "") -> SignIn:
    """A sign-in that has just happened, written to the audit log. Runs under `context.auth`."""
    now = timezone.now()
    with transaction.atomic():
        made = SignIn.objects.create(
            user=user,
            kind=kind,
            epoch=user.epoch,
            agent=(agent or caller.agent())[:200],
            address=caller.address(),
            last_used_at=now,
            expires_at=now + life(kind),
        )
        audit.record(
            "auth.sign_in",
            target=f"person:{user.public_id}",
            actor=user.pk,
            actor_name=user.email,
            subject=user.pk,
            details={"method": method, "kind": str(kind)},
        )
    return made


def touch(found: SignIn) -> None:
    """Note that it was used. Runs under `context.auth`."""
    now = timezone.now()
    if now - found.last_used_at > TOUCH:
        SignIn.objects.filter(pk=found.pk).update(last_used_at=now, address=caller.address())


def end(*identifiers: uuid.UUID) -> int:
    """End sign-ins with all that hangs on them; returns how many were open. Runs under `context.auth`."""
    now = timezone.now()
    remembered.sign_ins_ended(*identifiers)
    RefreshToken.objects.filter(family__in=identifiers, revoked_at__isnull=True).update(revoked_at=now)
    return SignIn.objects.filter(public_id__in=identifiers, ended_at__isnull=True).update(ended_at=now)


def sign_out(*, user: User, identifier: uuid.UUID) -> None:
    """The person leaves. Runs under `context.auth`."""
    with transaction.atomic():
        if end(identifier):
            audit.record(
                "auth.sign_out",
                target=f"person:{user.public_id}",
                actor=user.pk,
                actor_name=user.email,
                subject=user.pk,
            )


def end_one(*, user: User, identifier: uuid.UUID) -> None:
    """End one of one's own sign-ins. Raises `NoSuchSignIn`."""
    _end_own(user, SignIn.objects.open_of(user).filter(public_id=identifier), at_least=1)


def end_others(*, user: User, keep: uuid.UUID | None) -> int:
    """End every sign-in of one's own but `keep`; returns how many."""
    return _end_own(user, SignIn.objects.open_of(user).exclude(public_id__in=_ids(keep)))


def _ids(keep: uuid.UUID | None) -> list[uuid.UUID]:
    return [keep] if keep else []


def _end_own(user: User, rows: SignInQuerySet, at_least: int = 0) -> int:
    with context.use(context.auth(context.current().schema)), transaction.atomic():
        identifiers = list(rows.values_list("public_id", flat=True))
        if len(identifiers) < at_least:
            raise NoSuchSignIn
        if identifiers:
            end(*identifiers)
            audit.record(
                "auth.sign_ins_ended",
                target=f"person:{user.public_id}",
                actor=user.pk,
                actor_name=user.email,
                subject=user.pk,
                details={"count": len(identifiers)},
            )
    return len(identifiers)


def renew_epoch(*, user: User, keep: uuid.UUID | None) -> None:
    """Raise the person's epoch, which ends every sign-in but `keep`. Runs under `context.auth`, inside a transaction."""
    remembered.person_changed(user.pk)
    user.epoch += 1
    user.save(update_fields=["epoch"])
    others = SignIn.objects.filter(user=user, ended_at__isnull=True).exclude(public_id__in=_ids(keep))
    end(*others.values_list("public_id", flat=True))
    SignIn.objects.filter(user=user, public_id__in=_ids(keep)).update(epoch=user.epoch)
