"""Canaries: a word in everything that a tenant or person owns, and a look for it wherever it must not be.

`CANARY-ACME-7f3a91bd` belongs to everybody at Acme who may see the object; `CANARY-M2-ACME-7f3a91bd` to member2 alone.
The clients of `tests.wire` and `tests.people` look at all that they receive.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.people import Actor, House

CANARY = re.compile(r"CANARY-(M2-)?([A-Z]+)-[0-9a-f]{8}")


class Leak(AssertionError):
    """Something of another tenant or person was shown."""


def of(house: House) -> str:
    return f"CANARY-{house.name.upper()}-7f3a91bd"


def private(house: House) -> str:
    """Of member2's objects."""
    return f"CANARY-M2-{house.name.upper()}-7f3a91bd"


def look(seen: str | bytes, actor: Actor | None, where: str) -> None:
    """Raises `Leak` for a canary that is not the actor's. `actor` None owns nothing."""
    text = seen.decode("utf-8", "replace") if isinstance(seen, bytes) else seen
    if "CANARY" not in text:
        return
    for found in CANARY.finditer(text):
        mine = actor is not None and found[2] == actor.house.name.upper()
        if not mine or (found[1] and actor is not None and actor.local != "member2"):
            raise Leak(f"{where}: {found[0]} was shown to {actor.email if actor else 'nobody signed in'}")


def look_at_home(seen: str | bytes, house: House, where: str) -> None:
    """As `look`, for what belongs to a tenant and to nobody in particular: cache values, exported files."""
    text = seen.decode("utf-8", "replace") if isinstance(seen, bytes) else seen
    for found in CANARY.finditer(text):
        if found[2] != house.name.upper():
            raise Leak(f"{where}: {found[0]} was found at {house.name}")
