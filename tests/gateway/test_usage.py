"""Every call of a model is recorded once, whatever became of it, and shown to whom it concerns."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, transaction
from django.test import Client

from assistants.conversations.answers import AnswerService, Delta, Turn, Used
from assistants.conversations.privacy import PrivacyKeeper
from core import metrics
from gateway import budgets, catalogue, provider_accounts, rules, snapshots, usage
from gateway.budgets import Limits
from gateway.metering import Accounting, Caller, cost_of
from gateway.models import BudgetPeriod, CatalogueModel, ProviderAccount, UsageRecord
from gateway.router import LLMRouter
from gateway.types import BudgetExceeded, ChatMessage, ChatRequest, ModelInfo, ProviderError
from isolation import context
from tests import wire
from tests.conftest import Live
from tests.gateway.conftest import Provider
from tests.people import PASSWORD, Actor, House

D = Decimal


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    catalogue.forget()
    yield
    catalogue.forget()


class Forgetful(PrivacyKeeper):
    """These turns have no row of a run to keep anything with."""

    def keep(self, *args: Any, **kwargs: Any) -> None:
        return None


class NoDocuments:
    def retrieve(self, **_wanted: Any) -> list[Any]:
        return []


@pytest.fixture
def priced(acme: House, provider: Provider, settings: Any) -> House:
    """Acme with the simulator as its own provider, at a thousand and two thousand a million tokens."""
    settings.CLOISON_ALLOW_LOCAL_PROVIDERS = True
    admin = acme.person("admin")
    with admin.acting():
        account = ProviderAccount(name="Sim", base=provider.base, locality="cloud")
        provider_accounts.save_account(actor=admin.user, account=account)
        CatalogueModel.objects.create(account=account, name="sim", input_price=1000, output_price=2000, currency="EUR")
        provider_accounts.models_changed(actor=admin.user, account=account)
    return acme


def turn_of(actor: Actor, question: str) -> Turn:
    return Turn(user=actor.user, question=question, run=uuid.uuid4(), conversation=uuid.uuid4())


async def answer(turn: Turn, *, most: int | None = None) -> AsyncIterator[Any]:
    service = AnswerService(router=LLMRouter(), retriever=NoDocuments(), keeper=Forgetful())
    stream = service.answer(turn)
    deltas = 0
    try:
        async for event in stream:
            yield event
            deltas += isinstance(event, Delta)
            if most and deltas >= most:
                break
    finally:
        await stream.aclose()


def records(house: House) -> list[UsageRecord]:
    with house.person("admin").acting():
        return list(UsageRecord.objects.order_by("pk"))


async def ask(actor: Actor, turn: Turn, **more: Any) -> list[Any]:
    async def work() -> list[Any]:
        context.enter(actor.context)
        return [event async for event in answer(turn, **more)]

    return await asyncio.create_task(work())


def counter(house: House, outcome: str) -> float:
    return metrics.LLM_REQUESTS.labels(metrics.tenant_label(house.schema), "own-sim/sim", outcome)._value.get()


async def test_a_turn_is_recorded_with_its_price(priced: House) -> None:
    member = priced.person("member")
    turn = await sync_to_async(turn_of)(member, "[[sim tokens=7]] hello")
    before = counter(priced, "completed")

    events = await ask(member, turn)

    [used] = [event for event in events if isinstance(event, Used)]
    [record] = await sync_to_async(records)(priced)
    assert (record.call, record.run, record.user) == (turn.run, turn.run, member.user.pk)
    assert (record.model, record.provider, record.route, record.outcome) == ("own-sim/sim", "own-sim", "cloud", "completed")
    assert (record.input_tokens, record.output_tokens) == (used.input_tokens, used.output_tokens)
    assert record.cost == (D(1000) * record.input_tokens + D(2000) * record.output_tokens) / 1_000_000 > 0
    assert (used.cost, used.currency) == (float(record.cost), "EUR")
    assert record.first_token_ms is not None and record.latency_ms >= record.first_token_ms
    assert not record.estimated
    assert record.trace == {"reasons": ["only_model"], "fallbacks": []}
    assert counter(priced, "completed") == before + 1


async def test_a_model_that_takes_over_was_reserved_for_and_the_console_says_why(priced: House, provider: Provider) -> None:
    admin, member = priced.person("admin"), priced.person("member")

    def two_models() -> None:
        with admin.acting():
            account = ProviderAccount.objects.get()
            CatalogueModel.objects.create(account=account, name="dear", input_price=100_000, output_price=100_000, currency="EUR")
            provider_accounts.models_changed(actor=admin.user, account=account)
            chain = {"choose": "pinned", "models": ["own-sim/sim"], "fallbacks": ["own-sim/dear"]}
            rules.save(actor=admin.user, privacy={}, routing=chain)

    await sync_to_async(two_models)()
    request = ChatRequest(model="own-sim/sim", messages=(ChatMessage("user", "hello"),), max_tokens=10)
    models = {model.name: model for model in await sync_to_async(known)(admin)}

    async def reserved(*others: ModelInfo) -> Decimal:
        context.enter(member.context)
        caller = Caller(user=member.user.pk)
        meter = await Accounting().open(request, models["sim"], "cloud", caller, others)
        await meter.close()
        return meter.reservation.call.money

    assert await asyncio.create_task(reserved(models["dear"])) > 40 * await asyncio.create_task(reserved())
    turn = await sync_to_async(turn_of)(member, "[[sim tokens=3 fault=http-401 fault_model=sim]] hello")
    await ask(member, turn)
    record = (await sync_to_async(records)(priced))[-1]
    assert (record.model, record.trace["fallbacks"]) == ("own-sim/dear", ["own-sim/dear"])
    assert record.trace["rerouted"] == [{"from": "own-sim/sim", "to": "own-sim/dear", "reason": "provider_rejected"}]
    page = await sync_to_async(admin.api.get)(f"/admin/gateway/usagerecord/{record.pk}/change/")
    assert "own-sim/sim → own-sim/dear" in page.content.decode()
    await sync_to_async(lambda: back(admin))()


async def test_two_hundred_turns_at_once_keep_the_budget_and_the_ledger_agrees_with_the_provider(
    priced: House, provider: Provider, settings: Any
) -> None:
    settings.CLOISON_FIRST_TOKEN_TIMEOUT = settings.CLOISON_GAP_TIMEOUT = 60
    admin, member = priced.person("admin"), priced.person("member")
    each = cost_of((await sync_to_async(known)(admin))[0], 20, 1000)  # About what a call reserves: a usual answer.

    def limit() -> None:
        with admin.acting():
            budgets.set_budget(actor=admin.user, scope="tenant", subject="", period="month", limits=Limits(60 * each, None))

    await sync_to_async(limit)()
    provider.reset()

    async def one(number: int) -> str:
        context.enter(member.context)
        turn = Turn(user=member.user, question=f"[[sim tokens=40 itl=2]] {number}", run=uuid.uuid4(), conversation=uuid.uuid4())
        try:
            async for _event in answer(turn):
                pass
        except BudgetExceeded:
            return "refused"
        return "served"

    outcomes = await asyncio.gather(*(asyncio.create_task(one(number)) for number in range(200)))

    kept = await sync_to_async(records)(priced)
    stats = provider.stats()
    assert len(kept) == outcomes.count("served") == stats["requests"] == stats["finished"]
    assert 0 < len(kept) <= 200 and "refused" in outcomes
    assert sum(record.output_tokens for record in kept) == stats["tokens"] == 40 * len(kept)
    assert sum(record.cost for record in kept) <= 60 * each
    with_budget = await sync_to_async(spent)(admin)
    assert with_budget == sum(record.cost for record in kept)


def spent(admin: Actor) -> Decimal:
    with admin.acting():
        [period] = BudgetPeriod.objects.all()
        assert period.reserved == 0
        return period.spent


def known(actor: Actor) -> tuple[ModelInfo, ...]:
    with actor.acting():
        return catalogue.available()


def back(admin: Actor) -> None:
    with admin.acting():
        rules.save(actor=admin.user, privacy={}, routing={})


async def test_a_stopped_answer_and_a_broken_one_are_paid_for_once(priced: House) -> None:
    member = priced.person("member")

    def limited() -> None:
        admin = priced.person("admin")
        with admin.acting():
            limits = Limits(D(100), None)
            budgets.set_budget(actor=admin.user, scope="tenant", subject="", period="month", limits=limits)

    await sync_to_async(limited)()
    await ask(member, await sync_to_async(turn_of)(member, "[[sim tokens=500 itl=10]] stop me"), most=3)
    with pytest.raises(ProviderError):
        await ask(member, await sync_to_async(turn_of)(member, "[[sim tokens=50 fault=disconnect fault_at=10]] break off"))
    await ask(member, await sync_to_async(turn_of)(member, "[[sim tokens=5]] whole"))

    stopped, failed, whole = await sync_to_async(records)(priced)
    assert (stopped.outcome, failed.outcome, whole.outcome) == ("stopped", "failed", "completed")
    assert stopped.estimated and stopped.input_tokens > 0 and 0 < stopped.output_tokens < 100
    assert stopped.cost > 0

    def ledger() -> BudgetPeriod:
        with context.use(context.service(priced.schema)):
            return BudgetPeriod.objects.get()

    period = await sync_to_async(ledger)()
    assert period.spent == stopped.cost + failed.cost + whole.cost
    assert period.reserved == 0 and period.reserved_tokens == 0


async def test_a_used_up_budget_ends_the_run_with_its_code(live: Live, acme: House) -> None:
    member = acme.person("member")

    def limited() -> str:
        admin = acme.person("admin")
        with admin.acting():
            limits = Limits(None, 1)
            made = budgets.set_budget(
                actor=admin.user, scope="user", subject=f"user:{member.user.pk}", period="day", limits=limits
            )
            return str(made.public_id)

    budget = await sync_to_async(limited)()
    await asyncio.sleep(snapshots.FRESH + 0.5)
    async with wire.client(live, member) as http:
        sent = await wire.ask(http, "What is an otter?")
        events = await wire.sse(http, f"/api/v1/runs/{sent['run']['id']}/events/")
    async with wire.client(live, acme.person("member2")) as http:
        sent = await wire.ask(http, "What is an otter?")
        others = await wire.sse(http, f"/api/v1/runs/{sent['run']['id']}/events/")

    assert budget
    assert events[-1]["type"] == "run.failed" and events[-1]["code"] == "budget_exceeded" and not events[-1]["retryable"]
    assert others[-1]["type"] == "run.completed"  # The control: a colleague is not bound.
    assert {event["currency"] for event in others if event["type"] == "usage"} == {"EUR"}


@pytest.mark.parametrize("name", ["api_base", "api_key", "extra_headers", "base_url", "metadata"])
def test_case_44_where_a_request_goes_is_not_the_callers_to_say(acme: House, name: str) -> None:
    member = acme.person("member")
    conversation = member.api.post("/api/v1/conversations/", {}, content_type="application/json").json()["id"]
    url = f"/api/v1/conversations/{conversation}/messages/"
    body = {"content": "Otter?", name: "http://attacker.example/"}

    answer = member.api.post(url, body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["code"] == "parameter_not_allowed" and answer.json()["field"] == name
    assert member.api.get(url).json()["results"] == []
    assert member.api.post(url, {"content": "Otter?"}, content_type="application/json").status_code == 202  # The control.


async def test_case_44_the_socket_refuses_them_too(live: Live, acme: House) -> None:
    async with wire.socket(live, acme.person("member")) as link:
        await link.send(type="message.send", content="Otter?", key="k1", api_base="http://attacker.example/")
        refused = await link.receive()

    assert (refused["type"], refused["code"]) == ("error", "parameter_not_allowed")


async def test_case_44_a_provider_gets_the_question_and_nothing_of_ours(priced: House, provider: Provider) -> None:
    """The body holds model, messages and how to stream; the person's address and keys are not in it."""
    from gateway.clients.openai import OpenAIClient
    from gateway.types import ChatMessage, ChatRequest

    body = OpenAIClient(provider.base, "sk-secret").body(ChatRequest("sim", (ChatMessage("user", "x"),)))

    assert set(body) == {"model", "messages", "stream", "stream_options"}
    assert "sk-secret" not in json.dumps(body)


