"""Where a request comes from and whose it is, for whoever must know it below the doors: the audit log, throttles."""

from __future__ import annotations

from contextvars import ContextVar

_name: ContextVar[str] = ContextVar("cloison_caller_name", default="")
_address: ContextVar[str] = ContextVar("cloison_caller_address", default="")
_agent: ContextVar[str] = ContextVar("cloison_caller_agent", default="")


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
