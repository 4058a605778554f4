"""An organisation's rules for its models: in the console, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections

from core.errors import NotAllowed
from gateway import rules
from gateway.privacy.errors import InvalidPrivacyPolicy
from gateway.types import RoutingPolicy
from tests.people import Actor, House

PAGE = "/admin/gateway/modelrules/1/change/"
FORM = {
    "outcome": "pseudonymise",
    "threshold": "0.8",
    "weights": '{"email": 1.0}',
    "words": "projet lynx\nétude",
    "never": "01 23 45 67 89",
    "names": "",
    "patterns": '[{"name": "badge", "pattern": "B-[0-9]{6}", "weight": 0.9}]',
    "choose": "cheapest",
    "models": "",
    "fallbacks": "openai/sim",
    "hedge_after": "1.5",
    "builtin": "on",
}


@pytest.fixture(autouse=True)
def own_rules(houses: dict[str, House], owner: psycopg.Connection) -> Iterator[None]:
    yield
    for house in houses.values():
        owner.execute(f"UPDATE {house.schema}.gateway_modelrules SET privacy = '{{}}', routing = '{{}}'")
    connections.close_all()


def current(actor: Actor) -> rules.Rules:
    with actor.acting():
        return rules.current()


def test_a_new_organisation_keeps_what_is_personal_at_home(acme: House) -> None:
    found = current(acme.person("member"))

    assert (found.privacy.outcome, found.privacy.threshold, found.routing) == ("local", 0.7, None)


def test_administrators_set_the_rules_in_the_console(acme: House, globex: House) -> None:
    admin = acme.person("admin")

    shown = admin.api.get(PAGE)
    saved = admin.api.post(PAGE, FORM)
    again = admin.api.get(PAGE)

    assert (shown.status_code, saved.status_code, again.status_code) == (200, 302, 200)
    found = current(acme.person("member"))
    assert found.privacy.outcome == "pseudonymise"
    assert found.privacy.weights["email"] == 1.0
    assert [one.name for one in found.privacy.patterns] == ["badge"]
    assert found.routing == RoutingPolicy("cheapest", (), ("openai/sim",), builtin=True, hedge_after=1.5)
    assert "B-[0-9]{6}" in again.content.decode()
    assert current(globex.person("member")).privacy.outcome == "local"


@pytest.mark.parametrize(
    ("field", "value"),
    [("patterns", '[{"name": "x", "pattern": "(a+)+$", "weight": 1}]'), ("threshold", "7"), ("weights", "[]"), ("patterns", "{")],
)
def test_what_cannot_be_a_rule_is_said_at_its_field_and_changes_nothing(acme: House, field: str, value: str) -> None:
    answer = acme.person("admin").api.post(PAGE, FORM | {field: value})

    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert current(acme.person("member")).privacy.outcome == "local"


@pytest.mark.parametrize("local", ["manager", "auditor"])
def test_nobody_else_sets_them(acme: House, local: str) -> None:
    actor = acme.person(local)

    assert actor.api.post(PAGE, FORM).status_code in {302, 403}
    with actor.acting(), pytest.raises(NotAllowed):
        rules.save(actor=actor.user, privacy={}, routing={})
    assert current(acme.person("member")).privacy.outcome == "local"


@pytest.mark.parametrize(
    "routing",
    [
        [],
        {"choose": "best"},
        {"models": "all"},
        {"threshold": 2},
        {"builtin": 1},
        {"other": 1},
        {"fallbacks": [""]},
        {"hedge_after": 31},
    ],
)
def test_a_routing_policy_that_is_none_is_refused(acme: House, routing: Any) -> None:
    admin = acme.person("admin")

    with admin.acting(), pytest.raises(rules.InvalidRoutingPolicy):
        rules.save(actor=admin.user, privacy={}, routing=routing)
    with admin.acting(), pytest.raises(InvalidPrivacyPolicy):
        rules.save(actor=admin.user, privacy={"outcome": "perhaps"}, routing={})