def write(house: House, actor: Actor, *, cost: str = "1", model: str = "openai/sim", route: str = "cloud") -> None:
    call = uuid.uuid4()
    with context.use(context.service(house.schema)):
        UsageRecord.objects.create(
            call=call, user=actor.user.pk, model=model, provider="openai", route=route, input_tokens=10, output_tokens=5,
            cost=D(cost), currency="EUR", latency_ms=1, outcome="completed",
        )  # fmt: skip


def test_everybody_sees_their_own_and_some_see_all(acme: House, globex: House) -> None:
    member, colleague = acme.person("member"), acme.person("member2")
    write(acme, member, cost="2")
    write(acme, colleague, cost="3", model="openai/other", route="local")
    write(globex, globex.person("member"), cost="100")

    own = member.api.get("/api/v1/usage/").json()
    everything = acme.person("admin").api.get("/api/v1/usage/?by=model").json()
    by_person = acme.person("auditor").api.get("/api/v1/usage/?by=user").json()
    mine = acme.person("manager").api.get("/api/v1/usage/?mine=1").json()

    assert (own["total"]["calls"], D(own["total"]["cost"]), own["currency"]) == (1, D(2), "EUR")
    assert own["results"][0]["key"] == datetime.now(UTC).date().isoformat()
    assert [(row["key"], D(row["cost"])) for row in everything["results"]] == [("openai/other", D(3)), ("openai/sim", D(2))]
    assert [row["key"] for row in by_person["results"]] == [str(colleague.user.public_id), str(member.user.public_id)]
    assert mine["results"] == [] and mine["total"]["calls"] == 0
    assert member.api.get("/api/v1/usage/?by=user").json()["total"]["calls"] == 1
    assert member.api.get("/api/v1/usage/?since=2020-01-01").status_code == 400


