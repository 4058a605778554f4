from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.privacy import Part, PrivacyPolicy, judge, strictest, verdict
from gateway.privacy.policy import OUTCOMES


@pytest.mark.parametrize("name", ["message", "history", "attachment", "passage", "memory", "tool"])
def test_everything_that_would_leave_is_judged(name: str) -> None:
    parts = [Part(part, "Bonjour") for part in ("message", "history", "attachment", "passage", "memory", "tool")]

    clean = judge(parts)
    judged = judge([*parts, Part(name, "06 39 98 12 34")])

    assert (clean.outcome, clean.score, clean.reasons, clean.sensitive) == ("allow", 0.0, (), False)
    assert (judged.outcome, judged.score, judged.reasons, judged.sensitive) == ("local", 0.9, (f"phone:{name}",), True)


def test_the_score_is_the_highest_weight_not_the_sum() -> None:
    judged = judge([Part("message", "mot de passe, salaire, token"), Part("history", "médical")])

    assert (judged.score, judged.outcome) == (0.5, "allow")


def test_reasons_come_heaviest_first_and_once() -> None:
    judged = judge(
        [
            Part("message", "jean@exemple.fr paul@exemple.fr 4242 4242 4242 4242"),
            Part("memory", "06 39 98 12 34"),
            Part("history", "token"),
        ]
    )

    assert judged.reasons == ("card:message", "phone:memory", "email:message")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_policy_says_what_follows(outcome: str) -> None:
    policy = PrivacyPolicy.from_json({"outcome": outcome})

    assert judge([Part("message", "jean@exemple.fr")], policy).outcome == outcome
    assert judge([Part("message", "bonjour")], policy).outcome == "allow"


def test_the_threshold_decides() -> None:
    text = [Part("message", "jean@exemple.fr")]

    assert judge(text, PrivacyPolicy.from_json({"threshold": 0.8})).outcome == "local"
    assert judge(text, PrivacyPolicy.from_json({"threshold": 0.81})).outcome == "allow"
    assert (
        judge([Part("message", "rien"), Part("message", "M. Dupont")], PrivacyPolicy.from_json({"threshold": 0})).outcome
        == "allow"
    )


def test_a_conversation_only_becomes_stricter() -> None:
    assert judge([Part("message", "bonjour")], before="local").outcome == "local"
    assert judge([Part("message", "jean@exemple.fr")], before="refuse").outcome == "refuse"
    assert strictest(["allow", "local", "pseudonymise"]) == "local"
    assert strictest([]) == "allow"


def test_an_event_holds_no_value() -> None:
    judged = judge([Part("message", "jean@exemple.fr, mot de passe : Soleil2024!"), Part("history", "06 39 98 12 34")])

    event = json.dumps(judged.as_event())

    assert judged.as_event()["counts"] == {"message": {"email": 1, "value": 1, "word": 1}, "history": {"phone": 1}}
    for value in ("jean", "Soleil", "39", "exemple"):
        assert value not in event
    assert not any(value in str(judged) for value in ("jean", "Soleil", "exemple"))


def test_what_was_judged_is_remembered_within_bounds() -> None:
    cache = verdict.FindingsCache(size=10)
    policy, other = PrivacyPolicy(), PrivacyPolicy.from_json({"off": ["email"]})

    first = cache.get("jean@exemple.fr", policy)
    assert cache.get("jean@exemple.fr", policy) is first
    assert cache.get("jean@exemple.fr", other) == ()
    for number in range(100):
        cache.get(f"texte {number}", policy)

    assert len(cache) == 10
    assert cache.get("jean@exemple.fr", policy) == first
    assert "jean" not in repr(cache._kept)


def test_threads_share_the_memory() -> None:
    cache = verdict.FindingsCache(size=5)
    policy = PrivacyPolicy()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: cache.get(f"a{number % 9}@exemple.fr", policy), range(500)))

    assert all(len(one) == 1 for one in found)
    assert len(cache) <= 5
