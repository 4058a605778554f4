"""Which model answers: never one that nobody configured, never another one in silence."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gateway import catalogue, discovery
from gateway.access import EveryModel
from gateway.router import LLMRouter
from gateway.types import ChatMessage, ChatRequest, NoPermittedModel, ProviderUnavailable, TextDelta
from tests.gateway.conftest import Provider

ROUTER = LLMRouter(access=EveryModel())
NAMES = (
    "OLLAMA_API_BASE OPENAI_API_BASE OPENAI_API_KEY CLOISON_MODEL CLOISON_OPENAI_MODEL CLOISON_OLLAMA_MODEL"
    " CLOISON_OPENAI_LOCALITY CLOISON_CONTEXT_WINDOW"
)


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in NAMES.split():
        monkeypatch.delenv(name, raising=False)
    catalogue.forget()
    yield
    catalogue.forget()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_the_built_in_model_answers_where_nothing_else_is_configured() -> None:
    decision = await ROUTER.route()

    assert decision.model.id == "builtin"
    assert decision.route == "local"
    assert decision.reasons == ("builtin_only",)


async def test_a_configured_model_takes_its_place(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", provider.base)

    decision = await ROUTER.route()
    request = ChatRequest(model=decision.model.id, messages=(ChatMessage("user", "[[sim tokens=3]]"),))
    events = [event async for event in ROUTER.stream(request, decision)]

    assert decision.model.id == "openai/sim"
    assert decision.route == "local"
    assert any(isinstance(event, TextDelta) for event in events)
    assert {model.name for model in catalogue.available()} == {"sim", "sim-fast"}  # sim-embed cannot chat.


async def test_a_model_can_be_named_by_id_or_by_the_providers_name(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", provider.base)

    assert (await ROUTER.route(model="openai/sim-fast")).model.name == "sim-fast"
    assert (await ROUTER.route(model="sim-fast")).reasons == ("named",)
    assert (await ROUTER.route(model="builtin")).model.id == "builtin"
    with pytest.raises(NoPermittedModel):
        await ROUTER.route(model="gpt-unheard-of")


@pytest.mark.parametrize("named", [True, False])
async def test_a_local_model_that_is_down_is_not_replaced(closed_port: int, named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_BASE", f"http://127.0.0.1:{closed_port}")
    if named:
        monkeypatch.setenv("CLOISON_OLLAMA_MODEL", "llama")

    with pytest.raises(NoPermittedModel):
        decision = await ROUTER.route()
        request = ChatRequest(model=decision.model.id, messages=(ChatMessage("user", "Hello"),))
        assert [event async for event in ROUTER.stream(request, decision)]


async def test_a_local_model_that_is_down_does_not_send_the_question_to_the_cloud(
    provider: Provider, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_BASE", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("OPENAI_API_BASE", provider.base)
    monkeypatch.setenv("CLOISON_OPENAI_LOCALITY", "cloud")

    with pytest.raises(NoPermittedModel):
        await ROUTER.route()


async def test_a_provider_that_is_down_is_unavailable(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", f"http://127.0.0.1:{closed_port}/v1")

    with pytest.raises(ProviderUnavailable):
        await ROUTER.route()


@pytest.mark.parametrize(
    ("base", "locality"),
    [
        ("http://127.0.0.1:8080/v1", "local"),
        ("http://localhost:1234/v1", "local"),
        ("http://192.168.1.7/v1", "local"),
        ("http://[::1]:80/v1", "local"),
        ("https://api.openai.com/v1", "cloud"),
        ("https://8.8.8.8/v1", "cloud"),
        ("https://localhost.example.com/v1", "cloud"),
    ],
)
def test_locality_follows_the_address(base: str, locality: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", base)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")

    assert catalogue.available()[0].locality == locality
    assert "canary" not in repr(catalogue.providers())


def test_ollamas_cloud_models_are_in_the_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_BASE", "http://127.0.0.1:11434")
    monkeypatch.setenv("CLOISON_OLLAMA_MODEL", "llama3.2,gpt-oss:120b-cloud")

    assert [model.locality for model in catalogue.available()] == ["local", "cloud"]


async def test_a_local_server_is_found_when_asked_for(provider: Provider, closed_port: int) -> None:
    port = int(provider.address.rsplit(":", 1)[1])

    found = await discovery.local_servers(ollama=port, llamacpp=port)

    assert [server.name for server in found] == ["Ollama"]  # The simulator's /v1/models does not call itself llama.cpp.
    assert found[0].setting == f"OLLAMA_API_BASE=http://127.0.0.1:{port}"
    assert await discovery.local_servers(ollama=closed_port, llamacpp=closed_port) == ()
