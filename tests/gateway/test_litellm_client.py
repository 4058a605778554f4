"""All other providers, through a process of their own."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.clients.litellm import CHILD, LiteLLMClient
from gateway.types import (
    Audio,
    ChatEvent,
    ChatMessage,
    ChatRequest,
    Finish,
    Image,
    ProviderError,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    TextDelta,
    Tool,
    ToolCall,
    Usage,
)
from tests.gateway.conftest import ROOT, Provider
from tests.gateway.test_clients import PNG, WAV

STAMP = re.compile(r" ~[0-9a-f]{9}")


@pytest.fixture(scope="module", autouse=True)
def one_child() -> Iterator[None]:
    yield
    CHILD.stop()


@pytest.fixture
def client(provider: Provider, settings: Any) -> LiteLLMClient:
    settings.CLOISON_FIRST_TOKEN_TIMEOUT = 5
    settings.CLOISON_GAP_TIMEOUT = 1
    return LiteLLMClient(provider.base, "sk-sim")


def asking(directive: str, **more: Any) -> ChatRequest:
    return ChatRequest(model="openai/sim", messages=(ChatMessage("user", f"Hello [[sim {directive}]]"),), **more)


async def collect(client: LiteLLMClient, request: ChatRequest) -> list[ChatEvent]:
    return [event async for event in client.stream(request)]


async def test_an_answer_comes_through_the_child(client: LiteLLMClient) -> None:
    tool = Tool("clock", "What time it is", {"type": "object", "properties": {"zone": {"type": "string"}}})

    events = await collect(client, asking("tokens=20 itl=1 calls=1", tools=(tool,)))

    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert len(STAMP.findall(text)) == 20
    call = next(event for event in events if isinstance(event, ToolCall))
    assert (call.name, json.loads(call.arguments)) == ("clock", {"zone": "Zürich, « été »"})
    assert isinstance(events[-2], Usage)
    assert events[-1] == Finish("tool_calls")
    assert "litellm" not in sys.modules


async def test_pictures_and_sounds_come_through_the_child(client: LiteLLMClient, provider: Provider) -> None:
    picture, sound = Image(PNG), Audio(WAV)
    message = ChatMessage("user", "Qu'est-ce ? [[sim tokens=3]]", images=(picture,), audio=(sound,))

    events = await collect(client, ChatRequest(model="openai/sim", messages=(message,)))

    assert events[-1] == Finish("stop")
    parts = {part["type"]: part for part in provider.requests()[-1]["body"]["messages"][0]["content"]}
    assert parts["input_audio"]["input_audio"] == {"data": base64.b64encode(WAV).decode(), "format": "wav"}
    assert parts["image_url"]["image_url"]["url"].endswith(base64.b64encode(PNG).decode())
    assert provider.stats()["audio"] == provider.stats()["images"] == 1


@pytest.mark.parametrize(
    ("directive", "error"),
    [
        ("fault=http-500", ProviderUnavailable),
        ("fault=http-429 retry_after=0", ProviderUnavailable),
        ("fault=http-401", ProviderRejected),
        ("fault=stall fault_at=3", ProviderTimeout),
        ("fault=disconnect fault_at=3", ProviderUnavailable),
        ("turn=huge fault=huge fault_at=3", ProviderUnavailable),
    ],
)
async def test_case_54_a_fault_behind_litellm_becomes_a_code(
    client: LiteLLMClient, provider: Provider, directive: str, error: type[ProviderError]
) -> None:
    with pytest.raises(error):
        await collect(client, asking(f"tokens=20 itl=5 {directive}"))

    await provider.until(1, active=0)
    assert provider.turns() == {}  # What was broken off is not billed as if it had been given to the end.


async def test_closing_the_answer_reaches_the_provider_within_a_second(client: LiteLLMClient, provider: Provider) -> None:
    stream = client.stream(asking("tokens=1000 itl=20"))
    await anext(stream)

    await stream.aclose()

    await provider.until(1, active=0, client_gone=1)


async def test_a_child_that_dies_fails_its_calls_and_is_started_again(client: LiteLLMClient, provider: Provider) -> None:
    stream = client.stream(asking("tokens=1000 itl=20"))
    await anext(stream)
    died = CHILD.pid
    assert died is not None

    os.kill(died, signal.SIGKILL)
    with pytest.raises(ProviderUnavailable):
        async for _ in stream:
            pass

    assert (await collect(client, asking("tokens=2")))[-1] == Finish("stop")
    assert CHILD.pid not in (None, died)


async def test_the_child_has_none_of_our_secrets(client: LiteLLMClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("DATABASE_URL", "postgres://canary")
    CHILD.stop()
    await collect(client, asking("tokens=1"))

    given = Path(f"/proc/{CHILD.pid}/environ").read_bytes()

    assert b"canary" not in given
    assert b"LITELLM_MODE=PRODUCTION" in given


def test_the_child_ends_with_its_parent() -> None:
    code = """
import asyncio, os, signal
from django.conf import settings
settings.configure()
from gateway.clients.litellm import CHILD
async def main():
    await CHILD.connect()
    print(CHILD.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    path = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    environ = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=90, check=False)
    pid = int(done.stdout)
    for _ in range(40):
        if not Path(f"/proc/{pid}/status").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the child lives on")


async def test_calls_side_by_side_do_not_mix(client: LiteLLMClient) -> None:
    answers = await asyncio.gather(*(collect(client, asking(f"tokens={number} itl=2")) for number in range(3, 9)))

    counts = [len(STAMP.findall("".join(e.text for e in events if isinstance(e, TextDelta)))) for events in answers]
    assert counts == list(range(3, 9))
