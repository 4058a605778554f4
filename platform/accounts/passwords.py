"""Changing a password, and setting a new one by a link that works once, for an hour, in one tenant."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

import audit
from accounts import people, sign_ins
from accounts.models import User
from accounts.services import LONGEST_PASSWORD, SignInRefused
from core.errors import AppError
from isolation import context

LINK_LIFE = timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)


class WeakPassword(AppError):
    code: ClassVar[str] = "weak_password"
    title = _("This password is too weak.")


class WrongPassword(SignInRefused):
    code: ClassVar[str] = "wrong_password"
    status = 403
    title: ClassVar[str | Promise] = _("The present password is another one.")


class BadLink(AppError):
    code: ClassVar[str] = "bad_reset_token"
    title = _("This link was used already, or is older than an hour.")


class LinkTokens(PasswordResetTokenGenerator):
    """Django's own, bound to the tenant and the person's epoch, too: a changed password or right ends it."""

    key_salt = "accounts.passwords.LinkTokens"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{context.current().schema}|{user.pk}|{user.password}|{user.epoch}|{user.email}|{timestamp}"


_tokens = LinkTokens()


def require_strong(password: str, user: User) -> None:
    """Raises `WeakPassword`, with the reasons in the language of the moment."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(" ".join(error.messages), reasons=error.messages) from error


def change(*, user: User, old: str, new: str, keep: uuid.UUID | None) -> User:
    """A new password for somebody who knows the present one. Every sign-in but `keep` ends; API keys go on.

    Raises `WrongPassword` or `WeakPassword`.
    """
    with context.use(context.auth(context.current().schema)):
        stored = User.objects.get(pk=user.pk)
        if len(old) > LONGEST_PASSWORD or not stored.check_password(old):
            raise WrongPassword
        require_strong(new, stored)
        _set(stored, new, keep=keep, action="auth.password_changed")
    return stored


@transaction.atomic
def _set(user: User, password: str, *, keep: uuid.UUID | None, action: str) -> None:
    user.set_password(password)
    user.save(update_fields=["password"])
    sign_ins.renew_epoch(user=user, keep=keep)
    audit.record(action, target=f"person:{user.public_id}", actor=user.pk, actor_name=user.email, subject=user.pk)


def make_link(user: User) -> str:
    """The page where `user` sets a new password, on the tenant's registered domain. Runs under `context.auth`."""
    address = import_string(settings.CLOISON_SITE_ADDRESS)(context.current().schema)
    return f"{address}/password/reset/{user.public_id.hex}.{_tokens.make_token(user)}/"


def link_by_admin(*, actor: User, person: User) -> str:
    """A link that the actor hands over, where no mail server does. Raises `NotAllowed` or `AboveYou`."""
    people.require_reach(actor, person)
    with context.use(context.auth(context.current().schema)):
        stored = User.objects.get(pk=person.pk)
        link = make_link(stored)
        audit.record(
            "person.password_link",
            target=f"person:{stored.public_id}",
            actor=actor.pk,
            actor_name=actor.email,
            subject=stored.pk,
        )
    return link


def whose(token: str) -> User | None:
    """The active person of a link that still works. Runs under `context.auth`."""
    identifier, _dot, rest = token.partition(".")
    try:
        public_id = uuid.UUID(identifier)
    except ValueError:
        return None
    user = User.objects.filter(public_id=public_id, is_active=True).first()
    return user if user is not None and _tokens.check_token(user, rest) else None


def reset(*, token: str, password: str) -> User:
    """Set the password of the link's person and end all their sign-ins. Raises `BadLink` or `WeakPassword`."""
    with context.use(context.auth(context.current().schema)):
        user = whose(token)
        if user is None:
            raise BadLink
        require_strong(password, user)
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)
            again = whose(token)  # Of two uses at once, the second finds another password.
            if again is None:
                raise BadLink
            _set(again, password, keep=None, action="auth.password_reset")
    return again
