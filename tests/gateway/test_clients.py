"""The three native wires: what they ask is what the providers' own packages ask, and what comes back is the same for all."""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import json
import re
import time
import wave
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from gateway.clients.anthropic import AnthropicClient
from gateway.clients.litellm import LiteLLMClient
from gateway.clients.ollama import OllamaClient
from gateway.clients.openai import OpenAIClient
from gateway.clients.wire import WireClient
from gateway.types import (
    Audio,
    ChatEvent,
    ChatMessage,
    ChatRequest,
    Finish,
    Image,
    ProviderRejected,
    ProviderUnavailable,
    TextDelta,
    ThinkingDelta,
    Tool,
    ToolCall,
    Usage,
)
from tests.gateway.conftest import Provider

STAMP = re.compile(r" ~[0-9a-f]{9}")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Name of a town"}, "days": {"type": "integer"}},
    "required": ["city"],
}
WEATHER = Tool("weather", "What the sky does", PARAMETERS)
CLOCK = Tool("clock", "What time it is", {"type": "object", "properties": {}})
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"], "additionalProperties": False}

MAKERS: dict[str, Callable[[Provider], WireClient]] = {
    "openai": lambda provider: OpenAIClient(provider.base),
    "anthropic": lambda provider: AnthropicClient(provider.address, "key"),
    "ollama": lambda provider: OllamaClient(provider.address),
}


@pytest.fixture(params=sorted(MAKERS))
def client(request: pytest.FixtureRequest, provider: Provider) -> WireClient:
    return MAKERS[request.param](provider)


def asking(directive: str, **more: Any) -> ChatRequest:
    return ChatRequest(model="sim", messages=(ChatMessage("user", f"Hello [[sim {directive}]]"),), **more)


async def collect(client: WireClient, request: ChatRequest) -> list[ChatEvent]:
    return [event async for event in client.stream(request)]


