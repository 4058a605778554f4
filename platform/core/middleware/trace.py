"""The order of a request's steps, written down where somebody asks for it."""

from __future__ import annotations

from contextvars import ContextVar

_steps: ContextVar[list[str] | None] = ContextVar("cloison_trace", default=None)


def begin() -> list[str]:
    """Write down the steps of the requests of this task from now on, in the list returned."""
    steps: list[str] = []
    _steps.set(steps)
    return steps


def note(step: str) -> None:
    steps = _steps.get()
    if steps is not None:
        steps.append(step)
