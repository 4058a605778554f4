"""What a turn may show to whom: the verdict over all that would leave, and placeholders in the place of what is personal.

Everything here is one conversation's: what was once personal in it stays so, and a value keeps its placeholder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from gateway.errors import NoPermittedModel
from gateway.privacy import Outcome, Part, Restorer, Vault, Verdict, judge, mask
from gateway.privacy.verdict import ATTACHMENT, HISTORY, MESSAGE, PASSAGE
from gateway.router import Decision
from gateway.rules import Rules
from gateway.types import AttachedFile, ChatMessage, Locality, Passage

INSTRUCTIONS = "instructions"
LOCAL: frozenset[Locality] = frozenset({"local"})
Route = str  # local, cloud, pseudonymised; a refusal has none


class PrivacyRefused(NoPermittedModel):
    """The organisation's rules let no model see this turn. `reasons` are the verdict's."""

    title: ClassVar[str | Promise] = _(
        "What is personal in this conversation may not be answered by any model here. Nothing was sent."
    )
    reasons: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """The texts of a turn that come from the conversation. `unread`: the question has pictures or sounds."""

    question: str
    history: tuple[ChatMessage, ...]
    instructions: str
    files: tuple[AttachedFile, ...] = ()
    unread: bool = False


@dataclass(slots=True)
class Screen:
    """Of one turn. `before` is the conversation's outcome so far, `vault` its placeholders."""

    rules: Rules
    before: Outcome = "allow"
    vault: Vault = field(default_factory=Vault)

    def judge(self, asked: Asked, passages: Iterable[Passage] = ()) -> Verdict:
        """Over everything that would leave. Some milliseconds of processor time: call it in a thread. Raises `PatternTooSlow`."""
        parts = [Part(MESSAGE, asked.question)]
        parts += [Part(HISTORY, message.content) for message in asked.history]
        files = [*asked.files, *(file for message in asked.history for file in message.files)]
        parts += [Part(ATTACHMENT, f"{file.name}\n{file.text}") for file in files]
        if asked.unread or any(message.images for message in asked.history):
            parts.append(Part(ATTACHMENT, "", unread=True))
        parts += [Part(INSTRUCTIONS, asked.instructions)] if asked.instructions else []
        parts += [Part(PASSAGE, f"{passage.title}\n{passage.text}") for passage in passages]
        return judge(parts, self.rules.privacy, before=self.before)

    def mask(self, messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
        """The messages as a provider outside may see them; the vault learns their values."""
        policy = self.rules.privacy
        return tuple(replace(message, content=mask(message.content, self.vault, policy).text) for message in messages)

    def restorer(self) -> Restorer:
        return Restorer(self.vault)


def localities(verdict: Verdict, *, unread: bool = False) -> frozenset[Locality] | None:
    """Where the turn may be answered; one that would be masked stays where it has what cannot be, `unread`.

    Raises `PrivacyRefused` where nowhere.
    """
    if verdict.outcome == "refuse":
        raise PrivacyRefused(reasons=list(verdict.reasons))
    return LOCAL if verdict.outcome == "local" or (unread and verdict.outcome == "pseudonymise") else None


def must_mask(verdict: Verdict, decision: Decision) -> bool:
    """Whether anybody who may be asked for this answer is outside and must not see what is personal."""
    outside = any(model.locality == "cloud" for model in (decision.model, *decision.fallbacks))
    return verdict.outcome == "pseudonymise" and outside


def leaves(decision: Decision) -> bool:
    return any(model.locality == "cloud" for model in (decision.model, *decision.fallbacks))


def route_of(locality: Locality, *, masked: bool) -> Route:
    return "pseudonymised" if masked and locality == "cloud" else locality


def as_sent(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """What is kept of it: pictures and sounds by their names."""
    sent: list[dict[str, Any]] = []
    for message in messages:
        names = [*(image.name for image in message.images), *(sound.name for sound in message.audio)]
        sent.append({"role": message.role, "content": message.content, **({"attached": names} if names else {})})
    return sent
