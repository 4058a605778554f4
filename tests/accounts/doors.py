"""Ways in that the tests of sign-in share."""

from __future__ import annotations

import itertools
from typing import Any

from django.test import Client

from audit.models import AuditEvent
from tests.people import PASSWORD, Actor, House

_numbers = itertools.count(1)


def address() -> str:
    """An address that nobody used before: throttles count by it."""
    number = next(_numbers)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def stranger(house: House, **more: Any) -> Client:
    """Nobody yet, from an address of their own."""
    return Client(headers={"host": house.host}, REMOTE_ADDR=address(), raise_request_exception=False, **more)


def token(client: Client, email: str, password: str = PASSWORD, **more: Any) -> Any:
    return client.post("/api/v1/auth/token/", {"email": email, "password": password, **more}, content_type="application/json")


def refresh(house: House, refresh: str) -> Any:
    return stranger(house).post("/api/v1/auth/refresh/", {"refresh": refresh}, content_type="application/json")


def bearer(house: House, access: str) -> Client:
    return Client(headers={"host": house.host, "authorization": f"Bearer {access}"}, raise_request_exception=False)


def browser(actor: Actor, password: str = PASSWORD) -> Client:
    """Signed in with a session."""
    client = stranger(actor.house)
    answer = client.post("/login/", {"email": actor.email, "password": password})
    assert answer.status_code == 302, answer.content
    return client


def me(client: Client) -> int:
    return client.get("/api/v1/me/").status_code


def events(house: House, action: str) -> list[AuditEvent]:
    """Newest first."""
    with house.person("auditor").acting():
        return list(AuditEvent.objects.filter(action=action).order_by("-seq"))
