"""Whom a budget binds: between ids that outsiders use and the keys that the ledger compares."""

from __future__ import annotations

import uuid
from typing import Any

from django.apps import apps

from accounts import grants
from core.errors import NotFound

API_KEY = "ApiKey"


def find(scope: str, subject: uuid.UUID | None) -> str:
    """The text that a budget stores. Raises `NotFound` for what is not this organisation's."""
    if scope == "tenant":
        return ""
    if subject is None:
        raise NotFound(field="subject")
    if scope == "key":
        return f"key:{_key(subject)}"
    try:
        return grants.find(scope, id=subject).text
    except grants.NoSuchPrincipal:
        raise NotFound(field="subject") from None


def _key(public_id: uuid.UUID) -> int:
    """Of an API key, where this installation has any."""
    try:
        keys: Any = apps.get_model("accounts", API_KEY)
    except LookupError:
        raise NotFound(field="subject") from None
    found = keys._default_manager.filter(public_id=public_id).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(field="subject")
    return int(found)


def choices() -> list[tuple[str, str]]:
    """For the organisation's console: everybody, groups, people."""
    return [(p.text, p.label) for p in grants.directory() if p.kind in {"group", "user"}]
