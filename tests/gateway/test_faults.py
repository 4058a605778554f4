"""Every fault of a provider, through every wire: a code, on time, with what came before it kept and nothing left open."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

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
)
from tests.gateway.conftest import ROOT, Provider
from tests.gateway.test_clients import MAKERS

STAMP = re.compile(r" ~[0-9a-f]{9}")
FAULTS: list[tuple[str, type[ProviderError]]] = [
    ("fault=http-500", ProviderUnavailable),
    ("fault=http-503", ProviderUnavailable),
    ("fault=http-529", ProviderUnavailable),
    ("fault=http-429 retry_after=0", ProviderUnavailable),
    ("fault=http-401", ProviderRejected),
    ("fault=http-404", ProviderRejected),
    ("fault=hang", ProviderTimeout),
    ("fault=stall fault_at=0", ProviderTimeout),
    ("fault=stall fault_at=3", ProviderTimeout),
    ("fault=disconnect fault_at=0", ProviderUnavailable),
    ("fault=disconnect fault_at=3", ProviderUnavailable),
    ("fault=cut-character fault_at=3", ProviderUnavailable),
    ("fault=malformed fault_at=3", ProviderInvalid),
    ("fault=error-event fault_at=3", ProviderUnavailable),
    ("fault=broken-character fault_at=3", ProviderInvalid),
    ("fault=huge fault_at=3", ProviderInvalid),
    ("fault=empty", ProviderInvalid),
    ("tokens=0", ProviderInvalid),
    ("fault=wrong-type", ProviderInvalid),
    ("fault=redirect", ProviderInvalid),
    ("fault=context", ContextTooLong),
]


def asking(directive: str) -> ChatRequest:
    return ChatRequest(model="sim", messages=(ChatMessage("user", f"Hello [[sim {directive}]]"),))


def text_of(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("wire", sorted(MAKERS))
@pytest.mark.parametrize(("directive", "error"), FAULTS)
async def test_case_54_a_fault_becomes_a_code_on_time_and_leaves_no_connection(
    provider: Provider, wire: str, directive: str, error: type[ProviderError]
) -> None:
    events: list[ChatEvent] = []
    began = time.monotonic()

    with pytest.raises(error) as raised:
        async for event in MAKERS[wire](provider).stream(asking(f"tokens=20 itl=5 {directive}")):
            events.append(event)  # noqa: PERF401 (what came before the error is looked at)

    assert raised.type is error
    assert time.monotonic() - began < 1.6  # The first token's and the gap's patience, and some.
    if "fault_at=3" in directive:
        assert len(STAMP.findall(text_of(events))) == 3  # What came before the fault is kept.
        assert provider.stats()["requests"] == 1  # After the first token nothing is asked again.
    await provider.until(1, active=0, redirects=0)


@pytest.mark.parametrize("wire", sorted(MAKERS))
async def test_case_54_without_a_fault_the_same_request_is_answered(provider: Provider, wire: str) -> None:
    events = [event async for event in MAKERS[wire](provider).stream(asking("tokens=20 itl=5"))]

    assert len(STAMP.findall(text_of(events))) == 20
    assert events[-1] == Finish("stop")


@pytest.mark.parametrize("wire", sorted(MAKERS))
async def test_case_54_half_a_character_waits_for_its_other_half(provider: Provider, wire: str) -> None:
    events = [e async for e in MAKERS[wire](provider).stream(asking("tokens=6 fault=half-character fault_at=3"))]

    assert text_of(events).count("é") == 1
    assert len(STAMP.findall(text_of(events))) == 6


@pytest.mark.parametrize("wire", sorted(MAKERS))
@pytest.mark.parametrize("fault", ["http-500", "http-503", "http-429"])
async def test_case_54_a_passing_fault_before_the_first_token_is_repeated(
    provider: Provider, wire: str, fault: str, settings: Any
) -> None:
    settings.CLOISON_FIRST_TOKEN_TIMEOUT = 10

    request = asking(f"tokens=5 fault={fault} fault_first=2 retry_after=0")
    events = [event async for event in MAKERS[wire](provider).stream(request)]

    assert len(STAMP.findall(text_of(events))) == 5
    assert provider.stats()["requests"] == 3


@pytest.mark.parametrize("wire", sorted(MAKERS))
async def test_case_54_a_certificate_that_nobody_signed_is_refused(wire: str, tmp_path: Path, provider: Provider) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        with pytest.raises(ProviderUnavailable):
            _ = [event async for event in MAKERS[wire](Provider(address)).stream(asking("tokens=1"))]
    finally:
        server.close()
    assert asked == []


async def test_case_54_turns_survive_when_a_third_of_all_requests_goes_wrong() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "bench.faults", "--turns", "100", "--port", port, "--no-litellm"]

    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