def test_records_are_only_added_to(acme: House, globex: House) -> None:
    member = acme.person("member")
    write(acme, member)

    for here in (acme.person("admin").context, context.service(acme.schema)):
        with context.use(here), pytest.raises(DatabaseError), transaction.atomic():
            UsageRecord.objects.update(cost=0)
    with acme.person("admin").acting(), pytest.raises(DatabaseError), transaction.atomic():
        UsageRecord.objects.all().delete()
    with context.use(context.service(acme.schema)):
        assert UsageRecord.objects.all().delete()[0] == 0  # Too young to go.
    with acme.person("member2").acting():
        assert not UsageRecord.objects.exists()
    with globex.person("admin").acting():
        assert not UsageRecord.objects.exists()
    with member.acting():
        assert UsageRecord.objects.get()


def test_old_records_go(acme: House, owner: psycopg.Connection, settings: Any) -> None:
    write(acme, acme.person("member"))
    write(acme, acme.person("member"))
    owner.execute(
        f"UPDATE {acme.schema}.gateway_usagerecord SET created_at = now() - interval '500 days'"
        f" WHERE id = (SELECT min(id) FROM {acme.schema}.gateway_usagerecord)"
    )

    with context.use(context.service(acme.schema)):
        assert usage.forget_old() == 1
        assert UsageRecord.objects.count() == 1


