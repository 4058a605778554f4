"""Privacy routing in the turn: what is personal stays, or leaves with placeholders, or is not answered; and it can be looked up."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from accounts import keys
from assistants.conversations.answers import AnswerService, Delta, Turn
from assistants.conversations.privacy import PrivacyKeeper
from audit.models import AuditEvent
from documents.rag import Citation
from gateway import rules
from gateway.access import EveryModel
from gateway.errors import NoPermittedModel
from gateway.models import UsageRecord
from gateway.router import Decision, LLMRouter
from gateway.types import ChatEvent, ChatRequest, ProviderUnavailable, TextDelta
from tests.conftest import Live, another_web, resting
from tests.gateway.conftest import Provider, simulator
from tests.people import House
from tests.wire import ask, client, sse, text_of

__all__ = ["simulator"]

SECRETS = ["jeanne.dupont@example.fr", "06 12 34 56 78", "FR76 3000 6000 0112 3456 7890 189"]
PERSONAL = f"Écrivez à {SECRETS[0]}, appelez le {SECRETS[1]}, payez sur {SECRETS[2]} [[sim echo=7]]"


@pytest.fixture
def provider(simulator: Provider) -> Provider:
    simulator.reset()
    return simulator


@pytest.fixture(scope="module")
def outside_web(live: Live, simulator: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A web process whose one model is in the cloud, as far as anybody told it."""
    told = {"OPENAI_API_BASE": simulator.base, "CLOISON_OPENAI_MODEL": "sim", "CLOISON_OPENAI_LOCALITY": "cloud"}
    with another_web(live, tmp_path_factory.mktemp("outside"), **told) as web:
        yield web


@pytest.fixture
def outside(live: Live, outside_web: Live, provider: Provider) -> Iterator[Live]:
    with resting(live.web):
        yield outside_web


@pytest.fixture(autouse=True)
def own_rules(houses: dict[str, House], owner: psycopg.Connection) -> Iterator[None]:
    """Every test starts and ends with the rules that a new organisation has."""

    def reset() -> None:
        for house in houses.values():
            row = "INSERT INTO {s}.gateway_modelrules (id, privacy, routing, changed_at) VALUES (1, '{{}}', '{{}}', now())"
            change = " ON CONFLICT (id) DO UPDATE SET privacy = '{{}}', routing = '{{}}'"
            owner.execute((row + change).format(s=house.schema))

    reset()
    yield
    reset()


async def set_privacy(house: House, **policy: Any) -> None:
    def save() -> None:
        admin = house.person("admin")
        try:
            with admin.acting():
                rules.save(actor=admin.user, privacy=policy, routing={})
        finally:
            connections.close_all()

    await sync_to_async(save)()


