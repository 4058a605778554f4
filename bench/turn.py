"""The full turn over the page's websocket, beside the bare Daphne relay, in the same run.

Cloison's turn signs the person in, checks rights, stores both messages, retrieves, streams through resumable events
and counts usage; the relay does nothing but pass tokens on. Both get the same simulated provider and the same load
client on core 0, and core 1 to themselves (web, worker, beat, PostgreSQL and Redis together on Cloison's side; web,
PostgreSQL and Redis are counted).

    ttft   one turn at a time: what is added to the provider's own time to the first token
    load   --load-streams streams at 50 tokens a second: processor time a token of the whole server, all of the turn
           included; the same split into a further token and the turn's own cost; token delay
    hold   the most streams of 50 tokens a second held: every token there, 99 % within 100 ms, no silence over 250 ms
           at p99, the whole run within its pace

    python -m bench.turn                      starts a Cloison of its own, in a temporary folder
    python -m bench.turn --rounds 1 --skip-hold
"""

from __future__ import annotations

import argparse
import http.cookiejar
import json
import os
import re
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench.kit import load
from bench.kit.procs import Process
from bench.kit.stats import spread, table

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "cloison-bench-2026"
TENANT, EMAIL = "acme.localhost", "member@acme.test"
ITL = 20  # milliseconds: 50 tokens a second
PEERS = """Peers, measured with the same kit on another day (compare ratios to the relay's row, never figures across runs):
bare Daphne relay 281 streams held, 71–127 µs a token · Open WebUI's API 125, 126–150 µs; its page path 430–460 µs ·
LiteLLM proxy 26, 750–980 µs"""


@dataclass
class Target:
    """A server to measure. `credentials` gives headers once, `ticket` a path for each socket."""

    name: str
    process: Process
    url: str
    host: str = ""
    body: str = '{"prompt":"%s"}'
    end: bytes = b'"done"'
    failed: tuple[bytes, ...] = (b'"error"',)
    headers: dict[str, str] = field(default_factory=dict)
    path: Callable[[], str] | None = None
    hold_from: int = 100
    counted: tuple[str, ...] = ()
    """the parts of the process tree whose processor time counts; empty: all"""

    def plan(self, directive: str, expect: int, timeout: float) -> load.Plan:
        return load.Plan(
            url=self.url,
            flavour="ws",
            body=(self.body % f"hello {directive}").encode(),
            headers=self.headers,
            timeout=timeout,
            expect_tokens=expect,
            host=self.host,
            end=self.end,
            failed=self.failed,
            path=self.path,
        )

    def ask(self, plan: load.Plan, concurrency: int, requests: int, ramp: float = 0.0) -> dict[str, Any]:
        before = self.process.cpu_by_part()
        figures, _ = uvloop.run(load.run(plan, concurrency, requests, 0.0, ramp))
        time.sleep(0.5)
        after, tokens = self.process.cpu_by_part(), max(figures["tokens"], 1)
        figures["parts"] = {part: max(0.0, after[part] - before[part]) * 1e6 / tokens for part in after}
        figures["cpu_us_token"] = sum(figures["parts"][part] for part in self.counted or after)
        figures["core_use"] = figures["cpu_us_token"] * figures["tokens"] / 1e6 / figures["wall_s"]
        return figures


class Visitor:
    """Somebody at the tenant's site, without a browser: cookies, CSRF, and the Host header by hand."""

    def __init__(self, port: int) -> None:
        self.base, self.host = f"http://127.0.0.1:{port}", f"{TENANT}:{port}"
        self.cookies: dict[str, str] = {}
        policy = http.cookiejar.DefaultCookiePolicy(allowed_domains=[])  # Ours are kept by hand: the address is not the host.
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar(policy))
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar, _NoRedirect())

    def ask(self, path: str, data: bytes | None = None, **headers: str) -> tuple[int, str]:
        said = {"Host": self.host, "Origin": f"http://{self.host}", "Cookie": self.cookie, **headers}
        request = urllib.request.Request(self.base + path, data=data, headers=said)
        try:
            answer = self.opener.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            for line in answer.headers.get_all("Set-Cookie") or []:
                name, _, value = line.split(";", 1)[0].partition("=")
                self.cookies[name.strip()] = value
            return answer.status, answer.read().decode()

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def sign_in(self) -> None:
        """Through the page's form, as a person does. Raises `RuntimeError`."""
        status, page = self.ask("/login/")
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        if status != 200 or not found:
            raise RuntimeError(f"/login/ answered {status} without a form")
        fields = {"csrfmiddlewaretoken": found[1], "email": EMAIL, "password": PASSWORD, "next": "/"}
        status, _ = self.ask("/login/", urllib.parse.urlencode(fields).encode())
        if status not in {302, 303}:
            raise RuntimeError(f"signing in answered {status}")

    def ticket(self, access: str) -> str:
        status, body = self.ask("/api/v1/auth/ws-ticket/", b"{}", Authorization=f"Bearer {access}", **JSON)
        if status not in {200, 201}:
            raise RuntimeError(f"auth/ws-ticket/ answered {status}")
        return str(json.loads(body)["ticket"])

    def token(self) -> str:
        status, body = self.ask("/api/v1/auth/token/", json.dumps({"email": EMAIL, "password": PASSWORD}).encode(), **JSON)
        if status != 200:
            raise RuntimeError(f"auth/token/ answered {status}")
        return str(json.loads(body)["access"])


JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *given: Any, **more: Any) -> None:
        return None


def directive(ttft: int, tokens: int) -> str:
    return f"[[sim ttft={ttft} itl={ITL} tokens={tokens}]]"


def time_to_first(target: Target, requests: int) -> dict[str, float]:
    plan = target.plan("[[sim ttft=20 itl=5 tokens=20]]", 20, 30)
    target.ask(plan, 2, 6)
    got = target.ask(plan, 1, requests)
    return {
        "ttft_added_p50_ms": got["ttft_ms"]["p50"] - 20,
        "ttft_added_p95_ms": got["ttft_ms"]["p95"] - 20,
        "errors": float(sum(got["errors"].values())),
    }


def under_load(target: Target, streams: int) -> dict[str, float]:
    short = target.ask(target.plan(directive(200, 10), 10, 60), streams, streams, ramp=0.5)
    got = target.ask(target.plan(directive(200, 150), 150, 60), streams, streams, ramp=0.5)
    cpu, cpu_short = (figures["cpu_us_token"] * figures["tokens"] for figures in (got, short))
    each = (cpu - cpu_short) / max(got["tokens"] - short["tokens"], 1)
    web, web_short = (figures["parts"]["web"] * figures["tokens"] for figures in (got, short))
    parts = {f"load_{part}_us_token": got["parts"][part] for part in ("web", "redis", "postgres")}
    return {
        "load_cpu_us_token": got["cpu_us_token"],
        **parts,
        "further_token_us": each,
        "further_token_web_us": (web - web_short) / max(got["tokens"] - short["tokens"], 1),
        "turn_cpu_ms": (cpu_short / streams - 10 * each) / 1e3,
        "load_delay_p50_ms": got["token_delay_ms"]["p50"],
        "load_delay_p95_ms": got["token_delay_ms"]["p95"],
        "errors": float(sum(got["errors"].values())),
    }


def holds(target: Target, streams: int) -> tuple[bool, dict[str, float]]:
    """Whether the streams are held; a second try is allowed, since a neighbour's burst is not the target's limit."""
    tokens, ramp = 200, 1.5
    nominal = ramp + 0.3 + (tokens - 1) * ITL / 1000
    for _ in (1, 2):
        got = target.ask(target.plan(directive(300, tokens), tokens, 40), streams, streams, ramp)
        late, gap, stretch = got["token_delay_ms"]["p99"], got["longest_gap_ms"]["p99"], got["wall_s"] / nominal
        ok = not got["errors"] and late <= 100 and gap <= 250 and stretch <= 1.08
        print(
            f"  {target.name}: {streams} streams {'held' if ok else 'not held'}: delay p99 {late:.0f} ms, gap p99 {gap:.0f} ms,"
            f" {got['cpu_us_token']:.0f} µs a token, use {got['core_use']:.2f}, stretch {stretch:.2f}, {got['errors'] or ''}",
            file=sys.stderr,
            flush=True,
        )
        if ok:
            return True, {"hold_cpu_us_token": got["cpu_us_token"], "hold_delay_p99_ms": late}
    return False, {}


