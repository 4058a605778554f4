"""Whom an assistant is kept for."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

import audit
from accounts import grants
from accounts.grants import Principal
from accounts.models import User
from accounts.permissions import Right, require
from assistants.profiles.models import Assistant, AssistantGrant
from core.errors import NotFound


def kept_for(assistant: Assistant) -> list[Principal]:
    """Who may use it; nobody named: everybody."""
    found = list(AssistantGrant.objects.filter(assistant=assistant).values_list("principal", flat=True))
    known = grants.named(found)
    return [known[text] for text in found if text in known]


def keep_for(*, actor: User, assistant: Assistant, principal: Principal) -> None:
    """From now on only those named may use it. Safe to repeat. Raises `NotAllowed`."""
    require(actor, Right.MANAGE_ASSISTANTS)
    with transaction.atomic():
        _row, made = AssistantGrant.objects.get_or_create(assistant=assistant, principal=principal.text)
        if made:
            _record("grant.added", assistant, principal)


def give_back(*, actor: User, assistant: Assistant, principal: Principal) -> None:
    """Take a name away; without any left it is everybody's again. Raises `NotAllowed` or `NotFound`."""
    require(actor, Right.MANAGE_ASSISTANTS)
    with transaction.atomic():
        gone, _models = AssistantGrant.objects.filter(assistant=assistant, principal=principal.text).delete()
        if not gone:
            raise NotFound
        _record("grant.removed", assistant, principal)


def set_kept_for(*, actor: User, assistant: Assistant, principals: Iterable[Principal]) -> None:
    """Exactly these may use it; none: everybody."""
    wanted = {principal.text: principal for principal in principals}
    before = {principal.text: principal for principal in kept_for(assistant)}
    with transaction.atomic():
        for text in wanted.keys() - before.keys():
            keep_for(actor=actor, assistant=assistant, principal=wanted[text])
        for text in before.keys() - wanted.keys():
            give_back(actor=actor, assistant=assistant, principal=before[text])


def _record(action: str, assistant: Assistant, principal: Principal) -> None:
    details = {"principal": principal.public}
    audit.record(action, target=f"assistant:{assistant.public_id}", subject=principal.key, details=details)
