"""DRF's view of who asks: the chain has found out already (see `accounts.principals`)."""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.request import Request

from accounts.identity import Identity
from accounts.models import User
from core.errors import NotAuthenticated


def person(request: Request) -> User:
    """Who asks, as the views' services want them. Raises `NotAuthenticated` for nobody."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def identity(request: Request) -> Identity:
    """By what they ask. Raises `NotAuthenticated` for nobody."""
    found: Identity | None = getattr(request._request, "identity", None)
    if found is None:
        raise NotAuthenticated
    return found


class ChainAuthentication(BaseAuthentication):
    """A bearer needs no CSRF token; a session does (raises `PermissionDenied`)."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        asked = request._request
        user = getattr(asked, "user", None)
        if user is None or not user.is_authenticated:
            return None
        if getattr(asked, "auth", None) is None:
            check = CSRFCheck(lambda _request: None)  # type: ignore[arg-type]
            check.process_request(asked)
            if reason := check.process_view(asked, None, (), {}):  # type: ignore[arg-type]
                raise exceptions.PermissionDenied(f"CSRF check failed: {reason}")
        return user, getattr(asked, "auth", None)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'
