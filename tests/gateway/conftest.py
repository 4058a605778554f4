"""A provider that is real but for its thoughts: the simulator, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core import streams
from gateway import health
from gateway.clients import session

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Provider:
    address: str

    @property
    def base(self) -> str:
        return f"{self.address}/v1"

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.address}/sim/stats", timeout=5) as answer:
            return dict(json.load(answer))

    def requests(self) -> list[dict[str, Any]]:
        """The chat requests received since the last reset, as the provider read them."""
        with urllib.request.urlopen(f"{self.address}/sim/requests", timeout=5) as answer:
            return list(json.load(answer))

    def turns(self) -> dict[str, int]:
        """How often the answer of each named turn was given to its end."""
        with urllib.request.urlopen(f"{self.address}/sim/turns", timeout=5) as answer:
            return dict(json.load(answer))

    def reset(self) -> None:
        request = urllib.request.Request(f"{self.address}/sim/reset", data=b"{}", method="POST")
        urllib.request.urlopen(request, timeout=5).close()

    async def until(self, seconds: float, **wanted: int) -> float:
        """Wait until the counters are as wanted; how long it took. Fails after `seconds`."""
        began = time.monotonic()
        while True:
            stats = await asyncio.to_thread(self.stats)
            if all(stats[name] == value for name, value in wanted.items()):
                return time.monotonic() - began
            assert time.monotonic() - began < seconds, f"after {seconds} s: {stats}, wanted {wanted}"
            await asyncio.sleep(0.02)


@pytest.fixture(scope="session")
def simulator() -> Iterator[Provider]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.simulator", "--port", "0", "--no-uvloop"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        line = process.stdout.readline()
        yield Provider(line.split()[-1])
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def provider(simulator: Provider, settings: Any) -> Provider:
    """The simulator with its counters at zero, under a client of little patience."""
    settings.CLOISON_FIRST_TOKEN_TIMEOUT = 0.6
    settings.CLOISON_GAP_TIMEOUT = 0.4
    simulator.reset()
    return simulator


@pytest.fixture(autouse=True)
async def closed_session() -> AsyncIterator[None]:
    """The loop's HTTP session ends with its test, and no circuit stays open for the next one."""
    health.common.cache_clear()
    yield
    await session.close()
    await streams.close()
    await asyncio.sleep(0)
