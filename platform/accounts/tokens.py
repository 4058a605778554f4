"""JWTs bound to one tenant: issuer and audience name it, and each tenant's key is derived from the installation's.

Access tokens live 5 minutes, refresh tokens 7 days; a refresh token works once, and its successor belongs to the same
family, which is a `SignIn`. simplejwt makes and reads the tokens; what it lacks (tenant, single use, families) is here.
Everything below runs under `context.auth`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

import jwt
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

import audit
from accounts import mismatch, sign_ins
from accounts.models import RefreshToken, SignIn, User
from core.errors import NotAuthenticated
from isolation.context import PUBLIC

ACCESS = timedelta(minutes=5)
REFRESH = timedelta(days=7)
GRACE = timedelta(seconds=10)  # parallel uses of one refresh token: the losers get 401, nothing is revoked
ISSUER = "cloison"
LONGEST = 4096  # characters of a token we bother to look at
LEEWAY = 30  # seconds that clocks may differ
REQUIRED = frozenset({"iss", "aud", "tid", "sub", "kind", "epoch", "family", "iat", "nbf", "exp"})
SCHEMA = re.compile(r"t_[0-9a-f]{12}")


class InvalidToken(NotAuthenticated):
    code: ClassVar[str] = "invalid_token"
    title = _("The token is not valid.")


def _backend(schema: str) -> TokenBackend:
    key = hmac.new(settings.SECRET_KEY.encode(), f"jwt|{schema}".encode(), hashlib.sha256).hexdigest()
    return TokenBackend("HS256", signing_key=key, audience=schema, issuer=ISSUER, leeway=LEEWAY)


def _encode(schema: str, kind: str, user: User, expires: datetime, **claims: Any) -> str:
    now = int(timezone.now().timestamp())
    payload = {
        "tid": schema,
        "sub": str(user.public_id),
        "kind": kind,
        "epoch": user.epoch,
        "iat": now,
        "nbf": now,
        "exp": int(expires.timestamp()),
        **claims,
    }
    return str(_backend(schema).encode(payload))


def _claims(schema: str, token: str) -> dict[str, Any] | None:
    """What a token of this schema says; None where it is not one, or not now."""
    try:
        return dict(_backend(schema).decode(token))  # type: ignore[arg-type]  # simplejwt says Token and takes text
    except TokenBackendError:
        return None


def _decode(schema: str, token: str, kind: str) -> dict[str, Any]:
    """Raises `InvalidToken`; a genuine token of another tenant is written down."""
    if len(token) > LONGEST:
        raise InvalidToken
    claims = _claims(schema, token)
    if claims is None:
        if _is_anothers(schema, token):
            mismatch.report(schema, f"{kind} token", token)
        raise InvalidToken
    if not claims.keys() >= REQUIRED or claims["kind"] != kind or claims["tid"] != schema:
        raise InvalidToken
    return claims


def _is_anothers(schema: str, token: str) -> bool:
    """Whether the installation signed this token, for another tenant than `schema`, and it is still good there."""
    try:
        named = jwt.decode(token, options={"verify_signature": False}).get("tid")
    except jwt.PyJWTError:
        return False
    if not isinstance(named, str) or named == schema or not (SCHEMA.fullmatch(named) or named == PUBLIC):
        return False
    return _claims(named, token) is not None


def _sign_in_of(claims: dict[str, Any]) -> SignIn:
    """The open sign-in of a token, with its person: one query. Raises `InvalidToken`."""
    try:
        family = uuid.UUID(str(claims["family"]))
    except ValueError:
        raise InvalidToken from None
    found = SignIn.objects.open().select_related("user").filter(public_id=family, kind=SignIn.Kind.TOKENS).first()
    if found is None or str(found.user.public_id) != claims["sub"] or found.user.epoch != claims["epoch"]:
        raise InvalidToken
    return found


def family_of(schema: str, token: str) -> str | None:
    """The family that a refresh token of this tenant names, without asking whether it still stands. Asks no database."""
    claims = _claims(schema, token) if len(token) <= LONGEST else None
    return str(claims["family"]) if claims and claims.get("kind") == "refresh" and "family" in claims else None


def verify_access(schema: str, token: str) -> SignIn:
    """The sign-in of an access token of this tenant, with its active person. Raises `InvalidToken`."""
    found = _sign_in_of(_decode(schema, token, "access"))
    sign_ins.touch(found)
    return found


def issue(schema: str, user: User, family: uuid.UUID) -> dict[str, Any]:
    """The next `{access, refresh, expires_in}` of a family."""
    now = timezone.now()
    token_id = uuid.uuid4().hex
    expires = now + REFRESH
    RefreshToken.objects.create(user=user, family=family, digest=_digest(token_id), expires_at=expires)
    return {
        "access": _encode(schema, "access", user, now + ACCESS, family=str(family)),
        "refresh": _encode(schema, "refresh", user, expires, jti=token_id, family=str(family)),
        "expires_in": int(ACCESS.total_seconds()),
    }


def _digest(token_id: str) -> str:
    return hashlib.sha256(token_id.encode()).hexdigest()


def sign_in(schema: str, user: User, method: str = "password") -> dict[str, Any]:
    """`{access, refresh, expires_in}` of a new family."""
    return issue(schema, user, sign_ins.begin(user=user, kind=SignIn.Kind.TOKENS, method=method).public_id)


def refresh(schema: str, token: str) -> dict[str, Any]:
    """The next pair. Of parallel uses one wins; a use later than `GRACE` after the first revokes the whole family.

    Raises `InvalidToken`.
    """
    claims = _decode(schema, token, "refresh")
    found = _sign_in_of(claims)
    digest, now = _digest(str(claims.get("jti"))), timezone.now()
    with transaction.atomic():
        won = RefreshToken.objects.filter(
            digest=digest, used_at__isnull=True, revoked_at__isnull=True, expires_at__gt=now
        ).update(used_at=now)
        if won:
            SignIn.objects.filter(pk=found.pk).update(last_used_at=now, expires_at=now + REFRESH)
            return issue(schema, found.user, found.public_id)
    known = RefreshToken.objects.filter(digest=digest).first()
    if known and known.used_at and now - known.used_at > GRACE:
        _reused(found)
    raise InvalidToken


def _reused(found: SignIn) -> None:
    """Somebody has a copy: the whole family ends, and the person sees why."""
    with transaction.atomic():
        if sign_ins.end(found.public_id):
            audit.record("auth.token_reused", target=f"person:{found.user.public_id}", subject=found.user.pk)


def sign_out(schema: str, token: str) -> None:
    """End the sign-in of a refresh token; one that is not valid is already signed out."""
    try:
        found = _sign_in_of(_decode(schema, token, "refresh"))
    except InvalidToken:
        return
    sign_ins.sign_out(user=found.user, identifier=found.public_id)
