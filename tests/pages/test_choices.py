"""The composer's menu of models: where each is, what it costs, and why one cannot be chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import psycopg
import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from accounts.grants import of_role
from gateway import access, catalogue, health
from tests.gateway.test_budgets import limit, spend
from tests.pages.test_pages import browser
from tests.people import Actor, House

ROW = re.compile(r'<input type="radio" name="model" value="([^"]+)"([^>]*)>.*?<span class="price"[^>]*>([^<]*)</span>')


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch, owner: psycopg.Connection) -> Iterator[None]:
    for name, value in {
        "OLLAMA_API_BASE": "http://127.0.0.1:9",
        "CLOISON_OLLAMA_MODEL": "small",
        "OPENAI_API_BASE": "http://127.0.0.1:10/v1",
        "CLOISON_OPENAI_LOCALITY": "cloud",
        "CLOISON_OPENAI_MODEL": "gpt-4o-mini,gpt-4o,claude-opus-4,own",
    }.items():
        monkeypatch.setenv(name, value)
    catalogue.forget()
    yield
    catalogue.forget()


def offered(client: Client) -> dict[str, tuple[str, bool]]:
    """By model: what is said of it, and whether it can be chosen."""
    page = unescape(client.get("/").content.decode())
    return {name: (note, "disabled" not in rest) for name, rest, note in ROW.findall(page)}


def unavailable(actor: Actor) -> dict[str, str | None]:
    """What the open menu asks for: by model, why it cannot be chosen."""
    return {row["id"]: row["unavailable"] for row in actor.api.get("/api/v1/models/").json()["results"]}


def test_a_model_says_where_it_is_and_what_it_costs(acme: House, globex: House) -> None:
    assert offered(browser(globex.person("member"))) == {
        "ollama/small": ("local, no cost", True),
        "openai/gpt-4o-mini": ("cloud, inexpensive", True),
        "openai/gpt-4o": ("cloud, moderately priced", True),
        "openai/claude-opus-4": ("cloud, expensive", True),
        "openai/own": ("cloud, price unknown", True),
    }
    assert offered(browser(acme.person("member")))["openai/claude-opus-4"] == ("cloud, coûteux", True)


def test_a_model_that_cannot_be_chosen_says_why(acme: House, globex: House) -> None:
    admin = globex.person("admin")
    with admin.acting():
        access.keep_model_for(actor=admin.user, model="openai/own", principal=of_role("auditor"))
    circuit = health.key_of(catalogue.providers()[0])
    for _ in range(health.FAILURES):
        async_to_sync(health.common().failed)(circuit)
    try:
        told, others, elsewhere = (
            offered(browser(one)) for one in (globex.person("member"), globex.person("auditor"), acme.person("member"))
        )
        fresh = unavailable(globex.person("member"))
    finally:
        async_to_sync(health.common().succeeded)(circuit)

    assert told["ollama/small"] == ("local, no cost, down at the moment", False)
    assert (fresh["ollama/small"], fresh["openai/gpt-4o"], "openai/own" in fresh) == ("down", None, False)
    assert "openai/own" not in told
    assert told["openai/gpt-4o"][1] and others["openai/own"] == ("cloud, price unknown", True)  # The controls.
    assert elsewhere["openai/own"] == ("cloud, prix inconnu", True)
    page = browser(globex.person("member")).get("/").content.decode()
    assert "openai/own" not in page and 'name="beside" value="openai/gpt-4o">' in page


def test_a_spent_budget_leaves_what_costs_nothing(globex: House) -> None:
    member, other = globex.person("member"), globex.person("member2")
    limit(globex, "user", f"user:{member.user.pk}", money_limit=5)
    client, beside = browser(member), browser(other)
    assert offered(client)["openai/gpt-4o"] == ("cloud, moderately priced", True)

    spend(member, "5")

    assert offered(client)["openai/gpt-4o"] == ("cloud, moderately priced, budget used up", False)
    assert offered(client)["ollama/small"][1] and offered(beside)["openai/gpt-4o"][1]
    fresh = unavailable(member)
    assert (fresh["openai/gpt-4o"], fresh["ollama/small"], unavailable(other)["openai/gpt-4o"]) == ("budget", None, None)
    limit(globex, "user", f"user:{other.user.pk}", token_limit=0, money_limit=None)
    catalogue.forget()
    assert not any(can for _note, can in offered(beside).values())
