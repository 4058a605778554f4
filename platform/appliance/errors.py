"""What can go wrong before anything serves; the message says what to do."""

from __future__ import annotations


class CannotStart(RuntimeError):
    """`what` happened and `remedy`, both for the person at the terminal."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n  → {remedy}")
