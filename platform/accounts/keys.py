"""API keys: made for programs, shown once, acting with the owner's rights of the moment and never with more."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import audit
from accounts import marks, mismatch, remembered
from accounts.models import ApiKey, User
from accounts.permissions import Right, allows, require
from core.errors import AppError, Conflict, NotAuthenticated, NotFound
from isolation import context

KIND = "key"
PREFIX = "clsn_"
SHOWN = len(PREFIX) + 6  # characters that stay visible
LIFE, LONGEST_LIFE = timedelta(days=365), timedelta(days=2 * 365)
MOST = 50  # usable keys of one person
TOUCH = timedelta(minutes=1)

# What a key may never do, whoever owns it: make keys, change how one signs in, enter a console.
PERSONAL = frozenset({Right.KEYS, Right.ACCOUNT, Right.CONSOLE, Right.OPERATE})
SCOPES = tuple(right for right in Right if right not in PERSONAL)


class InvalidKey(NotAuthenticated):
    code: ClassVar[str] = "invalid_token"  # As for a token: nothing says what was wrong.
    title = _("The token is not valid.")


class ScopeAboveYou(AppError):
    code: ClassVar[str] = "scope_above_yours"
    title = _("A key carries no right that its owner does not have.")


class BadExpiry(AppError):
    code: ClassVar[str] = "bad_expiry"
    title = _("A key ends in the future, and within two years.")


class TooManyKeys(Conflict):
    code: ClassVar[str] = "too_many_keys"
    title = _("There are fifty keys already. Revoke one that is not used.")


class NoSuchKey(NotFound):
    code: ClassVar[str] = "key_not_found"
    title = _("There is no such key.")


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def scopes_of(user: User) -> list[Right]:
    """What this person may put into a key."""
    return [right for right in SCOPES if allows(user, right)]


def create(*, owner: User, name: str, scopes: Collection[str], expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """The key's row, and the key itself, which is nowhere else. Without an end it lasts a year.

    Raises `NotAllowed`, `ScopeAboveYou`, `BadExpiry` or `TooManyKeys`.
    """
    require(owner, Right.KEYS)
    if not scopes or not set(scopes) <= {right.value for right in scopes_of(owner)}:
        raise ScopeAboveYou
    now = timezone.now()
    ends = expires_at or now + LIFE
    if not now < ends <= now + LONGEST_LIFE:
        raise BadExpiry
    schema = context.current().schema
    key = PREFIX + marks.mint(KIND, schema)
    # A person's own context reads keys and writes none: no query of theirs widens one.
    with context.use(context.auth(schema)), transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)  # One after the other: the count below holds.
        if ApiKey.objects.usable().filter(owner=owner).count() >= MOST:
            raise TooManyKeys
        made = ApiKey.objects.create(
            owner=owner,
            name=name.strip()[:100],
            prefix=key[:SHOWN],
            digest=digest(key),
            scopes=sorted(set(scopes)),
            expires_at=ends,
        )
        _record("auth.key_created", owner, made, scopes=" ".join(made.scopes))
    return made, key


def revoke(*, owner: User, identifier: uuid.UUID) -> None:
    """End one of one's own keys. Raises `NoSuchKey`."""
    with context.use(context.auth(context.current().schema)), transaction.atomic():
        key = ApiKey.objects.select_for_update().filter(owner=owner, public_id=identifier, revoked_at__isnull=True).first()
        if key is None:
            raise NoSuchKey
        key.revoked_at = timezone.now()
        remembered.person_changed(owner.pk)
        key.save(update_fields=["revoked_at"])
        _record("auth.key_revoked", owner, key)


def _record(action: str, owner: User, key: ApiKey, **details: str) -> None:
    audit.record(
        action,
        target=f"key:{key.public_id}",
        actor=owner.pk,
        actor_name=owner.email,
        subject=owner.pk,
        details={"prefix": key.prefix, **details},
    )


def verify(schema: str, key: str) -> ApiKey:
    """The usable key with its active owner. Runs under `context.auth`. Raises `InvalidKey`."""
    made_for = marks.origin(KIND, key.removeprefix(PREFIX)) if key.startswith(PREFIX) else None
    if made_for != schema:
        if made_for is not None:
            mismatch.report(schema, "API key", key)
        raise InvalidKey
    found = ApiKey.objects.usable().select_related("owner").filter(digest=digest(key)).first()
    if found is None:
        raise InvalidKey
    now = timezone.now()
    if found.last_used_at is None or now - found.last_used_at > TOUCH:
        ApiKey.objects.filter(pk=found.pk).update(last_used_at=now)
    return found
