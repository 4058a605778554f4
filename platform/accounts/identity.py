"""Who asks and by what: the person, and the sign-in or API key that stands behind the request or socket."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from accounts.models import ApiKey, SignIn, User


@dataclass(frozen=True, slots=True)
class Identity:
    """`sign_in` is the id of a session or family, `key` the primary key of an API key: exactly one of them is there."""

    user: User
    sign_in: uuid.UUID | None = None
    key: int | None = None
    scopes: frozenset[str] | None = None  # Of a key; None: all that the person's role carries.


def of_sign_in(identifier: uuid.UUID) -> Identity | None:
    """Whose open sign-in this is. Runs under `context.auth`."""
    found = SignIn.objects.open().select_related("user").filter(public_id=identifier).first()
    return Identity(found.user, sign_in=found.public_id) if found else None


def of_key(key: int) -> Identity | None:
    """Whose usable API key this is. Runs under `context.auth`."""
    found = ApiKey.objects.usable().select_related("owner").filter(pk=key).first()
    return by_key(found) if found else None


def by_key(found: ApiKey) -> Identity:
    return Identity(found.owner, key=found.pk, scopes=frozenset(found.scopes))
