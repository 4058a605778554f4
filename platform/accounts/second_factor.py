"""The step after the password: codes of an authenticator (RFC 6238), and ten recovery codes for the day it is lost."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import ClassVar

import pyotp
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

import audit
from accounts import people
from accounts.models import RecoveryCode, SecondFactor, SignInPolicy, User
from accounts.passwords import WrongPassword
from accounts.permissions import Right, require
from accounts.services import LONGEST_PASSWORD, SignInRefused, sign_in_failed
from core.errors import AppError
from core.sealing import CannotUnseal, seal, unseal
from isolation import context

STEP = 30  # seconds
RECOVERY_CODES = 10
ENROLMENT = 900  # seconds that the page with the QR code may stay open
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


class SecondFactorRequired(AppError):
    code: ClassVar[str] = "second_factor_required"
    status = 401
    title = _("A code of your authenticator is needed.")


class EnrolmentRequired(AppError):
    code: ClassVar[str] = "second_factor_enrolment_required"
    status = 401
    title = _("Your organisation asks for a second factor. Set it up by signing in on the page once.")


class WrongCode(SignInRefused):
    code: ClassVar[str] = "wrong_code"
    title: ClassVar[str | Promise] = _("This code is wrong, or was used already.")


class EnrolmentOver(AppError):
    code: ClassVar[str] = "enrolment_over"
    title = _("This page was open for too long. Scan the new code.")


def _about(user: User, what: str = "totp") -> str:
    return f"{context.current().schema}|{what}|{user.pk}"


def about_row(found: SecondFactor) -> str:
    """What an authenticator's sealed secret is about."""
    return _about(found.user)


def _digest(user: User, code: str) -> str:
    key = hashlib.sha256(f"recovery|{settings.SECRET_KEY}".encode()).digest()
    return hmac.new(key, f"{_about(user)}|{code}".encode(), hashlib.sha256).hexdigest()


def _record(action: str, user: User, actor: User | None = None) -> None:
    actor = actor or user
    target = f"person:{user.public_id}"
    audit.record(action, target=target, actor=actor.pk, actor_name=actor.email, subject=user.pk)


def of(user: User) -> SecondFactor | None:
    with context.use(context.auth(context.current().schema)):
        return SecondFactor.objects.filter(user=user).first()


def codes_left(user: User) -> int:
    with context.use(context.auth(context.current().schema)):
        return RecoveryCode.objects.filter(user=user, used_at__isnull=True).count()


def is_required() -> bool:
    """Whether the tenant asks everybody for one."""
    with context.use(context.auth(context.current().schema)):
        return SignInPolicy.objects.filter(second_factor_required=True).exists()


def begin(user: User) -> tuple[str, str]:
    """A fresh secret's URI for the authenticator, and the same secret sealed, to be given back to `enable`."""
    secret = pyotp.random_base32()
    sealed = seal(f"{int(time.time())}|{secret}", about=_about(user, "enrol"))
    return uri(user, secret), sealed


def uri(user: User, secret: str) -> str:
    return pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name="Cloison")


def secret_of(user: User, sealed: str) -> str:
    """Raises `EnrolmentOver`."""
    try:
        begun, _bar, secret = unseal(sealed, about=_about(user, "enrol")).partition("|")
    except CannotUnseal as error:
        raise EnrolmentOver from error
    if time.time() - int(begun) > ENROLMENT:
        raise EnrolmentOver
    return secret


def enable(*, user: User, sealed: str, code: str) -> list[str]:
    """Confirm the secret by its first code; returns the recovery codes, which are shown once.

    Raises `EnrolmentOver` or `WrongCode`.
    """
    secret = secret_of(user, sealed)
    step = _step(secret, code)
    if step is None:
        raise WrongCode
    with context.use(context.auth(context.current().schema)), transaction.atomic():
        kept = {"secret": seal(secret, about=_about(user)), "last_step": step}
        SecondFactor.objects.update_or_create(user=user, defaults=kept)
        _record("auth.second_factor_enabled", user)
        return _new_codes(user)


