"""What can be done with people and their sign-in (the original's AuthService)."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.hashers import make_password
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

import audit
from accounts import remembered
from accounts.models import User
from core.errors import AppError
from isolation import context

LONGEST_PASSWORD = 1024  # characters; a longer one is refused, never cut


class SignInRefused(AppError):
    """A try to sign in that failed, and counts."""

    code: ClassVar[str] = "sign_in_refused"
    status = 401
    title: ClassVar[str | Promise] = _("Sign-in refused")


class WrongCredentials(SignInRefused):
    code: ClassVar[str] = "wrong_credentials"
    title = _("Email or password is wrong")


def create_user(
    *,
    email: str,
    password: str | None,
    role: str = User.Role.MEMBER,
    first_name: str = "",
    last_name: str = "",
    language: str = "en",
) -> User:
    """Add a person to the current tenant. Without a password the account cannot sign in until one is set."""
    user = User(email=email.strip().lower(), role=role, first_name=first_name, last_name=last_name, language=language)
    user.set_password(password)
    user.save(force_insert=True)
    return user


def authenticate(*, email: str, password: str) -> User:
    """The active person with these credentials. Runs under `context.auth`. Raises `WrongCredentials`.

    An unknown address costs as much time as a wrong password, so that addresses cannot be told apart.
    """
    user = User.objects.filter(email=email.strip().lower()).first()
    if user is None or len(password) > LONGEST_PASSWORD:
        make_password(password[:LONGEST_PASSWORD])
    elif user.check_password(password) and user.is_active:
        return user
    sign_in_failed(user)
    raise WrongCredentials


def sign_in_failed(user: User | None, reason: str = "password") -> None:
    """Write down that somebody tried; an unknown address is not kept. Runs under `context.auth`."""
    audit.record(
        "auth.sign_in_failed",
        target=f"person:{user.public_id}" if user else "",
        subject=user.pk if user else None,
        details={"reason": reason if user else "unknown"},
    )


def change_profile(*, user: User, first_name: str, last_name: str, language: str) -> None:
    """Change one's own name and language; names are cut at 100 characters."""
    user.first_name, user.last_name = first_name.strip()[:100], last_name.strip()[:100]
    user.language = language
    # A person's context cannot write their own row: it also holds their role.
    with context.use(context.auth(context.current().schema)):
        remembered.person_changed(user.pk)
        user.save(update_fields=["first_name", "last_name", "language"])