def most_held(target: Target) -> dict[str, float]:
    """Steps of a quarter up or down from the last figure, then one between the two that bound it."""
    low, high, streams, note = 0, 0, target.hold_from, {}
    while streams >= 2 and not (low and high):
        ok, got = holds(target, streams)
        if ok:
            low, note = streams, got
            streams = streams * 5 // 4 + 1
        else:
            high = streams
            streams = streams * 4 // 5
        if low >= 1500:
            break
    if low and high - low > 1:
        ok, got = holds(target, (low + high) // 2)
        if ok:
            low, note = (low + high) // 2, got
    target.hold_from = max(low, 4)
    return {"held": float(low), **note}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_cloison(folder: Path, provider: str, port: int) -> Target:
    environment = {
        "OPENAI_API_BASE": f"{provider}/v1",
        "CLOISON_OPENAI_MODEL": "sim",
        "CLOISON_DEMO_PASSWORD": PASSWORD,
        "CLOISON_RATE_PER_MINUTE": "10000000",
        "CLOISON_RATE_BURST": "10000000",
        "CLOISON_SOCKETS_PER_USER": "100000",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
        "OLLAMA_API_BASE": "",
    }
    weights = os.environ.get("CLOISON_WEIGHTS_DIR") or str(ROOT / "var" / "weights")
    command = [sys.executable, "manage.py", "up", "--port", str(port), "--data-dir", str(folder)]
    ready = f"http://127.0.0.1:{port}/health/ready"
    environment["CLOISON_WEIGHTS_DIR"] = weights
    process = Process("cloison", command, ready, environment, cwd=str(ROOT), cores=(1,), log_dir=str(folder / "bench-log"))
    process.start(180)
    target = Target(
        "cloison",
        process,
        f"ws://127.0.0.1:{port}/ws/",
        host=f"{TENANT}:{port}",
        body='{"type":"message.send","content":"%s"}',
        end=b'"type":"run.completed"',
        failed=(b'"type":"run.failed"', b'"type":"run.interrupted"', b'"type":"error"'),
        counted=("web", "redis", "postgres"),  # The worker, the scheduler and the errands have no part in a turn.
    )
    visitor = Visitor(port)
    try:
        visitor.sign_in()
        target.headers = {"Cookie": visitor.cookie}
    except RuntimeError as reason:
        print(f"  by tickets: {reason}", file=sys.stderr)
        access = visitor.token()
        target.path = lambda: f"/ws/?ticket={visitor.ticket(access)}"
    return target


def start_relay(folder: Path, provider: str, port: int) -> Target:
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0", "bench.relay:application"]
    environment = {"RELAY_UPSTREAM": provider, "PYTHONPATH": str(ROOT)}
    process = Process(
        "relay",
        command,
        f"http://127.0.0.1:{port}/health",
        environment,
        cwd=str(ROOT),
        cores=(1,),
        log_dir=str(folder / "bench-log"),
    )
    process.start()
    return Target("daphne relay", process, f"ws://127.0.0.1:{port}/ws/", hold_from=200)


def measure(targets: list[Target], args: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Interleaved rounds: a noisy minute falls on all alike."""
    results: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
    for _ in range(args.rounds):
        for target in targets:
            figures = time_to_first(target, args.requests)
            loaded = under_load(target, args.load_streams)
            figures |= loaded | {"errors": figures["errors"] + loaded["errors"]}
            if not args.skip_hold:
                figures |= most_held(target)
            results[target.name].append(figures)
    return results


def report(results: dict[str, list[dict[str, float]]]) -> None:
    names = list(results["cloison"][0])
    medians: dict[str, dict[str, float]] = {}
    rows: list[dict[str, object]] = []
    for target, runs in results.items():
        row: dict[str, object] = {"target": target}
        medians[target] = {}
        for name in names:
            got = spread(run.get(name, float("nan")) for run in runs)
            medians[target][name] = got["median"]
            row[name] = f"{got['median']:.3g} ({got['min']:.3g}–{got['max']:.3g})"
        rows.append(row)
    ours, relay = medians["cloison"], medians["daphne relay"]
    ratio: dict[str, object] = {"target": "ratio to the relay"}
    ratio |= {name: f"{ours[name] / relay[name]:.2f}" for name in names if relay[name] and name != "errors"}
    print(table([*rows, ratio], ["target", *names]))
    print(f"\n{PEERS}")


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--requests", type=int, default=40, help="turns of the ttft scenario")
    made.add_argument("--load-streams", type=int, default=40)
    made.add_argument("--skip-hold", action="store_true")
    made.add_argument("--json", default="", help="a file for all figures")
    args = made.parse_args()
    os.sched_setaffinity(0, {0})
    started: list[Process] = []
    with tempfile.TemporaryDirectory(prefix="cloison-bench-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        try:
            port = free_port()
            provider = f"http://127.0.0.1:{port}"
            command = [sys.executable, "-m", "bench.simulator", "--port", str(port)]
            simulator = Process("simulator", command, f"{provider}/health", cwd=str(ROOT), cores=(0,), log_dir=temporary)
            simulator.start()
            started.append(simulator)
            relay = start_relay(folder, provider, free_port())
            started.append(relay.process)
            cloison = start_cloison(folder, provider, free_port())
            started.append(cloison.process)
            results = measure([cloison, relay], args)
        finally:
            for process in reversed(started):
                process.stop()
    report(results)
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
