"""Five hundred turns through the router while nearly a third of all requests to its five providers go wrong.

They are asked by all the clients (OpenAI's twice, Anthropic's, Ollama's, litellm in its process); every request draws, with
the share given, one of the faults: errors of HTTP, silence before and within the answer, a cut connection, half a character,
broken JSON, an event of 10 MB, an empty stream, a page of HTML. Turns are of five kinds in turn: words alone, a picture, a
sound, a tool that is called, thoughts. A turn is complete where what its kind asks for came, too; it counts as billed where
the provider itself gave its answer to the end.

    python -m bench.faults [--turns 500] [--rate 0.3] [--no-litellm]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import collections
import io
import json
import random
import sys
import time
import urllib.request
import wave
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "platform")]

from bench.kit.procs import Process  # noqa: E402
from bench.kit.stats import percentile, table  # noqa: E402

FIRST, GAP, TOTAL = 1.0, 0.6, 5.0  # seconds of patience; in the product 30, 20 and 90
MOST_CODES = 8
KINDS = ("words", "picture", "sound", "tool", "thoughts")
WIRES = {"house": "ollama", "blue": "openai", "red": "anthropic", "green": "litellm", "amber": "openai"}
HEARING = {"blue/sim", "green/sim", "amber/sim"}  # the wires with a way for sounds; who takes over must hear, too
PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


@dataclass
class Outcome:
    turn: str
    seconds: float
    code: str = ""  # of the failure; empty: complete
    kind: str = KINDS[0]
    got: set[str] = field(default_factory=set)
    models: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    characters: int = 0
    late: float = 0.0  # seconds from the provider's last word to the end


def configure() -> None:
    from django.conf import settings

    settings.configure(
        CLOISON_FIRST_TOKEN_TIMEOUT=FIRST,
        CLOISON_GAP_TIMEOUT=GAP,
        CLOISON_ANSWER_TIMEOUT=TOTAL,
        CLOISON_LIMITER_TIMEOUT=0,  # circuits in this process alone
        CLOISON_BUILTIN_PACE_MS=0,
        INSTALLED_APPS=["django.contrib.contenttypes", "isolation", "audit", "accounts", "gateway"],
        AUTH_USER_MODEL="accounts.User",
    )
    import django

    django.setup()


def made_router(address: str, pause: float, *, litellm: bool) -> tuple[Any, Any]:
    from gateway.access import EveryModel
    from gateway.health import Health
    from gateway.router import LLMRouter
    from gateway.types import ModelInfo, Provider, RoutingPolicy

    wires = WIRES if litellm else WIRES | {"green": "openai"}
    accounts = {
        name: Provider(name, address if wire in ("ollama", "anthropic") else f"{address}/v1", "sk-sim", "cloud", (), wire=wire)  # type: ignore[arg-type]
        for name, wire in wires.items()
    }
    models = tuple(
        ModelInfo(
            f"{name}/sim",
            "openai/sim" if wire == "litellm" else "sim",
            name,
            "cloud",
            32_768,
            abilities=frozenset({"text", "images", "tools", "thinking"} | ({"audio"} if f"{name}/sim" in HEARING else set())),
            input_price=Decimal(1),
            output_price=Decimal(4),
        )
        for name, wire in wires.items()
    )

    class Source:
        async def load(self) -> tuple[ModelInfo, ...]:
            return models

        def providers(self) -> tuple[Provider, ...]:
            return tuple(accounts.values())

        def provider_of(self, model: ModelInfo) -> Provider:
            return accounts[model.provider]

    ids = [model.id for model in models]
    policies = [RoutingPolicy(models=(ids[n],), fallbacks=(*ids[n + 1 :], *ids[:n]), continues=True) for n in range(len(ids))]
    return LLMRouter(access=EveryModel(), source=Source(), health=Health(shared=False, pause=pause)), policies


def sound() -> bytes:
    """A tenth of a second of silence."""
    kept = io.BytesIO()
    with wave.open(kept, "wb") as written:
        written.setparams((1, 2, 8000, 0, "NONE", ""))
        written.writeframes(bytes(1600))
    return kept.getvalue()


def asked(kind: str, turn: str, directive: str) -> Any:
    """The request of a turn of this kind."""
    from gateway.types import Audio, ChatMessage, ChatRequest, Image, Tool

    more = {"tool": " calls=1", "thoughts": " thinking=6"}.get(kind, "")
    message = ChatMessage(
        "user",
        f"Hello [[sim turn={turn} {directive}{more}]]",
        images=(Image(PICTURE),) if kind == "picture" else (),
        audio=(Audio(sound()),) if kind == "sound" else (),
    )
    clock = Tool("clock", "What time it is", {"type": "object", "properties": {"zone": {"type": "string"}}})
    return ChatRequest(model="sim", messages=(message,), tools=(clock,) if kind == "tool" else ())


async def one(router: Any, policy: Any, turn: str, kind: str, directive: str) -> Outcome:
    from core.errors import AppError
    from gateway.router import needs_of
    from gateway.types import Finish, Rerouted, TextDelta, ThinkingDelta, ToolCall

    began = last = time.monotonic()
    outcome = Outcome(turn, 0.0, kind=kind)
    wanted = {"tool": {"tool"}, "thoughts": {"thoughts"}}.get(kind, set())
    request = asked(kind, turn, directive)
    try:
        decision = await router.route(policy=policy, needs=needs_of(request))
        outcome.models.append(decision.model.id)
        async for event in router.stream(request, decision):
            last = time.monotonic()
            match event:
                case TextDelta():
                    outcome.characters += len(event.text)
                case ThinkingDelta():
                    outcome.got.add("thoughts")
                case ToolCall() if event.complete and event.name == "clock":
                    outcome.got.add("tool")
                case Rerouted():
                    outcome.models.append(event.to)
                    outcome.reasons.append(event.reason)
                case Finish():
                    outcome.got.add("end")
    except AppError as error:
        outcome.code = error.code
    outcome.seconds = time.monotonic() - began
    outcome.late = time.monotonic() - last
    if not outcome.code and not ("end" in outcome.got and outcome.characters and wanted <= outcome.got):
        outcome.code = "incomplete"
    return outcome


async def drive(address: str, args: argparse.Namespace) -> list[Outcome]:
    from gateway.clients import session

    router, policies = made_router(address, args.pause, litellm=args.litellm)
    slots = asyncio.Semaphore(args.at_once)

    async def turn(number: int) -> Outcome:
        directive = f"tokens={random.randint(16, 40)} ttft=20 itl=8 fault=any fault_rate={args.rate} retry_after=0"
        directive += f" fault_at={random.choice((0, 1, 3, 6))}"
        async with slots:
            kind = KINDS[number // len(policies) % len(KINDS)]  # Each kind begins at each provider.
            return await one(router, policies[number % len(policies)], f"turn{number}", kind, directive)

    if args.litellm:  # Its process takes seconds to start, which are no turn's.
        await one(router, policies[list(WIRES).index("green")], "warm", KINDS[0], "tokens=1 fault=none")
        await asyncio.to_thread(fetched, f"{address}/sim/reset")
    outcomes = await asyncio.gather(*(turn(number) for number in range(args.turns)))
    await session.close()
    return list(outcomes)


def fetched(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def report(outcomes: list[Outcome], turns: dict[str, int], stats: dict[str, int]) -> bool:
    complete = sum(not outcome.code for outcome in outcomes)
    codes = collections.Counter(outcome.code for outcome in outcomes if outcome.code)
    twice = [turn for turn, times in turns.items() if times > 1]
    unbilled = [o.turn for o in outcomes if not o.code and turns.get(o.turn, 0) != 1]
    late = [outcome for outcome in outcomes if outcome.late > TOTAL + 0.5]
    seconds = sorted(outcome.seconds for outcome in outcomes)
    share = stats["faults"] / max(1, stats["requests"])
    deaf = [o.turn for o in outcomes if o.kind == "sound" and not HEARING.issuperset(o.models)]
    kinds = {kind: [o for o in outcomes if o.kind == kind] for kind in KINDS}
    figures: dict[str, object] = {
        "turns": len(outcomes),
        "requests to providers": stats["requests"],
        "faults injected": f"{stats['faults']} ({share:.0%} of requests)",
        "complete": f"{complete} ({complete / len(outcomes):.2%})",
        "complete by kind": {kind: f"{sum(not o.code for o in those)}/{len(those)}" for kind, those in kinds.items()},
        "pictures / sounds that came to the providers": f"{stats['images']} / {stats['audio']}",
        "sounds for those who do not hear": len(deaf),
        "requests that no provider would take": stats["refused"],
        "answered after a change of model": sum(len(o.models) > 1 and not o.code for o in outcomes),
        "billed twice": len(twice),
        "complete but not billed once": len(unbilled),
        "past their time": len(late),
        "still open at the provider": stats["active"],
        "codes of the failed": dict(codes),
        "reasons of changes": dict(collections.Counter(reason for o in outcomes for reason in o.reasons)),
        "seconds p50 / p99 / most": " / ".join(f"{percentile(seconds, share):.2f}" for share in (0.5, 0.99, 1.0)),
    }
    rows: list[dict[str, object]] = [{"what": what, "figure": figure} for what, figure in figures.items()]
    print(table(rows))
    good = complete >= 0.99 * len(outcomes) and not twice and not late and len(codes) <= MOST_CODES
    good = good and not deaf and not stats["refused"]
    return good and "incomplete" not in codes and stats["active"] == 0


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--turns", type=int, default=500)
    made.add_argument("--rate", type=float, default=0.3, help="share of requests that go wrong")
    made.add_argument("--litellm", action=argparse.BooleanOptionalAction, default=True, help="one provider in its process")
    made.add_argument("--at-once", type=int, default=20)
    made.add_argument("--pause", type=float, default=2.0, help="seconds that a circuit stays open")
    made.add_argument("--port", type=int, default=9118, help="for the simulator")
    args = made.parse_args()
    configure()
    address = f"http://127.0.0.1:{args.port}"
    command = [sys.executable, "-m", "bench.simulator", "--port", str(args.port)]
    simulator = Process("simulator", command, f"{address}/health", {"PYTHONPATH": str(ROOT)}, cwd=str(ROOT))
    simulator.start()
    try:
        outcomes = asyncio.run(drive(address, args))
        time.sleep(0.5)
        good = report(outcomes, fetched(f"{address}/sim/turns"), fetched(f"{address}/sim/stats"))
    finally:
        simulator.stop()
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    main()
