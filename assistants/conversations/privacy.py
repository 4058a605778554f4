"""A conversation's privacy, kept: its outcome so far, its placeholders, what left, and a verdict before anything is sent."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

import audit
from accounts.models import User
from assistants.conversations import attachments
from assistants.conversations.answers import Turn
from assistants.conversations.models import Attachment, Conversation, Disclosure, Run
from assistants.conversations.screening import Asked, PrivacyRefused, Screen, localities, must_mask, route_of
from core import metrics
from core.errors import NotFound
from gateway import difficulty, rules
from gateway.errors import NoPermittedModel
from gateway.privacy import Outcome, Vault, Verdict, findings_of, restore
from gateway.router import Decision, LLMRouter
from gateway.types import AttachedFile, Needs
from isolation import context, in_thread

ABILITIES: dict[str, str] = {Attachment.Kind.IMAGE: "images", Attachment.Kind.AUDIO: "audio"}
UNREADABLE = frozenset(ABILITIES.values())  # by any detector


@dataclass(frozen=True, slots=True)
class PrivacyKeeper:
    """Reads and writes in the context of the conversation's owner."""

    def open(self, turn: Turn) -> Screen:
        """The tenant's rules, and the conversation's outcome and placeholders. Two queries."""
        found = rules.current()
        row = _of(turn).values_list("privacy_outcome", "vault").first()
        outcome, vault = row or ("allow", {})
        return Screen(found, cast("Outcome", outcome), Vault.from_json(vault) if vault else Vault())

    def keep(self, turn: Turn, verdict: Verdict, vault: Vault | None, sent: list[dict[str, Any]] | None) -> None:
        """Before anything leaves: the verdict, the placeholders, the exact words. Safe to repeat."""
        changed: dict[str, Any] = {"privacy_outcome": verdict.outcome}
        if vault is not None:
            changed["vault"] = vault.to_json()
        with transaction.atomic():
            _of(turn).update(**changed)
            if sent is not None and turn.run is not None:
                run = Run.objects.get(public_id=turn.run)
                Disclosure.objects.update_or_create(run=run, defaults={"messages": sent, "masked": vault is not None})
            _note(turn, verdict)
        metrics.PRIVACY.labels(metrics.tenant_label(context.current().schema), verdict.outcome).inc()

    def refused(self, turn: Turn, verdict: Verdict) -> None:
        """Nothing left, and nothing will."""
        _of(turn).update(privacy_outcome=verdict.outcome)
        _note(turn, verdict, "refused")
        metrics.PRIVACY.labels(metrics.tenant_label(context.current().schema), "refused").inc()


def _of(turn: Turn) -> QuerySet[Conversation]:
    return Conversation.objects.filter(public_id=turn.conversation) if turn.conversation else Conversation.objects.none()


def _note(turn: Turn, verdict: Verdict, what: str = "") -> None:
    """Kinds and places, never values."""
    if verdict.sensitive:
        audit.record(
            f"privacy.{what or verdict.outcome}",
            target=f"conversation:{turn.conversation}",
            details={"score": str(verdict.score), "found": " ".join(verdict.reasons)[:400]},
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen to a message that is not sent."""

    route: str
    model: str | None
    verdict: Verdict
    decision: Decision | None
    reasons: tuple[str, ...]
    difficulty: float

    def as_json(self) -> dict[str, Any]:
        found = self.verdict.parts[0].findings
        return {
            "route": self.route,
            "sensitive": self.verdict.sensitive,
            "model": self.model,
            "score": self.verdict.score,
            "findings": [{"kind": one.kind, "start": one.start, "end": one.end, "weight": one.weight} for one in found],
            "difficulty": round(self.difficulty, 3),
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True, slots=True)
class Question:
    """A message that is not sent. `attachments` are ids of the person's own uploads; `abilities` what else it needs of a model,
    such as `images` for a picture that is still on its way."""

    content: str
    conversation: uuid.UUID | None = None
    model: str | None = None
    attachments: tuple[uuid.UUID, ...] = ()
    abilities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Opened:
    """What is known of a question before it is judged."""

    screen: Screen
    files: tuple[AttachedFile, ...]
    abilities: frozenset[str]

    @property
    def unread(self) -> bool:
        return bool(self.abilities & UNREADABLE)


async def preview(*, user: User, question: Question) -> Preview:
    """The route of a message as it stands, without its passages; nothing is sent. Raises `NotFound`."""
    opened = await in_thread(_open, user, question)
    screen = opened.screen
    verdict = await in_thread(screen.judge, Asked(question.content, (), "", files=opened.files, unread=opened.unread))
    hard = difficulty.estimate(question.content).score
    try:
        decision = await LLMRouter().route(
            model=question.model,
            localities=localities(verdict, unread=opened.unread),
            needs=Needs(opened.abilities, question=question.content),
            policy=screen.rules.routing,
        )
    except NoPermittedModel as error:
        code = error.code if not isinstance(error, PrivacyRefused) else "privacy_refused"
        why = (code, *verdict.reasons, *error.extra.get("reasons", []))
        return Preview("refused", None, verdict, None, tuple(dict.fromkeys(why)), hard)
    masked = must_mask(verdict, decision)
    route = route_of(decision.model.locality, masked=masked)
    return Preview(route, decision.model.id, verdict, decision, (*decision.reasons, *verdict.reasons), hard)


def _open(user: User, question: Question) -> _Opened:
    known = question.conversation
    if known and not Conversation.objects.visible_to(user).filter(public_id=known).exists():
        raise NotFound(_("There is no such conversation."), field="conversation")
    turn = Turn(user=user, question=question.content, conversation=known)
    rows = attachments.those(user, question.attachments)
    seen = {ABILITIES[row.kind] for row in rows if row.kind in ABILITIES}
    files = tuple(AttachedFile(row.name, row.text, row.characters) for row in rows if row.kind == Attachment.Kind.FILE)
    return _Opened(PrivacyKeeper().open(turn), files, question.abilities | seen)


@dataclass(frozen=True, slots=True)
class Shown:
    """One message that left: as it was sent, and as it is here. Equal where nothing was masked."""

    role: str
    sent: str
    original: str
    attached: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        return self.sent != self.original


def what_was_sent(*, user: User, run: uuid.UUID) -> tuple[Disclosure, Sequence[Shown], int]:
    """What left for a provider, beside what it stands for, and how many values were withheld. Raises `NotFound`."""
    found = (
        Disclosure.objects.select_related("run__conversation")
        .filter(run__public_id=run, run__in=Run.objects.visible_to(user))
        .first()
    )
    if found is None:
        raise NotFound(_("Nothing of this answer left."))
    kept = found.run.conversation.vault
    vault = Vault.from_json(kept) if kept else Vault()
    shown = [Shown(m["role"], m["content"], restore(m["content"], vault), tuple(m.get("attached", ()))) for m in found.messages]
    withheld = sum(len(findings_of(each.original, rules.current().privacy)) for each in shown if each.differs)
    return found, shown, withheld