def _new_codes(user: User) -> list[str]:
    codes = ["".join(secrets.choice(ALPHABET) for _n in range(10)) for _number in range(RECOVERY_CODES)]
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=_digest(user, code)) for code in codes)
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def renew_codes(*, user: User, code: str) -> list[str]:
    """Ten new recovery codes; the old ones end. Raises `WrongCode`."""
    verify(user=user, code=code)
    with context.use(context.auth(context.current().schema)), transaction.atomic():
        return _new_codes(user)


def require_password(*, user: User, password: str) -> None:
    """Before a first enrolment; who signs in elsewhere and has no password here needs none. Raises `WrongPassword`."""
    with context.use(context.auth(context.current().schema)):
        stored = User.objects.get(pk=user.pk)
    if stored.has_usable_password() and not stored.check_password(password[:LONGEST_PASSWORD]):
        raise WrongPassword
    if of(user) is not None:
        raise WrongCode  # Replacing one asks for its code: switch it off first.


def _step(secret: str, code: str) -> int | None:
    """The time step whose code this is; clocks may be one step apart."""
    now, totp = int(time.time()) // STEP, pyotp.TOTP(secret)
    digits = code.replace(" ", "")
    matching = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(totp.generate_otp(step), digits)]
    return matching[-1] if matching and digits.isascii() else None


def verify(*, user: User, code: str) -> None:
    """Spend a code of the authenticator or a recovery code. Raises `WrongCode`, also for one that was used."""
    code = code.strip().lower()
    with context.use(context.auth(context.current().schema)):
        found = SecondFactor.objects.filter(user=user).first()
        if found is not None and _spend(user, found, code):
            return
        sign_in_failed(user, "second factor")
    raise WrongCode


def _spend(user: User, found: SecondFactor, code: str) -> bool:
    if len(code.replace(" ", "")) == 6 and code.isascii():
        step = _step(unseal(found.secret, about=_about(user)), code)
        rows = SecondFactor.objects.filter(pk=found.pk)
        return step is not None and rows.filter(last_step__lt=step).update(last_step=step) == 1
    digest = _digest(user, code.replace("-", "").replace(" ", ""))
    with transaction.atomic():
        spent = RecoveryCode.objects.filter(user=user, digest=digest, used_at__isnull=True).update(used_at=timezone.now())
        if spent:
            _record("auth.second_factor_recovery_used", user)
    return bool(spent)


def pass_step(*, user: User, code: str | None) -> None:
    """What stands between the right password and a sign-in.

    Raises `SecondFactorRequired`, `EnrolmentRequired` or `WrongCode`.
    """
    if of(user) is None:
        if is_required():
            raise EnrolmentRequired
    elif not code:
        raise SecondFactorRequired
    else:
        verify(user=user, code=code)


def disable(*, user: User, code: str) -> None:
    """Raises `WrongCode`."""
    verify(user=user, code=code)
    _remove(user, user)


def disable_by_admin(*, actor: User, person: User) -> None:
    """For somebody who lost theirs. Raises `NotAllowed` or `AboveYou`."""
    people.require_reach(actor, person)
    _remove(person, actor)


def _remove(user: User, actor: User) -> None:
    with context.use(context.auth(context.current().schema)), transaction.atomic():
        RecoveryCode.objects.filter(user=user).delete()
        if SecondFactor.objects.filter(user=user).delete()[0]:
            _record("auth.second_factor_disabled", user, actor)


def require_for_all(*, actor: User, required: bool) -> None:
    """The tenant's rule; who has no second factor sets one up at the next sign-in. Raises `NotAllowed`."""
    require(actor, Right.SET_POLICY)
    with transaction.atomic():
        if SignInPolicy.objects.exclude(second_factor_required=required).update(second_factor_required=required):
            audit.record("policy.second_factor", details={"required": required})
