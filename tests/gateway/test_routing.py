"""How the router chooses, and who takes over when a model fails."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from gateway import catalogue, snapshots
from gateway.access import EveryModel
from gateway.health import Health, key_of
from gateway.router import Decision, LLMRouter, needs_of
from gateway.types import (
    Audio,
    BudgetExceeded,
    ChatEvent,
    ChatMessage,
    ChatRequest,
    ContextTooLong,
    Estimate,
    Finish,
    Image,
    Locality,
    ModelInfo,
    Needs,
    NoPermittedModel,
    ProviderInvalid,
    ProviderTimeout,
    ProviderUnavailable,
    Rerouted,
    RoutingPolicy,
    TextDelta,
    Tool,
    Wire,
)
from gateway.types import Provider as Account
from tests.gateway.conftest import Provider

STAMP = re.compile(r" ~[0-9a-f]{9}")
EVERYTHING = frozenset({"text", "images", "tools", "structured"})
LOCAL: frozenset[Locality] = frozenset({"local"})
HARD = "Prove that the sequence converges, compare both methods step by step and justify every assumption."


def model(name: str, provider: str, locality: Locality = "cloud", window: int = 8192, **more: Any) -> ModelInfo:
    return ModelInfo(f"{provider}/{name}", name, provider, locality, window, **more)


def priced(name: str, provider: str, price: str, **more: Any) -> ModelInfo:
    return model(name, provider, input_price=Decimal(price), output_price=Decimal(price) * 4, **more)


SMALL = model("small", "house", "local", window=4096)
CHEAP = priced("cheap", "blue", "0.1")
GREAT = priced("great", "red", "3", abilities=EVERYTHING, window=200_000)


@dataclass
class Source:
    """Three accounts of three wires at the simulator."""

    address: str = "http://127.0.0.1:9"
    models: tuple[ModelInfo, ...] = (SMALL, CHEAP, GREAT)
    wires: dict[str, Wire] = field(default_factory=lambda: {"house": "ollama", "blue": "openai", "red": "anthropic"})

    async def load(self) -> tuple[ModelInfo, ...]:
        return self.models

    def providers(self) -> tuple[Account, ...]:
        return tuple(self.account(name) for name in self.wires)

    def provider_of(self, model: ModelInfo) -> Account:
        return self.account(model.provider)

    def account(self, name: str) -> Account:
        wire = self.wires[name]
        base = f"{self.address}/v1" if wire == "openai" else self.address
        return Account(name, base, "", "local" if name == "house" else "cloud", (), wire=wire)


@dataclass(frozen=True)
class Purse:
    most: Decimal

    async def allows(self, model: ModelInfo, estimate: Estimate) -> bool:
        return (estimate.cost or Decimal(0)) <= self.most


def router(address: str = "http://127.0.0.1:9", **more: Any) -> LLMRouter:
    return LLMRouter(access=EveryModel(), source=Source(address), health=Health(shared=False, pause=0.3), **more)


async def chosen(routing: RoutingPolicy, **more: Any) -> Decision:
    return await router().route(policy=routing, **more)


def asking(directive: str, **more: Any) -> ChatRequest:
    return ChatRequest(model="x", messages=(ChatMessage("user", f"Hello [[sim {directive}]]"),), **more)


async def collect(found: LLMRouter, request: ChatRequest, decision: Decision) -> list[ChatEvent]:
    return [event async for event in found.stream(request, decision)]


def words(events: list[ChatEvent]) -> int:
    return len(STAMP.findall("".join(event.text for event in events if isinstance(event, TextDelta))))


@pytest.fixture(autouse=True)
def no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOISON_MODEL", raising=False)


async def test_a_pinned_model_comes_first_with_its_fallbacks_behind() -> None:
    decision = await chosen(RoutingPolicy(models=("red/great",), fallbacks=("blue/cheap", "house/small", "no/such")))

    assert decision.model == GREAT
    assert decision.reasons == ("pinned",)
    assert decision.fallbacks == (CHEAP, SMALL)


async def test_the_privacy_verdict_binds_choice_and_fallbacks() -> None:
    policy = RoutingPolicy(models=("red/great",), fallbacks=("blue/cheap", "house/small"))

    decision = await chosen(policy, localities=LOCAL)

    assert decision.model == SMALL
    assert decision.route == "local"
    assert decision.fallbacks == ()
    assert "filtered_privacy" in decision.reasons
    with pytest.raises(NoPermittedModel):
        await chosen(RoutingPolicy(models=("red/great",)), localities=LOCAL)
    with pytest.raises(NoPermittedModel):
        await router().route(model="red/great", localities=LOCAL)
    assert (await router().route(model="red/great")).model == GREAT


async def test_without_a_policy_the_verdict_binds_too() -> None:
    found = LLMRouter(access=EveryModel(), source=Source(models=(CHEAP, GREAT, SMALL), wires={"blue": "openai", "red": "anthropic", "house": "ollama"}), health=Health(shared=False))  # fmt: skip

    assert (await found.route()).model == CHEAP
    assert (await found.route(localities=LOCAL)).model == SMALL


async def test_the_cheapest_that_is_able_is_chosen() -> None:
    cheapest = RoutingPolicy("cheapest")

    assert (await chosen(cheapest)).model == SMALL  # What runs in the house costs nothing.
    assert (await chosen(cheapest, needs=Needs(input_tokens=6_000))).model == CHEAP
    seeing = await chosen(cheapest, needs=Needs(frozenset({"images"})))
    assert seeing.model == GREAT
    assert seeing.reasons == ("cheapest", "filtered_ability")
    assert (await chosen(cheapest, needs=Needs(input_tokens=100_000))).reasons == ("cheapest", "filtered_window")
    with pytest.raises(ContextTooLong):
        await chosen(cheapest, needs=Needs(input_tokens=900_000))
    with pytest.raises(NoPermittedModel):
        await chosen(cheapest, needs=Needs(frozenset({"audio"})))


async def test_a_sound_goes_only_to_who_hears() -> None:
    hearing = model("hearing", "blue", abilities=frozenset({"text", "audio"}))
    also = model("also", "blue", abilities=frozenset({"text", "audio"}))
    deaf = RoutingPolicy(models=("red/great", "blue/hearing"), fallbacks=("house/small", "red/great", "blue/also"))
    request = ChatRequest(model="x", messages=(ChatMessage("user", "Hello", audio=(Audio(b"x"),)),))
    found = LLMRouter(
        access=EveryModel(), source=Source(models=(SMALL, GREAT, hearing, also)), health=Health(shared=False, pause=0.3)
    )

    decision = await found.route(policy=deaf, needs=needs_of(request))

    assert (decision.model, decision.fallbacks) == (hearing, (also,))
    assert decision.reasons == ("pinned", "filtered_ability")
    with pytest.raises(NoPermittedModel) as raised:
        await found.route(model="red/great", needs=needs_of(request))
    assert raised.value.extra["reasons"] == ["filtered_ability", "needs_audio"]


@pytest.mark.parametrize("wire", ["openai", "litellm", "ollama", "anthropic"])
def test_a_model_hears_where_its_wire_carries_sounds(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    row = snapshots.Row("", "", "", None, frozenset({"images", "audio"}), None, None, "EUR")
    monkeypatch.setattr(catalogue, "_row", lambda provider, name: row)

    told = catalogue.info(Account("blue", "http://127.0.0.1:9", "", "cloud", (), wire=wire), "sim")

    assert ("audio" in told.abilities) is (wire in {"openai", "litellm"})
    assert "images" in told.abilities


async def test_the_budget_excludes_what_it_does_not_allow() -> None:
    needs = Needs(frozenset({"images"}), input_tokens=1_000)

    assert (await router(budget=Purse(Decimal(1))).route(policy=RoutingPolicy("cheapest"), needs=needs)).model == GREAT
    with pytest.raises(BudgetExceeded):
        await router(budget=Purse(Decimal("0.0001"))).route(policy=RoutingPolicy("cheapest"), needs=needs)
    poor = await router(budget=Purse(Decimal("0.0001"))).route(policy=RoutingPolicy(models=("red/great", "house/small")))
    assert (poor.model, poor.reasons) == (SMALL, ("pinned", "filtered_budget"))


async def test_the_fastest_is_the_one_that_was_fast() -> None:
    found = router()
    for name, seconds in (("house/small", 2.0), ("blue/cheap", 0.2), ("red/great", 0.5)):
        found.health.observe(name, seconds)

    assert (await found.route(policy=RoutingPolicy("fastest"))).model == CHEAP
    for _ in range(10):
        found.health.observe("blue/cheap", 5.0)
    assert (await found.route(policy=RoutingPolicy("fastest"))).model == GREAT


async def test_auto_takes_the_able_model_for_what_is_hard_and_says_why() -> None:
    auto = RoutingPolicy("auto", models=("blue/cheap", "red/great"))

    easy = await chosen(auto, needs=Needs(question="Bonjour, quelle est la capitale de l'Italie ?"))
    hard = await chosen(auto, needs=Needs(question=HARD))

    assert (easy.model, easy.reasons[0]) == (CHEAP, "auto_easy")
    assert (hard.model, hard.reasons[0]) == (GREAT, "auto_hard")
    assert "asks_proof" in hard.reasons
    assert easy.difficulty and hard.difficulty and easy.difficulty.score < 0.5 < hard.difficulty.score
    assert easy.fallbacks == (GREAT,)


def test_needs_are_read_from_a_request() -> None:
    request = ChatRequest(
        "x", (ChatMessage("user", "What is this?", images=(Image(b"x"),)),), tools=(Tool("t", "", {}),), schema={}, max_tokens=9
    )

    needs = needs_of(request)

    assert needs.abilities == {"images", "tools", "structured"}
    assert needs.question == "What is this?"
    assert needs.input_tokens > 1000
    assert needs.output_tokens == 9


async def test_a_fallback_answers_and_says_so(provider: Provider) -> None:
    found = router(provider.address)
    decision = await found.route(policy=RoutingPolicy(models=("blue/cheap",), fallbacks=("red/great",)))

    events = await collect(found, asking("tokens=7 itl=1 fault=http-401 fault_model=cheap"), decision)

    assert events[0] == Rerouted("blue/cheap", "red/great", "provider_rejected")
    assert words(events) == 7
    assert events[-1] == Finish("stop")


@pytest.mark.parametrize("localities", [None, LOCAL])
async def test_a_local_model_that_is_down_is_replaced_only_as_policy_and_verdict_permit(
    provider: Provider, localities: frozenset[Locality] | None
) -> None:
    @dataclass
    class Down(Source):
        def account(self, name: str) -> Account:
            found = super().account(name)
            return replace(found, base="http://127.0.0.1:9") if name == "house" else found

    found = LLMRouter(access=EveryModel(), source=Down(provider.address), health=Health(shared=False))
    policy = RoutingPolicy(models=("house/small",), fallbacks=("red/great",))

    decision = await found.route(policy=policy, localities=localities)
    if localities is None:
        events = await collect(found, asking("tokens=3"), decision)
        assert events[0] == Rerouted("house/small", "red/great", "no_permitted_model")
    else:
        with pytest.raises(NoPermittedModel):
            await collect(found, asking("tokens=3"), decision)
        assert provider.stats()["requests"] == 0
    with pytest.raises(NoPermittedModel):  # Without a policy: never the cloud.
        await collect(found, asking("tokens=3"), await found.route())


async def test_the_built_in_model_is_the_last_resort_where_the_policy_says_so(provider: Provider) -> None:
    found = router(provider.address)
    policy = RoutingPolicy(models=("blue/cheap",), builtin=True)

    events = await collect(found, asking("fault=http-401"), await found.route(policy=policy))
    verdict = await found.route(policy=policy, localities=LOCAL)

    assert events[0] == Rerouted("blue/cheap", "builtin", "provider_rejected")
    assert verdict.reasons == ("builtin_last",)


async def test_a_prompt_that_is_too_long_goes_to_a_wider_window_only(provider: Provider) -> None:
    found = router(provider.address)
    decision = await found.route(policy=RoutingPolicy(models=("blue/cheap",), fallbacks=("house/small", "red/great")))

    events = await collect(found, asking("tokens=3 fault=context fault_model=cheap"), decision)

    assert events[0] == Rerouted("blue/cheap", "red/great", "context_too_long")


async def test_a_broken_answer_is_continued_by_another_model_where_configured(provider: Provider) -> None:
    found = router(provider.address)
    policy = RoutingPolicy(models=("blue/cheap",), fallbacks=("red/great",), continues=True)
    request = asking("tokens=8 itl=2 fault=disconnect fault_at=3 fault_model=cheap", language="fr")

    events = await collect(found, request, await found.route(policy=policy))

    assert Rerouted("blue/cheap", "red/great", "provider_unavailable", continued=True) in events
    assert words(events) == 3 + 8
    asked = provider.requests()[-1]["body"]["messages"]
    assert [message["role"] for message in asked] == ["user", "assistant", "user"]
    assert len(STAMP.findall(asked[1]["content"])) == 3
    assert asked[2]["content"].startswith("Ta réponse a été interrompue.")


async def test_where_all_failed_but_not_for_good_they_are_asked_once_more(provider: Provider) -> None:
    found = router(provider.address)
    decision = await found.route(policy=RoutingPolicy(models=("blue/cheap",), fallbacks=("red/great",)))

    events = await collect(found, asking("tokens=4 itl=2 fault=empty fault_first=2"), decision)
    with pytest.raises(ProviderInvalid):
        await collect(found, asking("fault=empty"), decision)

    assert [event for event in events if isinstance(event, Rerouted)] == [
        Rerouted("blue/cheap", "red/great", "provider_invalid"),
        Rerouted("red/great", "blue/cheap", "provider_invalid"),
    ]
    assert words(events) == 4
    assert provider.stats()["requests"] == 3 + 4


HEDGED = RoutingPolicy(models=("blue/cheap",), fallbacks=("red/great",), hedge_after=0.15)


async def test_where_one_is_silent_another_is_asked_beside_and_the_first_to_speak_answers(provider: Provider) -> None:
    found = router(provider.address)
    decision = await found.route(policy=HEDGED)

    events = await collect(found, asking("tokens=6 itl=1 fault=hang fault_model=cheap"), decision)

    assert events[0] == Rerouted("blue/cheap", "red/great", "hedged")
    assert words(events) == 6
    assert events[-1] == Finish("stop")
    await provider.until(1, requests=2, active=0)


async def test_one_that_speaks_in_time_is_alone(provider: Provider) -> None:
    found = router(provider.address)

    patient = replace(HEDGED, hedge_after=1.0)  # Longer than a busy machine's stalls; the answer takes longer still.
    events = await collect(found, asking("tokens=6 itl=250"), await found.route(policy=patient))

    assert not [event for event in events if isinstance(event, Rerouted)]
    assert words(events) == 6
    assert provider.stats()["requests"] == 1


async def test_a_hedge_that_fails_leaves_the_first_its_turn_and_closing_hangs_up_on_both(provider: Provider) -> None:
    found = router(provider.address)
    decision = await found.route(policy=HEDGED)

    events = await collect(found, asking("tokens=6 itl=1 ttft=300 fault=http-401 fault_model=great"), decision)
    stream = found.stream(asking("tokens=6 fault=hang"), decision)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await anext(stream)
    await stream.aclose()

    assert not [event for event in events if isinstance(event, Rerouted)]
    assert words(events) == 6
    await provider.until(1, requests=4, active=0)


async def test_otherwise_a_broken_answer_stays_and_may_be_asked_for_again(provider: Provider) -> None:
    found = router(provider.address)
    decision = await found.route(policy=RoutingPolicy(models=("blue/cheap",), fallbacks=("red/great",)))
    events: list[ChatEvent] = []

    with pytest.raises(ProviderUnavailable) as raised:
        async for event in found.stream(asking("tokens=8 itl=2 fault=disconnect fault_at=3"), decision):
            events.append(event)  # noqa: PERF401 (what came before the error is looked at)

    assert raised.value.retryable
    assert words(events) == 3
    assert provider.stats()["requests"] == 1


async def test_case_54_a_circuit_opens_after_five_failures_and_lets_one_try_after_its_pause(provider: Provider) -> None:
    found = router(provider.address)
    decision = await found.route(model="red/great")
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            await collect(found, asking("tokens=3 itl=1 fault=disconnect fault_at=1"), decision)
    asked = provider.stats()["requests"]

    with pytest.raises(ProviderUnavailable):
        await collect(found, asking("tokens=3"), decision)
    assert provider.stats()["requests"] == asked
    healthy = await found.route(policy=RoutingPolicy("cheapest", models=("red/great", "blue/cheap", "house/small")))
    assert "filtered_health" in healthy.reasons
    assert GREAT not in (healthy.model, *healthy.fallbacks)

    await asyncio.sleep(0.35)
    assert await found.health.enter(key_of(found.source.provider_of(GREAT)))  # the one that may try
    with pytest.raises(ProviderUnavailable):
        await collect(found, asking("tokens=3"), decision)
    await asyncio.sleep(0.35)
    assert words(await collect(found, asking("tokens=3"), decision)) == 3
    assert words(await collect(found, asking("tokens=3"), decision)) == 3


async def test_case_54_fallbacks_do_not_prolong_a_turn_past_its_time(provider: Provider, settings: Any) -> None:
    settings.CLOISON_FIRST_TOKEN_TIMEOUT = 0.5
    settings.CLOISON_ANSWER_TIMEOUT = 0.8
    found = router(provider.address)
    policy = RoutingPolicy(models=("blue/cheap", "red/great", "house/small"))
    began = time.monotonic()

    with pytest.raises(ProviderTimeout):
        await collect(found, asking("fault=hang"), await found.route(policy=policy))

    assert time.monotonic() - began < 1.2
    await provider.until(1, active=0)


async def test_closing_the_routers_stream_reaches_the_provider_within_a_second(provider: Provider) -> None:
    found = router(provider.address)
    stream = found.stream(asking("tokens=1000 itl=20"), await found.route(model="house/small"))
    await anext(stream)

    await stream.aclose()

    await provider.until(1, active=0, client_gone=1)


async def test_ollama_is_told_a_window_that_holds_the_prompt(provider: Provider) -> None:
    found = LLMRouter(
        access=EveryModel(),
        source=Source(provider.address, models=(replace(SMALL, context_window=32_768),)),
        health=Health(shared=False),
    )
    long = ChatRequest("x", (ChatMessage("user", "word " * 4_000 + "[[sim tokens=1]]"),))

    await collect(found, long, await found.route())
    await collect(found, asking("tokens=1"), await found.route())

    assert [request["body"]["options"]["num_ctx"] for request in provider.requests()] == [16_384, 8192]


async def test_case_54_circuits_are_shared_through_redis_and_kept_here_without_it(servers: None, settings: Any) -> None:
    settings.CLOISON_LIMITER_TIMEOUT = 2.0
    key = key_of(Account("shared", f"http://{time.time()}", "", "cloud", (), wire="openai"))
    mine, other = Health(pause=0.4), Health(pause=0.4)
    for _ in range(4):
        await mine.failed(key)
    assert await other.enter(key)
    await other.failed(key)  # the fifth, of another process

    assert not await mine.enter(key)
    assert await other.shut((key, "circuit:none")) == {key}
    await asyncio.sleep(0.45)
    assert [await mine.enter(key), await other.enter(key)] == [True, False]  # One alone may try.
    await mine.succeeded(key)
    assert await other.enter(key)

    settings.CLOISON_LIMITER_TIMEOUT = 0  # as without Redis
    alone = Health(pause=0.2)
    for _ in range(5):
        await alone.failed(key)
    assert not await alone.enter(key)
    assert await alone.shut((key,)) == {key}
    await asyncio.sleep(0.25)
    assert [await alone.enter(key), await alone.enter(key)] == [True, False]


async def test_case_54_a_success_forgives_the_failures_that_other_processes_counted(servers: None, settings: Any) -> None:
    settings.CLOISON_LIMITER_TIMEOUT = 2.0
    key = key_of(Account("forgiven", f"http://{time.time()}", "", "cloud", (), wire="openai"))
    mine, other = Health(), Health()
    assert await mine.enter(key)
    for _ in range(2):
        for _ in range(4):
            await other.failed(key)
        assert await mine.enter(key)
        await mine.succeeded(key)

    assert await other.enter(key)


async def test_a_redis_that_is_away_costs_no_time(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nobody:
        async def eval(self, *_: object) -> None:
            await asyncio.sleep(60)

    monkeypatch.setattr("gateway.health.streams.client", lambda **_: Nobody())
    settings.CLOISON_LIMITER_TIMEOUT = 0.05
    health = Health()
    began = time.monotonic()

    for _ in range(20):
        assert await health.enter("circuit:x")
        await health.succeeded("circuit:x")

    assert time.monotonic() - began < 0.3
