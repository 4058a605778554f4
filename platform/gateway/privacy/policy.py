"""What a tenant calls sensitive, and what follows from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

from django.utils.translation import gettext_lazy as _

from gateway.privacy import findings, patterns
from gateway.privacy.errors import InvalidPattern, InvalidPrivacyPolicy
from gateway.privacy.patterns import ExtraPattern
from gateway.privacy.plain import plain

Outcome = Literal["allow", "pseudonymise", "local", "refuse"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)  # From the freest to the strictest.

DETECTORS_VERSION = 2  # Raise it when detectors change: kept verdicts are of one version.
DEFAULT_WEIGHTS: dict[str, float] = {
    findings.EMAIL: 0.8,
    findings.PHONE: 0.9,
    findings.CARD: 1.0,
    findings.IBAN: 1.0,
    findings.NIR: 1.0,
    findings.SECRET: 1.0,
    findings.VALUE: 0.8,
    findings.WORD: 0.5,
    findings.NAME: 0.0,  # Masked when masking; does not score.
    findings.SIREN: 0.8,
    findings.SIRET: 0.8,
    findings.VAT: 0.8,
    findings.UNREAD: 0.7,
}
DEFAULT_OFF = frozenset({findings.SIREN, findings.SIRET, findings.VAT})
PATTERN_NAME = re.compile(r"[a-z](?:[a-z_]{0,22}[a-z])?")
MOST_PATTERNS, MOST_WORDS, MOST_NAMES, LONGEST_WORD = 50, 1000, 20_000, 100
MEMBERS = {"weights", "threshold", "outcome", "patterns", "words", "never", "names", "off"}


@dataclass(frozen=True)
class PrivacyPolicy:
    """`words`, `never` and `names` are compared without case; the first two without accents as well.

    `never` holds words that are not sensitive here, and whole values (the switchboard's number, the shared address).
    `off` are kinds that are not looked for.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    threshold: float = 0.7
    outcome: Outcome = "local"
    patterns: tuple[ExtraPattern, ...] = ()
    words: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    off: frozenset[str] = DEFAULT_OFF

    @classmethod
    def from_json(cls, data: object) -> PrivacyPolicy:
        """Absent members have their defaults. Raises `InvalidPrivacyPolicy` and its kin."""
        if not isinstance(data, Mapping):
            raise InvalidPrivacyPolicy(_("A policy is an object"), field="")
        unknown = sorted(str(key) for key in data if key not in MEMBERS)
        if unknown:
            raise InvalidPrivacyPolicy(_("Unknown member: %(name)s") % {"name": unknown[0][:60]}, field=unknown[0][:60])
        extra = tuple(_pattern(item, at) for at, item in enumerate(_list(data, "patterns", MOST_PATTERNS)))
        if len({one.name for one in extra}) != len(extra):
            raise InvalidPrivacyPolicy(_("Two patterns have one name"), field="patterns")
        off = _strings(data, "off", len(findings.KINDS)) if "off" in data else DEFAULT_OFF
        if off - set(findings.KINDS):
            raise InvalidPrivacyPolicy(_("Unknown kind: %(name)s") % {"name": min(off - set(findings.KINDS))}, field="off")
        outcome = data.get("outcome", "local")
        if outcome not in OUTCOMES:
            raise InvalidPrivacyPolicy(_("An outcome is one of allow, pseudonymise, local, refuse"), field="outcome")
        return cls(
            weights=_weights(data.get("weights", {})),
            threshold=_number(data.get("threshold", 0.7), "threshold"),
            outcome=outcome,
            patterns=extra,
            words=frozenset(plain(word).bare for word in _strings(data, "words", MOST_WORDS)),
            never=frozenset(plain(word).bare for word in _strings(data, "never", MOST_WORDS)),
            names=_strings(data, "names", MOST_NAMES),
            off=off,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "weights": {kind: self.weights[kind] for kind in sorted(self.weights)},
            "threshold": self.threshold,
            "outcome": self.outcome,
            "patterns": [{"name": one.name, "pattern": one.pattern, "weight": one.weight} for one in self.patterns],
            "words": sorted(self.words),
            "never": sorted(self.never),
            "names": sorted(self.names),
            "off": sorted(self.off),
        }

    @cached_property
    def version(self) -> str:
        """Two policies that judge alike have one version."""
        body = json.dumps([DETECTORS_VERSION, self.to_json()], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.blake2b(body.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    @cached_property
    def kind_weights(self) -> dict[str, float]:
        """With those of the tenant's patterns, without what is off."""
        weights = DEFAULT_WEIGHTS | dict(self.weights) | {one.name: one.weight for one in self.patterns}
        return {kind: weight for kind, weight in weights.items() if kind not in self.off}


DEFAULT = PrivacyPolicy()


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidPrivacyPolicy(_("A number from 0 to 1 is wanted"), field=name)
    return float(value)


def _weights(data: object) -> dict[str, float]:
    if not isinstance(data, Mapping):
        raise InvalidPrivacyPolicy(_("Weights are an object: kind to number"), field="weights")
    for kind in data:
        if kind not in DEFAULT_WEIGHTS:
            raise InvalidPrivacyPolicy(_("Unknown kind: %(name)s") % {"name": str(kind)[:60]}, field="weights")
    return DEFAULT_WEIGHTS | {kind: _number(value, f"weights.{kind}") for kind, value in data.items()}


def _list(data: Mapping[str, Any], name: str, most: int) -> list[Any]:
    value = data.get(name, [])
    if not isinstance(value, list | tuple):
        raise InvalidPrivacyPolicy(_("A list is wanted"), field=name)
    if len(value) > most:
        raise InvalidPrivacyPolicy(_("At most %(most)d are allowed") % {"most": most}, field=name)
    return list(value)


def _strings(data: Mapping[str, Any], name: str, most: int) -> frozenset[str]:
    values = _list(data, name, most)
    for value in values:
        if not isinstance(value, str) or not 2 <= len(value.strip()) <= LONGEST_WORD:
            raise InvalidPrivacyPolicy(_("Texts of 2 to %(most)d characters are wanted") % {"most": LONGEST_WORD}, field=name)
        if name == "words" and not re.search("[a-z]", plain(value).bare):
            raise InvalidPrivacyPolicy(_("A word has a letter from a to z"), field=name)
    return frozenset(value.strip() for value in values)


def _pattern(item: object, at: int) -> ExtraPattern:
    where = f"patterns.{at}"
    if not isinstance(item, Mapping) or set(item) - {"name", "pattern", "weight"}:
        raise InvalidPrivacyPolicy(_("A pattern has a name, a pattern and a weight"), field=where)
    name, pattern = item.get("name"), item.get("pattern")
    if not isinstance(name, str) or not PATTERN_NAME.fullmatch(name) or name in findings.KINDS:
        raise InvalidPrivacyPolicy(
            _("A pattern's name has up to 24 small letters and _, and is not a kind's"), field=f"{where}.name"
        )
    if not isinstance(pattern, str):
        raise InvalidPattern(_("A regular expression is wanted"), field=f"{where}.pattern")
    extra = ExtraPattern(name, pattern, _number(item.get("weight", 1.0), f"{where}.weight"))
    patterns.check(extra)
    return extra