def text_of(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_an_answer_arrives_whole_and_in_order(client: WireClient) -> None:
    events = await collect(client, asking("tokens=50 itl=1"))

    assert len(STAMP.findall(text_of(events))) == 50
    assert isinstance(events[-2], Usage)
    assert events[-2].output_tokens == 50
    assert events[-2].input_tokens > 10
    assert not events[-2].estimated
    assert events[-1] == Finish("stop")


async def test_tokens_gather_for_a_moment_but_the_first_comes_at_once(client: WireClient) -> None:
    began = time.monotonic()

    arrived = [
        (time.monotonic() - began, len(STAMP.findall(event.text)))
        async for event in client.stream(asking("tokens=60 itl=4"))
        if isinstance(event, TextDelta)
    ]

    assert sum(count for _, count in arrived) == 60
    assert arrived[0][1] <= 2
    assert len(arrived) < 30
    assert max(after[0] - before[0] for before, after in itertools.pairwise(arrived)) < 0.2


async def test_thoughts_come_before_the_text_and_apart(client: WireClient) -> None:
    events = await collect(client, asking("tokens=5 thinking=4", thinking="low"))

    thoughts = [event for event in events if isinstance(event, ThinkingDelta)]
    assert "".join(thought.text for thought in thoughts) == "pensée0 pensée1 pensée2 pensée3 "
    assert len(STAMP.findall(text_of(events))) == 5
    assert events.index(thoughts[-1]) < next(n for n, event in enumerate(events) if isinstance(event, TextDelta))
    if isinstance(client, AnthropicClient):
        assert thoughts[-1] == ThinkingDelta("", "c2ltCg==")


async def test_tools_are_called_with_whole_arguments(client: WireClient) -> None:
    events = await collect(client, asking("tokens=3 calls=2", tools=(WEATHER, CLOCK)))

    calls = [event for event in events if isinstance(event, ToolCall)]
    assert [(call.name, json.loads(call.arguments), call.complete) for call in calls] == [
        ("weather", {"city": "Zürich, « été »", "days": 7}, True),
        ("clock", {}, True),
    ]
    assert len({call.id for call in calls}) == 2
    assert events[-1] == Finish("tool_calls")


async def test_why_an_answer_ended_is_told(client: WireClient) -> None:
    assert (await collect(client, asking("tokens=3 reason=length")))[-1] == Finish("length")
    if not isinstance(client, OllamaClient):  # Ollama filters nothing.
        assert (await collect(client, asking("tokens=3 reason=content_filter")))[-1] == Finish("content_filter")
        with pytest.raises(ProviderRejected):
            await collect(client, asking("tokens=0 reason=content_filter"))


async def test_the_models_are_listed(client: WireClient) -> None:
    assert await client.models() == ("sim", "sim-fast", "sim-embed")  # type: ignore[attr-defined]


async def test_what_a_cache_served_is_counted_apart(provider: Provider) -> None:
    events = await collect(AnthropicClient(provider.address), asking("tokens=2"))

    usage = events[-2]
    assert isinstance(usage, Usage)
    assert 0 < usage.cached_tokens < usage.input_tokens


async def test_closing_the_answer_reaches_the_provider_within_a_second(client: WireClient, provider: Provider) -> None:
    stream = client.stream(asking("tokens=1000 itl=20"))
    await anext(stream)

    await stream.aclose()

    await provider.until(1, active=0, client_gone=1)


@pytest.mark.parametrize("directive", ["tokens=1000 itl=20", "tokens=5 ttft=400", "fault=hang", "fault=stall fault_at=2"])
async def test_cancelling_the_reader_reaches_the_provider_within_a_second(
    client: WireClient, provider: Provider, directive: str
) -> None:
    task = asyncio.create_task(collect(client, asking(directive)))
    await provider.until(1, requests=1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await provider.until(1, active=0)


async def test_a_stream_that_breaks_before_its_first_token_is_asked_for_again(
    client: WireClient, provider: Provider, settings: Any
) -> None:
    settings.CLOISON_FIRST_TOKEN_TIMEOUT = 10

    events = await collect(client, asking("tokens=5 itl=1 fault=disconnect fault_at=0 fault_first=2"))

    assert len(STAMP.findall(text_of(events))) == 5
    assert provider.stats()["requests"] == 3


async def test_an_overloaded_provider_is_unavailable(provider: Provider) -> None:
    with pytest.raises(ProviderUnavailable):
        await collect(AnthropicClient(provider.address), asking("tokens=5 itl=1 fault=error-event fault_at=2"))


CONVERSATION = (
    ChatMessage("system", "Sois bref."),
    ChatMessage("user", "Quel temps fait-il ? [[sim tokens=1]]"),
    ChatMessage("assistant", "Voyons.", tool_calls=(ToolCall("call_1", "weather", '{"city": "Genève", "days": 2}'),)),
    ChatMessage("tool", "Il pleut.", tool_call_id="call_1", tool_name="weather"),
    ChatMessage("user", "Et sur cette image ?", images=(Image(PNG, "image/png"),)),
)
ASKED = ChatRequest(
    model="sim",
    messages=CONVERSATION,
    max_tokens=300,
    temperature=0.25,
    tools=(WEATHER,),
    tool_choice="auto",
    schema=SCHEMA,
)


async def sent(provider: Provider, client: WireClient, request: ChatRequest = ASKED) -> dict[str, Any]:
    await collect(client, request)
    return dict(provider.requests()[-1]["body"])


async def test_our_body_is_the_openai_packages_own(provider: Provider) -> None:
    import openai

    package = openai.AsyncOpenAI(base_url=provider.base, api_key="sk-sim", max_retries=0)
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    function = {"name": "weather", "arguments": '{"city": "Genève", "days": 2}'}
    async with package:
        stream = await package.chat.completions.create(  # type: ignore[call-overload]
            model="sim",
            messages=[
                {"role": "system", "content": "Sois bref."},
                {"role": "user", "content": "Quel temps fait-il ? [[sim tokens=1]]"},
                {
                    "role": "assistant",
                    "content": "Voyons.",
                    "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "Il pleut."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Et sur cette image ?"},
                        {"type": "image_url", "image_url": {"url": url}},
                    ],
                },
            ],
            max_tokens=300,
            temperature=0.25,
            tools=[
                {
                    "type": "function",
                    "function": {"name": "weather", "description": "What the sky does", "parameters": PARAMETERS},
                }
            ],
            tool_choice="auto",
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
            },
            stream=True,
            stream_options={"include_usage": True},
        )
        assert [chunk async for chunk in stream]
    theirs = provider.requests()[-1]["body"]

    assert await sent(provider, OpenAIClient(provider.base)) == theirs
    assert provider.stats()["images"] == 2


