"""JWTs bound to one tenant: issuer and audience name it, and each tenant's key is derived from the installation's.

Access tokens live 5 minutes, refresh tokens 7 days; a refresh token works once, and its successor belongs to the same
family. simplejwt makes and reads the tokens; what it lacks (tenant, single use, families) is here.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

from accounts.models import RefreshToken, User
from core.errors import NotAuthenticated

ACCESS = timedelta(minutes=5)
REFRESH = timedelta(days=7)
GRACE = timedelta(seconds=10)  # parallel uses of one refresh token: the losers get 401, nothing is revoked
ISSUER = "cloison"
LONGEST = 4096  # characters of a token we bother to look at


class InvalidToken(NotAuthenticated):
    code: ClassVar[str] = "invalid_token"
    title = "The token is not valid"


def _backend(schema: str) -> TokenBackend:
    key = hmac.new(settings.SECRET_KEY.encode(), f"jwt|{schema}".encode(), hashlib.sha256).hexdigest()
    return TokenBackend("HS256", signing_key=key, audience=schema, issuer=ISSUER)


def _encode(schema: str, kind: str, user: User, expires: datetime, **claims: Any) -> str:
    now = timezone.now()
    payload = {
        "sub": str(user.public_id),
        "kind": kind,
        "epoch": user.epoch,
        "iat": int(now.timestamp()),
        "exp": int(expires.timestamp()),
        **claims,
    }
    return str(_backend(schema).encode(payload))


def _decode(schema: str, token: str, kind: str) -> dict[str, Any]:
    if len(token) > LONGEST:
        raise InvalidToken
    try:
        claims: dict[str, Any] = dict(_backend(schema).decode(token))  # type: ignore[arg-type]  # simplejwt says Token and takes text
    except TokenBackendError:
        raise InvalidToken from None
    if claims.get("kind") != kind or "epoch" not in claims or "exp" not in claims:
        raise InvalidToken
    return claims


def _person(claims: dict[str, Any]) -> User:
    try:
        public_id = uuid.UUID(str(claims.get("sub")))
    except ValueError:
        raise InvalidToken from None
    user = User.objects.filter(public_id=public_id, is_active=True).first()
    if user is None or user.epoch != claims["epoch"]:
        raise InvalidToken
    return user


def verify_access(schema: str, token: str) -> tuple[User, dict[str, Any]]:
    """The active person of an access token of this tenant, and its claims. Raises `InvalidToken`.

    Runs under `context.auth`. Two queries: the person, and that the sign-in was not revoked.
    """
    claims = _decode(schema, token, "access")
    user = _person(claims)
    if RefreshToken.objects.filter(family=str(claims.get("family")), revoked_at__isnull=False).exists():
        raise InvalidToken
    return user, claims


def _issue(schema: str, user: User, family: uuid.UUID) -> dict[str, Any]:
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


def sign_in(schema: str, user: User) -> dict[str, Any]:
    """`{access, refresh, expires_in}` of a new family. Runs under `context.auth`."""
    return _issue(schema, user, uuid.uuid4())


def refresh(schema: str, token: str) -> dict[str, Any]:
    """The next pair. Of parallel uses one wins; a use later than `GRACE` after the first revokes the whole family.

    Runs under `context.auth`. Raises `InvalidToken`.
    """
    claims = _decode(schema, token, "refresh")
    user = _person(claims)
    digest, now = _digest(str(claims.get("jti"))), timezone.now()
    with transaction.atomic():
        won = RefreshToken.objects.filter(
            digest=digest, used_at__isnull=True, revoked_at__isnull=True, expires_at__gt=now
        ).update(used_at=now)
        if won:
            return _issue(schema, user, uuid.UUID(claims["family"]))
    known = RefreshToken.objects.filter(digest=digest).first()
    if known and known.used_at and now - known.used_at > GRACE:
        revoke(known.family)
    raise InvalidToken


def revoke(family: uuid.UUID) -> None:
    """End every token of one sign-in."""
    RefreshToken.objects.filter(family=family, revoked_at__isnull=True).update(revoked_at=timezone.now())


def sign_out(schema: str, token: str) -> None:
    """Revoke the family of a refresh token; one that is not valid is already signed out."""
    try:
        claims = _decode(schema, token, "refresh")
        revoke(uuid.UUID(claims["family"]))
    except (InvalidToken, KeyError, ValueError):
        return