async def turn(
    live: Live, house: House, content: str, conversation: str | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    async with client(live, house.person("member")) as http:
        started = await ask(http, content, conversation)
        return started, await sse(http, f"/api/v1/runs/{started['run']['id']}/events/")


def routing(events: list[dict[str, Any]]) -> dict[str, Any]:
    return next(event for event in events if event["type"] == "routing")


async def test_what_is_personal_never_goes_to_the_cloud_by_default(outside: Live, provider: Provider, acme: House) -> None:
    _started, events = await turn(outside, acme, PERSONAL)

    assert events[-1]["type"] == "run.failed"
    assert events[-1]["code"] == "no_permitted_model"
    assert routing(events)["route"] == "refused"
    assert {"iban:message", "phone:message", "email:message"} <= set(routing(events)["reasons"])
    assert provider.requests() == []

    _started, clean = await turn(outside, acme, "Bonjour, quelle heure est-il ? [[sim echo=7]]")  # The control.

    assert (clean[-1]["type"], routing(clean)["route"]) == ("run.completed", "cloud")
    assert len(provider.requests()) == 1


async def test_placeholders_leave_and_come_back(outside: Live, provider: Provider, acme: House) -> None:
    await set_privacy(acme, outcome="pseudonymise")

    started, events = await turn(outside, acme, PERSONAL)
    conversation = started["conversation"]
    _again, second = await turn(outside, acme, f"Et {SECRETS[0]} encore ? [[sim echo=3]]", conversation)
    _clean, third = await turn(outside, acme, "Merci. [[sim echo=5]]", conversation)

    for told in (events, second, third):
        assert told[-1]["type"] == "run.completed"
        assert routing(told)["route"] == "pseudonymised"
    assert text_of(events).endswith(PERSONAL), "the person sees what an unmasked run would have given"
    assert SECRETS[0] in text_of(second)
    sent = json.dumps(provider.requests(), ensure_ascii=False)
    assert len(provider.requests()) == 3
    for secret in (*SECRETS, "0612345678", "3000600001123456789018"):
        assert secret not in sent, f"{secret} left"
    assert sent.count("ANON_EMAIL_0001") >= 4  # One address, one placeholder, in every turn that remembers it.


async def test_an_answer_that_goes_on_leaves_masked_as_it_did(outside: Live, provider: Provider, acme: House) -> None:
    await set_privacy(acme, outcome="pseudonymise")
    words = f"Écrivez à {SECRETS[0]} {'sans tarder ' * 20}"
    question = f"{words}[[sim echo=8 fault=disconnect fault_at=50 fault_first=1]]"  # Some 225 characters of 380, never below 150.
    started, broken = await turn(outside, acme, question)
    assert broken[-1]["type"] == "run.failed"
    assert SECRETS[0] in text_of(broken)

    async with client(outside, acme.person("member")) as http:
        more = (await http.post(f"/api/v1/runs/{started['run']['id']}/continue/", json={})).json()
        events = await sse(http, f"/api/v1/runs/{more['run']['id']}/events/")
        sent = (await http.get(f"/api/v1/runs/{more['run']['id']}/sent/")).json()

    assert events[-1]["type"] == "run.completed"
    assert text_of(events).startswith(text_of(broken)) and len(text_of(events)) > len(text_of(broken))
    last = provider.requests()[-1]["body"]["messages"][-2:]
    assert [message["role"] for message in last] == ["assistant", "user"]
    assert "ANON_EMAIL_0001" in last[0]["content"]
    assert SECRETS[0] not in json.dumps(provider.requests(), ensure_ascii=False)
    assert [message["sent"] for message in sent["messages"][-2:]] == [message["content"] for message in last]


async def test_a_call_by_key_is_counted_to_the_key(outside: Live, provider: Provider, acme: House) -> None:
    def make() -> tuple[int, str]:
        member = acme.person("member")
        try:
            with member.acting():
                row, key = keys.create(owner=member.user, name="budgeted", scopes=["ask"])
                return row.pk, key
        finally:
            connections.close_all()

    number, key = await sync_to_async(make)()
    async with client(outside, acme.person("member"), Authorization=f"Bearer {key}") as http:
        started = await ask(http, "Bonjour [[sim echo=7]]")
        await sse(http, f"/api/v1/runs/{started['run']['id']}/events/")

    def counted() -> list[int | None]:
        try:
            with acme.person("member").acting():
                return list(UsageRecord.objects.filter(run=started["run"]["id"]).values_list("api_key", flat=True))
        finally:
            connections.close_all()

    assert await sync_to_async(counted)() == [number]


async def test_what_was_sent_can_be_looked_up_by_its_owner_alone(
    outside: Live, provider: Provider, acme: House, globex: House
) -> None:
    await set_privacy(acme, outcome="pseudonymise")
    started, _events = await turn(outside, acme, PERSONAL)
    path = f"/api/v1/runs/{started['run']['id']}/sent/"

    async with client(outside, acme.person("member")) as http:
        told = (await http.get(path)).json()
        page = await http.get(f"/c/{started['conversation']}/sent/{started['run']['id']}/")
    others = []
    for stranger in (acme.person("member2"), acme.person("admin"), globex.person("member")):
        async with client(outside, stranger) as http:
            others.append((await http.get(path)).status_code)

    assert told["masked"] is True
    assert told["withheld"] == 3
    body = provider.requests()[0]["body"] if "body" in provider.requests()[0] else provider.requests()[0]
    recorded = [message["content"] for message in body["messages"]]
    assert [message["sent"] for message in told["messages"]] == recorded
    assert told["messages"][-1]["original"].endswith(PERSONAL)
    assert "ANON_IBAN_0001" in page.text and "Tel qu’il est parti" in page.text
    assert others == [404, 404, 404]


async def test_refuse_answers_nothing_and_audits_kinds_only(outside: Live, provider: Provider, acme: House) -> None:
    await set_privacy(acme, outcome="refuse")

    _started, events = await turn(outside, acme, PERSONAL)

    def audited() -> Any:
        try:
            with acme.person("auditor").acting():
                return AuditEvent.objects.filter(action="privacy.refused").order_by("-seq")[0].facts
        finally:
            connections.close_all()

    facts = await sync_to_async(audited)()
    assert (events[-1]["type"], events[-1]["code"]) == ("run.failed", "no_permitted_model")
    assert provider.requests() == []
    assert "iban:message" in facts["found"]
    assert not any(secret in json.dumps(facts) for secret in SECRETS)


async def test_the_preview_says_where_a_message_would_go_and_sends_nothing(
    outside: Live, provider: Provider, acme: House
) -> None:
    async with client(outside, acme.person("member")) as http:
        personal = (await http.post("/api/v1/routing/preview/", json={"content": PERSONAL})).json()
        clean = (await http.post("/api/v1/routing/preview/", json={"content": "Bonjour"})).json()
        nobody = await http.post("/api/v1/routing/preview/", json={"content": ""})
    await set_privacy(acme, outcome="pseudonymise")
    async with client(outside, acme.person("member")) as http:
        masked = (await http.post("/api/v1/routing/preview/", json={"content": PERSONAL})).json()

    assert (personal["route"], personal["sensitive"], personal["score"], personal["model"]) == ("refused", True, 1.0, None)
    assert [PERSONAL[one["start"] : one["end"]] for one in personal["findings"]] == SECRETS
    assert (clean["route"], clean["sensitive"], clean["score"]) == ("cloud", False, 0.0)
    assert 0 <= clean["difficulty"] <= 1
    assert (masked["route"], masked["model"]) == ("pseudonymised", "openai/sim")
    assert nobody.status_code == 400
    assert provider.requests() == []


@dataclasses.dataclass
class Finds:
    """A retriever that finds one passage."""

    text: str

    def retrieve(self, **asked: Any) -> list[Citation]:
        fields: dict[str, Any] = {field.name: None for field in dataclasses.fields(Citation)}
        return [Citation(**{**fields, "text": self.text, "title": "Paie.pdf", "page": 1, "language": "fr"})]


@pytest.mark.parametrize("passage", [f"Virement sur {SECRETS[2]}.", "Rien de personnel ici."])
async def test_a_passage_found_counts_as_what_is_said(
    acme: House, provider: Provider, monkeypatch: pytest.MonkeyPatch, passage: str
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", provider.base)
    monkeypatch.setenv("CLOISON_OPENAI_MODEL", "sim")
    monkeypatch.setenv("CLOISON_OPENAI_LOCALITY", "cloud")
    member = acme.person("member")
    service = AnswerService(router=LLMRouter(access=EveryModel()), retriever=Finds(passage), keeper=PrivacyKeeper())
    answer: Callable[[], Any] = lambda: service.answer(Turn(user=member.user, question="Où payer ?"))  # noqa: E731
    await sync_to_async(lambda: member.user.pk)()

    with member.acting():
        if "Virement" in passage:
            with pytest.raises(NoPermittedModel) as refused:
                await anext(answer())
            assert refused.value.extra["reasons"] == ["iban:passage"]
        else:
            stream = answer()
            assert (await anext(stream)).as_json()["route"] == "cloud"
            await stream.aclose()

    assert provider.requests() == []


class Breaks(LLMRouter):
    """A provider that breaks off within a placeholder."""

    async def stream(self, request: ChatRequest, decision: Decision) -> AsyncGenerator[ChatEvent, None]:
        yield TextDelta("Écrivez à ANON_EM")
        raise ProviderUnavailable


async def test_half_a_placeholder_is_not_shown_where_an_answer_breaks_off(
    acme: House, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", provider.base)
    monkeypatch.setenv("CLOISON_OPENAI_MODEL", "sim")
    monkeypatch.setenv("CLOISON_OPENAI_LOCALITY", "cloud")
    await set_privacy(acme, outcome="pseudonymise")
    member, shown = acme.person("member"), ""
    service = AnswerService(router=Breaks(access=EveryModel()), retriever=Finds("Rien."), keeper=PrivacyKeeper())
    await sync_to_async(lambda: member.user.pk)()

    with member.acting(), pytest.raises(ProviderUnavailable):
        async for event in service.answer(Turn(user=member.user, question=f"À qui ? {SECRETS[0]}")):
            shown += event.text if isinstance(event, Delta) else ""

    assert shown == "Écrivez à "
