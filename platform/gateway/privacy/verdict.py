"""The judgement over everything that would leave for a provider."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from gateway.privacy.detectors import detect
from gateway.privacy.findings import UNREAD, Finding
from gateway.privacy.policy import DEFAULT, OUTCOMES, Outcome, PrivacyPolicy

CACHED = 4096
# The parts of a turn. Others may be named; these are what the platform sends.
MESSAGE, HISTORY, ATTACHMENT, PASSAGE, MEMORY, TOOL = "message", "history", "attachment", "passage", "memory", "tool"


@dataclass(frozen=True, slots=True)
class Part:
    """One text that would leave, and what it is. A history has one part for each message, so that verdicts are found again."""

    name: str
    text: str
    unread: bool = False  # what it stands for has no text that could be looked at


@dataclass(frozen=True, slots=True)
class PartFindings:
    name: str
    findings: tuple[Finding, ...]

    @property
    def score(self) -> float:
        return max((one.weight for one in self.findings), default=0.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`score` is the highest weight found; from the policy's threshold on, its outcome applies. `parts` are in the order given.

    `reasons` are stable codes, `<kind>:<part>`, heaviest first, of what reached the threshold.
    """

    score: float
    outcome: Outcome
    reasons: tuple[str, ...]
    parts: tuple[PartFindings, ...]
    policy: str

    @property
    def sensitive(self) -> bool:
        return bool(self.reasons)

    def as_event(self) -> dict[str, Any]:
        """What may be stored, shown, counted and audited: kinds and numbers, no value and no position."""
        counts: dict[str, Counter[str]] = {}
        for part in self.parts:
            counts.setdefault(part.name, Counter()).update(one.kind for one in part.findings)
        return {
            "score": self.score,
            "outcome": self.outcome,
            "reasons": list(self.reasons),
            "counts": {name: dict(sorted(kinds.items())) for name, kinds in counts.items() if kinds},
            "policy": self.policy,
        }


def strictest(outcomes: Iterable[Outcome]) -> Outcome:
    """For a conversation that remembers: what was once sensitive in it stays so."""
    return max(outcomes, key=OUTCOMES.index, default="allow")


def judge(parts: Iterable[Part], policy: PrivacyPolicy = DEFAULT, *, before: Outcome = "allow") -> Verdict:
    """`before` is the conversation's outcome so far: it can only become stricter. Raises `PatternTooSlow`."""
    judged = tuple(PartFindings(part.name, _found(part, policy)) for part in parts)
    score = max((part.score for part in judged), default=0.0)
    reached: dict[str, float] = {}
    for part in judged:
        for one in part.findings:
            if one.weight >= policy.threshold and one.weight > 0:
                reached[f"{one.kind}:{part.name}"] = one.weight
    reasons = tuple(sorted(reached, key=lambda code: (-reached[code], code)))
    outcome = policy.outcome if reasons else "allow"
    return Verdict(score, strictest((outcome, before)), reasons, judged, policy.version)


def _found(part: Part, policy: PrivacyPolicy) -> tuple[Finding, ...]:
    if part.unread:
        weight = policy.kind_weights.get(UNREAD)
        return () if weight is None else (Finding(UNREAD, 0, 0, weight),)
    return findings_of(part.text, policy)


class FindingsCache:
    """The findings of the texts seen last, by digest and policy: spans and kinds, no text. Safe between threads."""

    def __init__(self, size: int = CACHED) -> None:
        self._size = size
        self._kept: OrderedDict[tuple[bytes, str], tuple[Finding, ...]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, text: str, policy: PrivacyPolicy) -> tuple[Finding, ...]:
        key = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest(), policy.version)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
        found = detect(text, policy)
        if len(found) <= 1000:  # An attachment full of numbers would crowd the others out.
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > self._size:
                    self._kept.popitem(last=False)
        return found


_cache = FindingsCache()


def findings_of(text: str, policy: PrivacyPolicy = DEFAULT) -> tuple[Finding, ...]:
    """`detect`, remembered: a conversation's history is judged again with each turn."""
    return _cache.get(text, policy)
