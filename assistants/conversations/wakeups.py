"""How a committed run reaches the host of its own process without waiting for the sweep."""

from __future__ import annotations

from collections.abc import Callable

from assistants.conversations.models import Run
from isolation.context import Context

Listener = Callable[[Context, Run], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """`listener(context, run)` is called in the thread that committed, with its connection; it waits for nothing else."""
    _listeners.append(listener)


def forget(listener: Listener) -> None:
    if listener in _listeners:
        _listeners.remove(listener)


def run_queued(here: Context, run: Run) -> None:
    """Tell this process. Where nobody hosts runs (a worker, a command), another process's sweep finds the run."""
    for listener in _listeners:
        listener(here, run)
