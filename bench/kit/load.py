"""An async load client for streamed answers, over HTTP (any event or line format) and WebSocket.

It reads the stamps that the simulator writes into each token, so it reports, besides time to first
token and total time, the one-way delay of every token from the simulator's write to this client's
read: what a relay in between adds, with nothing subtracted. Faults are counted, never raised.

Closed loop: --concurrency streams at a time until --requests are done.
Open loop:   --rate streams a second, started on schedule whatever happened to earlier ones.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import struct
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httptools

from bench.kit.stats import quantiles
from bench.simulator import wire

BODIES = {
    "openai": '{"model":"%(model)s","stream":%(stream)s,"messages":[{"role":"user","content":"%(prompt)s"}]}',
    "anthropic": '{"model":"%(model)s","max_tokens":4096,"stream":%(stream)s,'
    '"messages":[{"role":"user","content":"%(prompt)s"}]}',
    "ollama": '{"model":"%(model)s","stream":%(stream)s,"messages":[{"role":"user","content":"%(prompt)s"}]}',
    "ws": '{"prompt":"%(prompt)s"}',
}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "ollama": "/api/chat", "ws": "/ws/"}


@dataclass(slots=True)
class Outcome:
    """What one request met."""

    began: float
    status: int = 0
    error: str = ""
    tokens: int = 0
    first: float = 0.0
    """seconds to the first token"""
    total: float = 0.0
    """seconds to the end of the answer"""
    inbound_us: int = 0
    """microseconds from this client's send to the simulator's first stamp (its ttft setting included)"""
    delays: array[int] = field(default_factory=lambda: array("q"))
    """one-way delay of each token, microseconds"""
    gap: float = 0.0
    """longest silence between two tokens, seconds"""
    span_us: int = 0
    """microseconds from the simulator's first stamp to its last: longer than asked where it lacked processor time"""


@dataclass(slots=True)
class Plan:
    """What to ask of whom."""

    url: str
    flavour: str
    body: bytes
    headers: dict[str, str]
    timeout: float = 60.0
    expect_tokens: int = 0
    fresh: bool = False
    """a new connection for each request"""
    host: str = ""
    """the Host that is sent, where it is not the address itself"""
    end: bytes = b'"done"'
    """what the frame that ends an answer holds (websockets)"""
    failed: tuple[bytes, ...] = (b'"error"',)
    """what a frame that tells of a failure holds (websockets)"""
    path: Callable[[], str] | None = None
    """the path of each new connection, where it holds something that serves once"""


