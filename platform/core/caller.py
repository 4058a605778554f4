"""Where a request comes from, for whoever must know it below the doors: the audit log, throttles."""

from __future__ import annotations

from contextvars import ContextVar

_address: ContextVar[str] = ContextVar("cloison_caller_address", default="")


def address() -> str:
    """The caller's IP address; "" outside requests."""
    return _address.get()


def enter(found: str) -> None:
    """Set the address for the rest of this task."""
    _address.set(found)
