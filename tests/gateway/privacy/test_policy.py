from __future__ import annotations

import json
import time

import pytest

from core.errors import AppError
from gateway.privacy import PrivacyPolicy, detect, patterns
from gateway.privacy.errors import PatternTooSlow
from gateway.privacy.patterns import ExtraPattern

WHOLE = {
    "weights": {"email": 0.3, "word": 0.9},
    "threshold": 0.6,
    "outcome": "pseudonymise",
    "patterns": [{"name": "badge", "pattern": r"\bBDG-\d{6}\b", "weight": 0.9}],
    "words": ["Chantier Élysée"],
    "never": ["token", "contact@exemple.fr"],
    "names": ["Zoé Martin"],
    "off": ["siren", "siret", "vat", "phone"],
}


def test_a_policy_survives_its_json() -> None:
    policy = PrivacyPolicy.from_json(WHOLE)

    again = PrivacyPolicy.from_json(json.loads(json.dumps(policy.to_json())))

    assert again == policy
    assert again.version == policy.version
    assert PrivacyPolicy.from_json({}) == PrivacyPolicy()


@pytest.mark.parametrize("member", sorted(WHOLE))
def test_every_member_changes_the_version(member: str) -> None:
    assert PrivacyPolicy.from_json({member: WHOLE[member]}).version != PrivacyPolicy().version


def test_a_tenants_policy_is_what_is_looked_for() -> None:
    policy = PrivacyPolicy.from_json(WHOLE)

    found = detect("BDG-123456 sur le chantier élysée, token, contact@exemple.fr, lea@exemple.fr, 06 39 98 12 34", policy)

    assert [(one.kind, one.weight) for one in found] == [("badge", 0.9), ("word", 0.9), ("email", 0.3)]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ([], "privacy_policy_invalid"),
        ("x", "privacy_policy_invalid"),
        ({"unknown": 1}, "privacy_policy_invalid"),
        ({"weights": {"email": 1.5}}, "privacy_policy_invalid"),
        ({"weights": {"email": True}}, "privacy_policy_invalid"),
        ({"weights": {"email": float("nan")}}, "privacy_policy_invalid"),
        ({"weights": {"shoe": 0.5}}, "privacy_policy_invalid"),
        ({"weights": [1]}, "privacy_policy_invalid"),
        ({"threshold": "0.7"}, "privacy_policy_invalid"),
        ({"outcome": "cloud"}, "privacy_policy_invalid"),
        ({"outcome": ["local"]}, "privacy_policy_invalid"),
        ({"off": ["shoe"]}, "privacy_policy_invalid"),
        ({"words": ["a"]}, "privacy_policy_invalid"),
        ({"words": ["..."]}, "privacy_policy_invalid"),
        ({"words": "secret"}, "privacy_policy_invalid"),
        ({"words": [3]}, "privacy_policy_invalid"),
        ({"words": ["mot"] * 1001}, "privacy_policy_invalid"),
        ({"patterns": ["x"]}, "privacy_policy_invalid"),
        ({"patterns": [{"name": "email", "pattern": "x"}]}, "privacy_policy_invalid"),
        ({"patterns": [{"name": "A B", "pattern": "x"}]}, "privacy_policy_invalid"),
        ({"patterns": [{"name": "a", "pattern": "x"}, {"name": "a", "pattern": "y"}]}, "privacy_policy_invalid"),
        ({"patterns": [{"name": "a", "pattern": "x", "weight": 2}]}, "privacy_policy_invalid"),
        ({"patterns": [{"name": "a", "pattern": 3}]}, "privacy_pattern_invalid"),
        ({"patterns": [{"name": "a", "pattern": ""}]}, "privacy_pattern_invalid"),
        ({"patterns": [{"name": "a", "pattern": "x" * 501}]}, "privacy_pattern_invalid"),
        ({"patterns": [{"name": "a", "pattern": "("}]}, "privacy_pattern_invalid"),
        ({"patterns": [{"name": "a", "pattern": "a*"}]}, "privacy_pattern_invalid"),
        ({"patterns": [{"name": "a", "pattern": r"(a)\1"}]}, "privacy_pattern_invalid"),
        ({"patterns": [{"name": "a", "pattern": "(?R)"}]}, "privacy_pattern_invalid"),
        ({"patterns": [{"name": "a", "pattern": "(?:xyz){e<=1}"}]}, "privacy_pattern_invalid"),
    ],
)
def test_a_bad_policy_is_refused_with_a_stable_code(data: object, code: str) -> None:
    with pytest.raises(AppError) as refusal:
        PrivacyPolicy.from_json(data)

    assert refusal.value.code == code
    assert refusal.value.status == 422


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$", r"(a*)*b", r"(a|a)+$", r"(a|aa)+$", r"([a-zA-Z]+)*$", r"(.*a){20}", r"((a+)b?)+$", r"(\d+)*x", r"(?:a{2,})+c", r"(x+x+)+y", r"^(([a-z])+.)+[A-Z]([a-z])+$",
        r"(a?){60}a{60}", r".*.*.*.*.*=x", r"\s*\s*\s*\s*\s*\s*x",
    ],
)  # fmt: skip
def test_a_pattern_that_can_take_for_ever_is_refused_at_save(pattern: str) -> None:
    begun = time.monotonic()

    with pytest.raises(AppError) as refusal:
        PrivacyPolicy.from_json({"patterns": [{"name": "slow", "pattern": pattern}]})

    assert refusal.value.code in {"privacy_pattern_too_slow", "privacy_pattern_invalid"}
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "pattern",
    [
        r"\bBDG-\d{6}\b",
        r"(?:EMP|STG)[0-9]{4,8}",
        r"[A-Z]{2,3}-\d+",
        r"dossier\s+n°\s*\d+",
        r"(?i)projet (?:alpha|beta)",
        r"(?:[0-9]{2} ){3}[0-9]{2}",
        r"\d{3}[ -]?\d{4}",
    ],
)
def test_ordinary_patterns_are_accepted(pattern: str) -> None:
    assert PrivacyPolicy.from_json({"patterns": [{"name": "fine", "pattern": pattern}]}).patterns[0].pattern == pattern


def test_a_pattern_that_is_slow_at_use_stops_and_says_so() -> None:
    slipped = PrivacyPolicy(patterns=(ExtraPattern("slow", r"(a|aa)+$", 1.0),))
    begun = time.monotonic()

    with pytest.raises(PatternTooSlow) as refusal:
        detect("a" * 60 + "b", slipped)

    assert refusal.value.code == "privacy_pattern_too_slow"
    assert time.monotonic() - begun < 2
    assert list(patterns.detect("aaa", slipped.patterns))