def test_prices_in_other_money_are_converted(settings: Any) -> None:
    settings.CLOISON_EXCHANGE_RATES = "USD=0.5"
    model = ModelInfo("x/y", "y", "x", "cloud", 1, input_price=D(2), output_price=D(4), currency="USD")

    assert cost_of(model, 1_000_000, 500_000) == D(2)
    assert cost_of(ModelInfo("x/y", "y", "x", "cloud", 1), 10, 10) == 0


def test_the_console_and_the_include_show_the_month(acme: House, globex: House, owner: psycopg.Connection) -> None:
    for _number in range(3):
        write(acme, acme.person("member"), cost="0.5")
    write(globex, globex.person("member"), route="pseudonymised")
    console = Client(headers={"host": acme.host}, raise_request_exception=False)
    console.post("/login/", {"email": acme.person("admin").email, "password": PASSWORD})

    page = console.get("/admin/").content.decode()
    listed = console.get("/admin/gateway/usagerecord/")
    with acme.person("member").acting():
        shown = usage.chart_context(acme.person("member").user)
    with acme.person("member2").acting():
        others = usage.chart_context(acme.person("member2").user)

    assert '<rect class="cloud"' in page and '<rect class="masked"' not in page
    assert listed.status_code == 200 and "Benali" in listed.content.decode()
    assert (shown["calls"], shown["cost"], shown["legend"]["cloud"]) == (3, D("1.50"), 3)
    assert others["calls"] == 0 and others["chart"]["bars"] == []
    for path in ("budget/", "budget/add/"):
        assert console.get(f"/admin/gateway/{path}").status_code == 200
    made = console.post("/admin/gateway/budget/add/", {"binds": "", "period": "month", "money_limit": "5", "warn_percent": "80"})
    assert made.status_code == 302
    assert "l’organisation" in console.get("/admin/gateway/budget/").content.decode()
    with acme.person("admin").acting():
        record = UsageRecord.objects.first()
        assert record
    assert console.get(f"/admin/gateway/usagerecord/{record.pk}/change/").status_code == 200
    operator = Client(headers={"host": "localhost"}, raise_request_exception=False)
    sent = {"username": "operator@cloison.test", "password": PASSWORD, "next": "/admin/"}
    assert operator.post("/admin/login/", sent).status_code == 302
    limits = {"binds": acme.schema, "period": "month", "token_limit": "500000", "warn_percent": "80", "enabled": "on"}
    assert operator.post("/admin/gateway/budget/add/", limits).status_code == 302
    assert "Acme" in operator.get("/admin/gateway/budget/").content.decode()
    owner.execute("TRUNCATE public.gateway_budget CASCADE")
