"""Providers' keys: where each stands, and all that is ever shown of one again."""

from __future__ import annotations


def place(schema: str, row: int) -> str:
    """What an account's sealed key is about: the schema and the account's row."""
    return f"{schema}|gateway.ProviderSecret|{row}"


def masked(secret: str) -> str:
    """The last four, of a secret long enough that four say nothing."""
    return f"…{secret[-4:]}" if len(secret) >= 12 else "…" if secret else ""
