"""What one streamed chunk costs in our own process: our client beside the openai SDK and litellm, in the same run.

Each library runs in a process of its own, pinned to one core; the simulated provider has the other. Rounds are
interleaved, figures are medians with the least and the most. Read the ratios.

    python -m bench.client --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

from bench.kit.procs import Process
from bench.kit.stats import percentile, spread, table

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("cloison", "cloison-anthropic", "cloison-ollama", "aiohttp", "openai", "litellm")
PUBLISHED = {"aiohttp": 20, "openai": 141, "litellm": 307}  # µs a chunk, from docs/performance.md
ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "DO_NOT_TRACK": "1",
    "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
}
Stream = Callable[[str], AsyncIterator[str]]


def cloison(address: str, wire: str = "openai") -> Stream:
    from django.conf import settings

    settings.configure(CLOISON_FIRST_TOKEN_TIMEOUT=30, CLOISON_GAP_TIMEOUT=20)
    from gateway.clients.anthropic import AnthropicClient
    from gateway.clients.ollama import OllamaClient
    from gateway.clients.openai import OpenAIClient
    from gateway.types import ChatMessage, ChatRequest, TextDelta

    client = {"openai": OpenAIClient, "anthropic": AnthropicClient, "ollama": OllamaClient}[wire](f"{address}/v1")

    async def stream(prompt: str) -> AsyncIterator[str]:
        async for event in client.stream(ChatRequest(model="sim", messages=(ChatMessage("user", prompt),))):
            if isinstance(event, TextDelta):
                yield event.text

    return stream


def bare_aiohttp(address: str) -> Stream:
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def stream(prompt: str) -> AsyncIterator[str]:
        body = {"model": "sim", "messages": [{"role": "user", "content": prompt}], "stream": True}
        async with session.post(f"{address}/v1/chat/completions", json=body) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {") and (text := json.loads(line[6:])["choices"][0]["delta"].get("content")):
                    yield text

    return stream


def openai_sdk(address: str) -> Stream:
    import openai

    sdk = openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="sk-sim", max_retries=0)

    async def stream(prompt: str) -> AsyncIterator[str]:
        asked = await sdk.chat.completions.create(model="sim", messages=[{"role": "user", "content": prompt}], stream=True)
        async for chunk in asked:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return stream


def litellm_sdk(address: str) -> Stream:
    import litellm

    litellm.suppress_debug_info = True

    async def stream(prompt: str) -> AsyncIterator[str]:
        asked = await litellm.acompletion(
            model="openai/sim",
            api_base=f"{address}/v1",
            api_key="sk-sim",
            messages=[{"role": "user", "content": prompt}],
            stream=True,
        )
        async for chunk in asked:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return stream


MAKERS: dict[str, Callable[[str], Stream]] = {
    "cloison": cloison,
    "cloison-anthropic": partial(cloison, wire="anthropic"),
    "cloison-ollama": partial(cloison, wire="ollama"),
    "aiohttp": bare_aiohttp,
    "openai": openai_sdk,
    "litellm": litellm_sdk,
}


async def measure(library: str, address: str, streams: int, tokens: int) -> dict[str, float]:
    """Processor time by difference: long streams less short ones, so that connections and set-up cancel out."""
    began = time.perf_counter()
    stream = MAKERS[library](address)
    import_s = time.perf_counter() - began

    async def drain(prompt: str) -> tuple[float, int]:
        began, first, characters = time.perf_counter(), 0.0, 0
        async for text in stream(prompt):
            first = first or time.perf_counter() - began
            characters += len(text)
        return first, characters // 11  # Each token of the simulator has eleven characters.

    async def batch(number: int) -> tuple[float, int]:
        prompt = f"hello [[sim ttft=20 itl=10 tokens={number}]]"
        cpu = time.process_time()
        counts = await asyncio.gather(*(drain(prompt) for _ in range(streams)))
        await asyncio.sleep(0.3)
        return time.process_time() - cpu, sum(count for _, count in counts)

    await batch(5)
    low_cpu, low_count = await batch(10)
    high_cpu, high_count = await batch(10 + tokens)
    assert high_count - low_count == streams * tokens, "tokens were lost"
    firsts = sorted([(await drain("hello [[sim ttft=20 itl=5 tokens=4]]"))[0] for _ in range(40)])
    return {
        "chunk_cpu_us": (high_cpu - low_cpu) / (high_count - low_count) * 1e6,
        "stream_cpu_ms": low_cpu / streams * 1e3,
        "ttft_p50_ms": percentile(firsts, 0.5) * 1e3 - 20,
        "import_s": import_s,
    }


def child(library: str, address: str, args: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.client", "--child", library, "--address", address]
    command += ["--streams", str(args.streams), "--tokens", str(args.tokens)]
    if (os.cpu_count() or 1) > 1:
        command = ["taskset", "-c", "1", *command]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ENVIRONMENT}, cwd=ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"{library}: {done.stderr[-500:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--libraries", default=",".join(LIBRARIES))
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--streams", type=int, default=10)
    made.add_argument("--tokens", type=int, default=200)
    made.add_argument("--port", type=int, default=9117, help="for the simulator")
    made.add_argument("--child", default="", help=argparse.SUPPRESS)
    made.add_argument("--address", default="", help=argparse.SUPPRESS)
    args = made.parse_args()
    if args.child:
        print(json.dumps(asyncio.run(measure(args.child, args.address, args.streams, args.tokens))))
        return
    address = f"http://127.0.0.1:{args.port}"
    command = [sys.executable, "-m", "bench.simulator", "--port", str(args.port)]
    simulator = Process("simulator", command, f"{address}/health", {"PYTHONPATH": str(ROOT)}, cwd=str(ROOT), cores=(0,))
    simulator.start()
    results: dict[str, list[dict[str, float]]] = {}
    try:
        for _ in range(args.rounds):
            for library in args.libraries.split(","):
                results.setdefault(library, []).append(child(library, address, args))
    finally:
        simulator.stop()
    ours = spread(run["chunk_cpu_us"] for run in results["cloison"])["median"] if "cloison" in results else None
    rows: list[dict[str, object]] = []
    for library, runs in results.items():
        row: dict[str, object] = {"library": library}
        for name in runs[0]:
            got = spread(run[name] for run in runs)
            row[name] = f"{got['median']:.3g} ({got['min']:.3g}–{got['max']:.3g})"
        if ours:
            row["times ours"] = spread(run["chunk_cpu_us"] for run in runs)["median"] / ours
        row["published µs"] = PUBLISHED.get(library)
        rows.append(row)
    print(table(rows))


if __name__ == "__main__":
    main()
