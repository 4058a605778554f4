"""Where a request comes from and whose it is, for whoever must know it below the doors: the audit log, throttles."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from django.conf import settings

_name: ContextVar[str] = ContextVar("cloison_caller_name", default="")
_address: ContextVar[str] = ContextVar("cloison_caller_address", default="")
_agent: ContextVar[str] = ContextVar("cloison_caller_agent", default="")


def address_of(meta: Mapping[str, Any]) -> str:
    """The caller's IP address out of a WSGI-style environment; behind a trusted proxy, the one that the proxy saw.

    The last entry of X-Forwarded-For is the proxy's own word; those before it are anybody's.
    """
    found = str(meta.get("REMOTE_ADDR") or "")
    if settings.USE_X_FORWARDED_HOST and (forwarded := meta.get("HTTP_X_FORWARDED_FOR")):
        found = str(forwarded).rpartition(",")[2].strip()
    return found[:45]


def network(found: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 that a household or host has of IPv6."""
    if ":" not in found:
        return found
    try:
        return str(ipaddress.IPv6Network((found, 64), strict=False))
    except ValueError:
        return found


def address() -> str:
    """The caller's IP address; "" outside requests."""
    return _address.get()


def agent() -> str:
    """The caller's User-Agent; "" outside requests."""
    return _agent.get()


def name() -> str:
    """The signed-in caller's address of e-mail; "" for nobody."""
    return _name.get()


def enter_name(found: str) -> None:
    """Set the caller's name for the rest of this task."""
    _name.set(found)


def enter_agent(found: str) -> None:
    """Set the User-Agent for the rest of this task."""
    _agent.set(found)


def enter(found: str) -> None:
    """Set the address for the rest of this task."""
    _address.set(found)