async def test_our_body_is_the_anthropic_packages_own(provider: Provider) -> None:
    import anthropic

    package = anthropic.AsyncAnthropic(base_url=provider.address, api_key="sk-sim", max_retries=0)
    image = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
    call = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Genève", "days": 2}}
    async with package:
        stream = await package.messages.create(  # type: ignore[call-overload]
            model="sim",
            system="Sois bref.",
            messages=[
                {"role": "user", "content": "Quel temps fait-il ? [[sim tokens=1]]"},
                {"role": "assistant", "content": [{"type": "text", "text": "Voyons."}, call]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "Il pleut."}]},
                {
                    "role": "user",
                    "content": [{"type": "image", "source": image}, {"type": "text", "text": "Et sur cette image ?"}],
                },
            ],
            max_tokens=300,
            extra_body={"temperature": 0.25},  # for the older models that take one
            tools=[{"name": "weather", "description": "What the sky does", "input_schema": PARAMETERS}],
            tool_choice={"type": "auto"},
            output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
            stream=True,
        )
        assert [event async for event in stream]
    theirs = provider.requests()[-1]
    ours = await sent(provider, AnthropicClient(provider.address, "sk-sim"))

    assert ours == theirs["body"]
    assert provider.requests()[-1]["headers"]["anthropic-version"] == "2023-06-01"  # the one that other servers speak, too
    assert provider.stats()["images"] == 2


async def test_our_body_is_the_ollama_packages_own(provider: Provider) -> None:
    import ollama

    package = ollama.AsyncClient(provider.address)
    call = {"function": {"name": "weather", "arguments": {"city": "Genève", "days": 2}}}
    stream = await package.chat(
        model="sim",
        messages=[
            {"role": "system", "content": "Sois bref."},
            {"role": "user", "content": "Quel temps fait-il ? [[sim tokens=1]]"},
            {"role": "assistant", "content": "Voyons.", "tool_calls": [call]},
            {"role": "tool", "content": "Il pleut.", "tool_name": "weather"},
            {"role": "user", "content": "Et sur cette image ?", "images": [PNG]},
        ],
        tools=[
            {"type": "function", "function": {"name": "weather", "description": "What the sky does", "parameters": PARAMETERS}}
        ],
        format=SCHEMA,
        options={"num_ctx": 8192, "num_predict": 300, "temperature": 0.25},
        stream=True,
    )
    assert [part async for part in stream]
    await package._client.aclose()
    theirs = provider.requests()[-1]["body"]
    ours = await sent(
        provider,
        OllamaClient(provider.base),
        ChatRequest(
            model="sim",
            messages=CONVERSATION,
            max_tokens=300,
            temperature=0.25,
            tools=(WEATHER,),
            schema=SCHEMA,
            context_window=8192,
        ),
    )

    assert ours == theirs
    assert provider.stats()["images"] == 2


async def test_thinking_is_asked_for_as_the_packages_do(provider: Provider) -> None:
    import anthropic
    import ollama

    request = asking("tokens=1", thinking="low", max_tokens=500)
    words = request.messages[0].content
    async with anthropic.AsyncAnthropic(base_url=provider.address, api_key="sk-sim", max_retries=0) as package:
        stream = await package.messages.create(
            model="sim",
            messages=[{"role": "user", "content": words}],
            max_tokens=500 + 1024,
            thinking={"type": "enabled", "budget_tokens": 1024},
            stream=True,
        )
        assert [event async for event in stream]
    assert await sent(provider, AnthropicClient(provider.address), request) == provider.requests()[-2]["body"]

    theirs = ollama.AsyncClient(provider.address)
    parts = await theirs.chat(
        model="sim", messages=[{"role": "user", "content": words}], think=True, options={"num_predict": 500}, stream=True
    )
    assert [part async for part in parts]
    await theirs._client.aclose()
    body = await sent(provider, OllamaClient(provider.address), request)
    assert body == {name: value for name, value in provider.requests()[-2]["body"].items() if name != "tools"}  # an empty list


async def test_results_of_tools_called_together_stand_in_one_message(provider: Provider) -> None:
    calls = (ToolCall("a", "weather", '{"city":"Bern"}'), ToolCall("b", "clock"))
    thoughts = ThinkingDelta("hm", "c2ln")
    request = ChatRequest(
        model="sim",
        messages=(
            ChatMessage("user", "[[sim tokens=1]]"),
            ChatMessage("assistant", "", tool_calls=calls, thinking=thoughts),
            ChatMessage("tool", "sun", tool_call_id="a", tool_name="weather"),
            ChatMessage("tool", "broken", tool_call_id="b", tool_name="clock", failed=True),
        ),
    )

    body = await sent(provider, AnthropicClient(provider.address), request)

    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][1]["content"]] == ["thinking", "tool_use", "tool_use"]
    assert [block.get("is_error") for block in body["messages"][2]["content"]] == [None, True]


