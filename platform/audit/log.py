"""Writing events. The database numbers, dates and chains them (migrations/0002_chain.py); nothing here can change one."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.db import connection

from core import caller

Fact = str | int | bool | None
LONGEST = 200  # characters of a name or target


def record(
    action: str,
    *,
    target: str = "",
    actor: int | None = None,
    actor_name: str = "",
    subject: int | None = None,
    details: Mapping[str, Fact] | None = None,
) -> None:
    """Append an event in the current tenant, inside the caller's transaction: what is rolled back never happened.

    `action` is "area.what_happened"; `target` is "kind:public_id"; `subject` is the person whom it concerns, who then
    sees it. The context's person is the actor, whoever is named: `actor` counts only where nobody is signed in (a
    sign-in, a command). `details` never hold content, secrets or somebody else's address.

    Events of a tenant are written one after another, so call it at the end of short transactions.
    """
    facts = json.dumps(dict(details or {}), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_append(%s, %s, %s, %s, %s, %s, %s)",
            (actor, (actor_name or caller.name())[:LONGEST], caller.address(), action, target[:LONGEST], subject, facts),
        )