class Scan:
    """Finds stamps in a byte stream cut anywhere."""

    __slots__ = ("last", "outcome", "rest", "start_us")

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.rest = b""
        self.last = 0.0
        self.start_us = 0

    def feed(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
            self.rest = b""
        cut = data.rfind(b"~", max(0, len(data) - wire.STAMP_DIGITS))
        if cut >= 0:
            self.rest = data[cut:]
            data = data[:cut]
        found = wire.STAMP_RE.findall(data)
        if not found:
            return
        now_ns = time.monotonic_ns()
        now, now_us = now_ns / 1e9, now_ns // 1000
        out = self.outcome
        if not out.tokens:
            out.first = now - out.began
            self.start_us = wire.stamp_us(found[0])
            out.inbound_us = wire.age_us(int(out.began * 1e6), self.start_us)
        elif now - self.last > out.gap:
            out.gap = now - self.last
        self.last = now
        out.tokens += len(found)
        for digits in found:
            out.delays.append(wire.age_us(wire.stamp_us(digits), now_us))
        out.span_us = wire.age_us(self.start_us, wire.stamp_us(found[-1]))


class HttpConnection(asyncio.Protocol):
    """One client connection, one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] | None = None
        self.outcome: Outcome | None = None
        self.scan: Scan | None = None
        self.error_text = b""
        self.keep = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.settle("connection lost")

    def settle(self, error: str = "") -> None:
        if self.done and not self.done.done():
            if self.outcome and error:
                self.outcome.error = self.outcome.error or error
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            self.keep = False
            self.settle(f"protocol: {error}"[:80])

    def on_headers_complete(self) -> None:
        if self.outcome:
            self.outcome.status = self.parser.get_status_code()
            self.keep = self.parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if not self.outcome:
            return
        if self.outcome.status >= 400:
            self.error_text = (self.error_text + data)[:300]
        elif self.scan:
            self.scan.feed(data)

    def on_message_complete(self) -> None:
        if self.outcome and self.outcome.status >= 400:
            self.outcome.error = f"http {self.outcome.status}"
        self.settle()

    async def ask(self, request: bytes, outcome: Outcome, timeout: float) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.outcome = outcome
        self.scan = Scan(outcome)
        self.done = asyncio.get_running_loop().create_future()
        assert self.transport is not None
        outcome.began = time.monotonic()
        self.transport.write(request)
        try:
            await asyncio.wait_for(self.done, timeout)
        except TimeoutError:
            outcome.error = "timeout"
            self.keep = False
        outcome.total = time.monotonic() - outcome.began


class WsConnection(asyncio.Protocol):
    """One WebSocket: a handshake, then one question a time; an answer ends with a frame holding "done"."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.buffer = b""
        self.open: asyncio.Future[None] | None = None
        self.done: asyncio.Future[None] | None = None
        self.outcome: Outcome | None = None
        self.scan: Scan | None = None
        self.keep = True
        self.end: bytes = b""
        self.failed: tuple[bytes, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.open and not self.open.done():
            self.open.set_exception(ConnectionError("closed in handshake"))
        self.settle("connection lost")

    def settle(self, error: str = "") -> None:
        if self.done and not self.done.done():
            if self.outcome and error:
                self.outcome.error = self.outcome.error or error
            self.done.set_result(None)

    async def handshake(self, host: str, path: str, headers: dict[str, str], timeout: float) -> None:
        self.open = asyncio.get_running_loop().create_future()
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            f"Origin: http://{host}",
        ]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        assert self.transport is not None
        self.transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await asyncio.wait_for(self.open, timeout)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.open and not self.open.done():
            head, mark, rest = self.buffer.partition(b"\r\n\r\n")
            if not mark:
                return
            self.buffer = rest
            if b" 101 " not in head.split(b"\r\n", 1)[0] + b" ":
                self.open.set_exception(ConnectionError(head.split(b"\r\n", 1)[0].decode()))
                return
            self.open.set_result(None)
        buffer, at = self.buffer, 0
        while len(buffer) - at >= 2:
            opcode, size, start = buffer[at] & 15, buffer[at + 1] & 127, at + 2
            if size == 126:
                if len(buffer) - at < 4:
                    break
                size, start = struct.unpack_from("!H", buffer, start)[0], at + 4
            elif size == 127:
                if len(buffer) - at < 10:
                    break
                size, start = struct.unpack_from("!Q", buffer, start)[0], at + 10
            if len(buffer) < start + size:
                break
            self.frame(opcode, buffer[start : start + size])
            at = start + size
        self.buffer = buffer[at:]

    def frame(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            self.write_frame(10, payload)
        elif opcode == 8:
            self.settle("closed by server")
        elif opcode in (0, 1, 2) and self.scan:
            self.scan.feed(payload)
            if self.end in payload:
                self.settle()
            elif self.outcome and any(mark in payload for mark in self.failed):
                self.outcome.error = payload[:160].decode(errors="replace")
                self.settle()

    def write_frame(self, opcode: int, payload: bytes) -> None:
        mask = random.randbytes(4)
        size = len(payload)
        head = bytes([0x80 | opcode])
        head += bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack("!H", size)
        repeated = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
        if self.transport:
            self.transport.write(head + mask + masked)

    async def ask(self, request: bytes, outcome: Outcome, timeout: float) -> None:
        self.outcome, self.scan = outcome, Scan(outcome)
        self.done = asyncio.get_running_loop().create_future()
        outcome.began = time.monotonic()
        self.write_frame(1, request)
        try:
            await asyncio.wait_for(self.done, timeout)
        except TimeoutError:
            outcome.error = "timeout"
            self.keep = False
        outcome.status = 101
        outcome.total = time.monotonic() - outcome.began


class Client:
    """A pool of connections to one target."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        parts = urlsplit(plan.url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.netloc, self.path = plan.host or parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.ws = parts.scheme == "ws"
        self.idle: list[HttpConnection | WsConnection] = []
        self.outcomes: list[Outcome] = []
        self.connect_errors: Counter[str] = Counter()
        heads = {
            "Host": self.netloc,
            "Content-Type": "application/json",
            "Accept": "*/*",
            "Content-Length": str(len(plan.body)),
            **plan.headers,
        }
        head = f"POST {self.path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in heads.items()) + "\r\n"
        self.request = plan.body if self.ws else head.encode() + plan.body

    async def connection(self) -> HttpConnection | WsConnection:
        while self.idle:
            kept = self.idle.pop()
            if kept.transport and not kept.transport.is_closing():
                return kept
        loop = asyncio.get_running_loop()
        if self.ws:
            _, made = await asyncio.wait_for(loop.create_connection(WsConnection, self.host, self.port), self.plan.timeout)
            made.end, made.failed = self.plan.end, self.plan.failed
            path = await asyncio.to_thread(self.plan.path) if self.plan.path else self.path
            await made.handshake(self.netloc, path, self.plan.headers, self.plan.timeout)
            return made
        _, plain = await asyncio.wait_for(loop.create_connection(HttpConnection, self.host, self.port), self.plan.timeout)
        return plain

    async def one(self) -> Outcome:
        outcome = Outcome(began=time.monotonic())
        try:
            link = await self.connection()
        except (OSError, TimeoutError) as error:
            outcome.error = f"connect: {type(error).__name__} {error}"[:80]
            self.outcomes.append(outcome)
            return outcome
        await link.ask(self.request, outcome, self.plan.timeout)
        expected = self.plan.expect_tokens
        if not outcome.error and expected and outcome.tokens != expected:
            outcome.error = f"tokens {outcome.tokens} of {expected}"
        if link.keep and not outcome.error and not self.plan.fresh:
            self.idle.append(link)
        elif link.transport:
            link.transport.close()
        self.outcomes.append(outcome)
        return outcome

    async def closed_loop(self, concurrency: int, requests: int, ramp: float = 0.0) -> None:
        left = iter(range(requests))

        async def worker(number: int) -> None:
            if ramp:
                await asyncio.sleep(ramp * number / concurrency)
            for _ in left:
                await self.one()

        await asyncio.gather(*(worker(number) for number in range(concurrency)))

    async def open_loop(self, rate: float, requests: int) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        tasks = []
        for number in range(requests):
            wait = start + number / rate - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.ensure_future(self.one()))
        await asyncio.gather(*tasks)

    def close(self) -> None:
        for link in self.idle:
            if link.transport:
                link.transport.close()


def summary(outcomes: list[Outcome], wall: float, stall: float = 0.25) -> dict[str, Any]:
    """The figures of a run; times in milliseconds."""
    good = [o for o in outcomes if not o.error]
    delays = array("q")
    for outcome in good:
        delays.extend(outcome.delays)
    tokens = sum(o.tokens for o in outcomes)
    return {
        "requests": len(outcomes),
        "errors": dict(Counter(o.error for o in outcomes if o.error)),
        "wall_s": round(wall, 3),
        "rps": round(len(good) / wall, 2),
        "tokens": tokens,
        "tokens_per_s": round(tokens / wall, 1),
        "ttft_ms": quantiles(o.first * 1e3 for o in good if o.tokens),
        "total_ms": quantiles(o.total * 1e3 for o in good),
        "inbound_ms": quantiles(o.inbound_us / 1e3 for o in good if o.tokens),
        "token_delay_ms": quantiles(d / 1e3 for d in delays),
        "first_delay_ms": quantiles(o.delays[0] / 1e3 for o in good if o.delays),
        "longest_gap_ms": quantiles(o.gap * 1e3 for o in good),
        "stalled": sum(o.gap > stall for o in good),
        "span_ms": quantiles(o.span_us / 1e3 for o in good if o.tokens > 1),
    }


async def run(
    plan: Plan, concurrency: int, requests: int, rate: float = 0.0, ramp: float = 0.0, warm: int = 0
) -> tuple[dict[str, Any], list[Outcome]]:
    """Ask, then sum up; the first `warm` requests are left out."""
    client = Client(plan)
    if warm:
        await client.closed_loop(min(warm, concurrency), warm)
        client.outcomes.clear()
    began = time.monotonic()
    if rate:
        await client.open_loop(rate, requests)
    else:
        await client.closed_loop(concurrency, requests, ramp)
    wall = time.monotonic() - began
    client.close()
    return summary(client.outcomes, wall), client.outcomes


def make_plan(
    base: str,
    flavour: str,
    prompt: str,
    *,
    model: str = "sim",
    path: str = "",
    stream: bool = True,
    headers: dict[str, str] | None = None,
    timeout: float = 60.0,
    expect: int = 0,
    fresh: bool = False,
    body: str = "",
) -> Plan:
    """A plan from a base address and a flavour's usual path and body."""
    shape = body or BODIES[flavour]
    text = shape % {"model": model, "prompt": prompt, "stream": "true" if stream else "false"}
    return Plan(base.rstrip("/") + (path or PATHS[flavour]), flavour, text.encode(), headers or {}, timeout, expect, fresh)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench.kit.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("base", nargs="?", default="http://127.0.0.1:9100", help="http://host:port or ws://host:port")
    made.add_argument("--flavour", choices=sorted(BODIES), default="openai")
    made.add_argument("--path", default="", help="path, where it is not the flavour's own")
    made.add_argument("--model", default="sim")
    made.add_argument("--prompt", default="hello")
    made.add_argument("--ttft", type=float, default=0.0, help="asked of the simulator, milliseconds")
    made.add_argument("--itl", type=float, default=20.0, help="asked of the simulator, milliseconds")
    made.add_argument("--tokens", type=int, default=50)
    made.add_argument("--whole", action="store_true", help="ask for an answer that is not streamed")
    made.add_argument("--concurrency", type=int, default=1)
    made.add_argument("--requests", type=int, default=20)
    made.add_argument("--rate", type=float, default=0.0, help="open loop: requests started a second")
    made.add_argument("--ramp", type=float, default=0.0, help="seconds over which the workers start")
    made.add_argument("--warm", type=int, default=2, help="requests left out of the figures")
    made.add_argument("--timeout", type=float, default=60.0)
    made.add_argument("--header", action="append", default=[], help="'Name: value', repeatable")
    made.add_argument("--fresh", action="store_true", help="a new connection for each request")
    made.add_argument("--fault", default="", help="further words of the simulator's directive")
    return made


def main(argv: list[str] | None = None) -> None:
    args = parser().parse_args(argv)
    directive = f"[[sim ttft={args.ttft:g} itl={args.itl:g} tokens={args.tokens} {args.fault}]]"
    headers = dict(line.split(": ", 1) for line in args.header)
    plan = make_plan(
        args.base,
        args.flavour,
        f"{args.prompt} {directive}",
        model=args.model,
        path=args.path,
        stream=not args.whole,
        headers=headers,
        timeout=args.timeout,
        fresh=args.fresh,
        expect=0 if args.fault else args.tokens,
    )
    import uvloop

    figures, _ = uvloop.run(run(plan, args.concurrency, args.requests, args.rate, args.ramp, args.warm))
    json.dump(figures, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
