"""The OpenAI wire against a provider that misbehaves in every way we know."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import time
from typing import Any

import pytest

from gateway.clients.openai import OpenAIClient
from gateway.types import (
    ChatEvent,
    ChatMessage,
    ChatRequest,
    ContextTooLong,
    Finish,
    ProviderError,
    ProviderInvalid,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    TextDelta,
    Usage,
)
from tests.gateway.conftest import Provider

STAMP = re.compile(r" ~[0-9a-f]{9}")


def asking(directive: str, **more: Any) -> ChatRequest:
    return ChatRequest(model="sim", messages=(ChatMessage("user", f"Hello [[sim {directive}]]"),), **more)


async def collect(client: OpenAIClient, request: ChatRequest) -> list[ChatEvent]:
    return [event async for event in client.stream(request)]


def text_of(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_an_answer_arrives_whole_and_in_order(provider: Provider) -> None:
    events = await collect(OpenAIClient(provider.base), asking("tokens=50 itl=1"))

    assert len(STAMP.findall(text_of(events))) == 50
    assert isinstance(events[-2], Usage)
    assert events[-2].output_tokens == 50
    assert not events[-2].estimated
    assert events[-1] == Finish("stop")


async def test_tokens_of_one_read_come_as_one_delta(provider: Provider) -> None:
    events = await collect(OpenAIClient(provider.base), asking("tokens=2000 itl=0"))

    deltas = [event for event in events if isinstance(event, TextDelta)]
    assert len(STAMP.findall(text_of(events))) == 2000
    assert len(deltas) < 2000


async def test_connections_are_used_again(provider: Provider) -> None:
    client = OpenAIClient(provider.base)
    await collect(client, asking("tokens=5"))
    before = provider.stats()["connections"]

    for _ in range(5):
        await collect(client, asking("tokens=5"))

    assert provider.stats()["connections"] - before <= 2  # Each look at the counters is one.


@pytest.mark.parametrize(
    ("directive", "error"),
    [
        ("fault=http-500", ProviderUnavailable),
        ("fault=http-503", ProviderUnavailable),
        ("fault=http-429 retry_after=0", ProviderUnavailable),
        ("fault=http-401", ProviderRejected),
        ("fault=http-404", ProviderRejected),
        ("fault=hang", ProviderTimeout),
        ("fault=stall fault_at=3", ProviderTimeout),
        ("fault=stall fault_at=0", ProviderTimeout),
        ("fault=disconnect fault_at=3", ProviderUnavailable),
        ("fault=malformed fault_at=3", ProviderInvalid),
        ("fault=error-event fault_at=3", ProviderUnavailable),
        ("fault=broken-character fault_at=3", ProviderInvalid),
        ("fault=empty", ProviderInvalid),
        ("tokens=0", ProviderInvalid),
        ("fault=wrong-type", ProviderInvalid),
        ("fault=redirect", ProviderInvalid),
        ("fault=huge fault_at=3", ProviderInvalid),
        ("fault=context", ContextTooLong),
    ],
)
async def test_a_fault_becomes_a_code_and_leaves_no_connection(
    provider: Provider, directive: str, error: type[ProviderError]
) -> None:
    events: list[ChatEvent] = []

    with pytest.raises(error) as raised:
        async for event in OpenAIClient(provider.base).stream(asking(f"tokens=20 itl=5 {directive}")):
            events.append(event)  # noqa: PERF401 (what came before the error is looked at)

    assert raised.type is error
    if "fault_at=3" in directive:
        assert len(STAMP.findall(text_of(events))) == 3  # What came before the fault is kept.
    await provider.until(1, active=0, redirects=0)


@pytest.mark.parametrize("tokens", [2, 17, 60])
async def test_what_came_before_a_cut_is_kept_though_nobody_had_read_it(provider: Provider, tokens: int) -> None:
    events: list[ChatEvent] = []

    with pytest.raises(ProviderUnavailable):
        async for event in OpenAIClient(provider.base).stream(asking(f"tokens=90 itl=1 fault=disconnect fault_at={tokens}")):
            events.append(event)  # noqa: PERF401 (what came before the error is looked at)
            await asyncio.sleep(0.1)  # Whoever takes the events is slower than the rest, and the cut.

    assert len(STAMP.findall(text_of(events))) == tokens


async def test_a_provider_that_is_not_there_is_unavailable(provider: Provider) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    with pytest.raises(ProviderUnavailable):
        await collect(OpenAIClient(f"http://127.0.0.1:{port}/v1"), asking("tokens=1"))


@pytest.mark.parametrize("fault", ["http-500", "http-503", "http-429"])
async def test_a_passing_fault_before_the_first_token_is_repeated(provider: Provider, fault: str, settings: Any) -> None:
    settings.CLOISON_FIRST_TOKEN_TIMEOUT = 10

    events = await collect(OpenAIClient(provider.base), asking(f"tokens=5 fault={fault} fault_first=2 retry_after=0"))

    assert len(STAMP.findall(text_of(events))) == 5
    assert provider.stats()["requests"] == 3


async def test_nothing_is_repeated_after_the_first_token(provider: Provider) -> None:
    with pytest.raises(ProviderUnavailable):
        await collect(OpenAIClient(provider.base), asking("tokens=9 fault=disconnect fault_at=3"))

    assert provider.stats()["requests"] == 1


async def test_a_long_retry_after_is_reported_and_not_waited_for(provider: Provider, settings: Any) -> None:
    settings.CLOISON_FIRST_TOKEN_TIMEOUT = 10

    with pytest.raises(ProviderUnavailable) as raised:
        await collect(OpenAIClient(provider.base), asking("fault=http-429 retry_after=60"))

    assert raised.value.extra["retry_after"] == 60
    assert provider.stats()["requests"] == 1


async def test_a_character_cut_by_the_network_is_whole(provider: Provider) -> None:
    events = await collect(OpenAIClient(provider.base), asking("tokens=6 fault=half-character fault_at=3"))

    assert text_of(events).count("é") == 1
    assert len(STAMP.findall(text_of(events))) == 6


async def test_closing_the_answer_reaches_the_provider_within_a_second(provider: Provider) -> None:
    stream = OpenAIClient(provider.base).stream(asking("tokens=1000 itl=20"))
    await anext(stream)

    await stream.aclose()

    await provider.until(1, active=0, client_gone=1)


@pytest.mark.parametrize("directive", ["tokens=1000 itl=20", "tokens=5 ttft=400", "fault=hang", "fault=stall fault_at=2"])
async def test_cancelling_the_reader_reaches_the_provider_within_a_second(provider: Provider, directive: str) -> None:
    async def read() -> None:
        async for _ in OpenAIClient(provider.base).stream(asking(directive)):
            pass

    task = asyncio.create_task(read())
    await provider.until(1, requests=1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await provider.until(1, active=0)


async def test_a_slow_reader_is_not_the_providers_silence(provider: Provider) -> None:
    events = []
    async for event in OpenAIClient(provider.base).stream(asking("tokens=4 itl=1")):
        events.append(event)
        await asyncio.sleep(0.3)

    assert len(STAMP.findall(text_of(events))) == 4


async def test_silence_is_noticed_on_time(provider: Provider) -> None:
    began = time.monotonic()

    with pytest.raises(ProviderTimeout):
        await collect(OpenAIClient(provider.base), asking("tokens=9 fault=stall fault_at=3"))

    assert time.monotonic() - began < 1.0


async def test_prompts_and_keys_are_not_logged(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = OpenAIClient(provider.base, key="sk-canary-key")

    with pytest.raises(ProviderError):
        await collect(client, asking("fault=http-500 canary-prompt"))

    assert "canary" not in caplog.text + repr(client)


async def test_proxies_of_the_environment_are_not_used(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert text_of(await collect(OpenAIClient(provider.base), asking("tokens=1")))


async def test_the_request_speaks_the_wire(provider: Provider) -> None:
    await collect(OpenAIClient(provider.base), asking("tokens=1", max_tokens=77, temperature=0.25))

    body = json.loads(provider.stats()["last_body"])
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["max_tokens"] == 77
    assert body["temperature"] == 0.25


async def test_models_are_listed(provider: Provider) -> None:
    assert await OpenAIClient(provider.base).models() == ("sim", "sim-fast", "sim-embed")