@pytest.mark.parametrize(
    ("model", "adaptive"),
    [
        ("claude-opus-4-20250514", False),
        ("claude-haiku-4-5-20251001", False),
        ("claude-3-7-sonnet-latest", False),
        ("claude-sonnet-4-6", True),
        ("claude-opus-5-5", True),
        ("claude-fable-5", True),
    ],
)
def test_newer_models_think_as_they_see_fit_and_get_no_temperature(model: str, adaptive: bool) -> None:
    thinking = AnthropicClient("https://x").body(ChatRequest(model, (ChatMessage("user", "Hi"),), thinking="high"))
    warm = AnthropicClient("https://x").body(ChatRequest(model, (ChatMessage("user", "Hi"),), temperature=0.5))

    assert thinking["thinking"]["type"] == ("adaptive" if adaptive else "enabled")
    assert thinking.get("output_config") == ({"effort": "high"} if adaptive else None)
    assert ("temperature" in warm) is not adaptive


def wav() -> bytes:
    """A sound of a tenth of a second, with a head of its own."""
    kept = io.BytesIO()
    with wave.open(kept, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\1" * 800)
    return kept.getvalue()


WAV = wav()
MP3 = b"ID3\x04" + bytes(60)


def heard(*sounds: Audio) -> ChatRequest:
    return ChatRequest(model="sim", messages=(ChatMessage("user", "Que dit-on ? [[sim tokens=3]]", audio=sounds),))


async def test_sounds_are_asked_about_as_the_openai_package_does(provider: Provider) -> None:
    import openai

    package = openai.AsyncOpenAI(base_url=provider.base, api_key="sk-sim", max_retries=0)
    sounds: list[Any] = [
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(MP3).decode(), "format": "mp3"}},
    ]
    async with package:
        stream = await package.chat.completions.create(
            model="sim",
            messages=[{"role": "user", "content": [{"type": "text", "text": "Que dit-on ? [[sim tokens=3]]"}, *sounds]}],
            stream=True,
            stream_options={"include_usage": True},
        )
        assert [chunk async for chunk in stream]
    theirs = provider.requests()[-1]["body"]

    ours = await sent(provider, OpenAIClient(provider.base), heard(Audio(WAV, "audio/wav"), Audio(MP3, "audio/mpeg")))

    assert ours == theirs
    assert provider.stats()["audio"] == 4


@pytest.mark.parametrize(
    ("client", "sound"),
    [
        (AnthropicClient("http://127.0.0.1:9"), Audio(WAV)),
        (OllamaClient("http://127.0.0.1:9"), Audio(WAV)),
        (OpenAIClient("https://api.openai.com/v1"), Audio(b"OggS" + bytes(40), "audio/ogg")),
        (OpenAIClient("http://127.0.0.1:9/v1"), Audio(bytes(40), "audio/aiff")),
        (LiteLLMClient("http://127.0.0.1:9/v1"), Audio(bytes(40), "audio/aiff")),
    ],
)
async def test_a_sound_that_a_wire_does_not_carry_is_refused_before_anything_is_sent(client: Any, sound: Audio) -> None:
    with pytest.raises(ProviderRejected, match="Nothing was sent"):  # Sent, it would be unavailable: nobody listens there.
        await collect(client, heard(sound))


@pytest.mark.parametrize(
    ("path", "content", "shape"),
    [
        ("/v1/chat/completions", {"type": "input_audio", "input_audio": {"data": "&&&&", "format": "wav"}}, "openai"),
        ("/v1/chat/completions", {"type": "input_audio", "input_audio": {"data": "T2dnUw==", "format": "ogg"}}, "openai"),
        ("/v1/chat/completions", {"type": "input_audio", "input_audio": {"data": "T2dnUw==", "format": "wav"}}, "openai"),
        ("/v1/chat/completions", {"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}, "openai"),
        ("/v1/messages", {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}, "anthropic"),
        (
            "/v1/messages",
            {"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": "aaaa"}},
            "anthropic",
        ),
        ("/api/chat", {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}, "ollama"),
    ],
)
async def test_the_simulator_refuses_what_a_provider_would(provider: Provider, path: str, content: Any, shape: str) -> None:
    asked = {"model": "sim", "max_tokens": 5, "messages": [{"role": "user", "content": [content]}], "stream": True}
    async with aiohttp.ClientSession() as http, http.post(provider.address + path, json=asked) as answer:
        told = await answer.json()

    assert answer.status == 400
    assert provider.stats()["refused"] == 1
    match shape:
        case "openai":
            assert told["error"]["type"] == "invalid_request_error"
        case "anthropic":
            assert (told["type"], told["error"]["type"]) == ("error", "invalid_request_error")
        case _:
            assert "cannot unmarshal array" in told["error"]
