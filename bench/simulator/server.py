"""A model provider that costs almost nothing: the upstream of every benchmark here.

Speaks OpenAI /v1/chat/completions and /v1/embeddings, Anthropic /v1/messages and Ollama /api/chat,
/api/generate and /api/embed, streamed and whole, at a set pace and with set faults.

The pace of one answer is, in rising priority: the command line; POST /sim/config with a JSON object;
a directive anywhere in the request body, the last one counting, which every relay passes on:

    [[sim ttft=200 itl=20 tokens=100 fault=disconnect fault_at=10]]

Faults: http-500, http-503, http-529, http-429 (with Retry-After), hang (no answer), stall (silence after
fault_at tokens), disconnect (the connection is cut after fault_at tokens), malformed (a broken event at
fault_at, then on), error-event (an in-stream error after fault_at tokens, then the end), huge (an event of
10 MB at fault_at, then on), half-character (accented text cut within a character, the rest a moment later),
cut-character (half of one, then the connection is cut),
broken-character (bytes that are no UTF-8 at fault_at), empty (a stream without an event), wrong-type (a page of
HTML), redirect (to this same simulator, under a path that counts), context (400, the prompt is too long).
fault_rate=0.1 draws the fault for one request in ten; fault_first=2 draws it for the first two alone. fault=any draws
one of all. fault_model=NAME draws it only for requests of that model.

thinking=5 gives so many words of thoughts before the text; calls=2 calls the request's first tools after it, with values
made from their schemas; reason=length|content_filter names why it ended. turn=NAME counts under that name, at
GET /sim/turns, how many answers of it were given to the end: what a provider would bill.

Pictures and sounds (OpenAI's wire: input_audio, wav or mp3) are looked at: what is no base64, or not in a format that the
wire takes, is 400 in the provider's own shape, as is a sound on a wire without them. GET /sim/stats counts both.

GET /sim/requests gives the chat requests received, newest last (DELETE forgets them): path, headers of a few names, body.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import dataclasses
import hashlib
import json
import random
import re
import signal
import struct
from collections.abc import Callable
from typing import Any

import httptools

from . import media, wire

DIRECTIVE_RE = re.compile(rb"\[\[sim ([^\]]*)\]\]")
FAULTS = (
    "none",
    "http-500",
    "http-503",
    "http-529",
    "http-429",
    "hang",
    "stall",
    "disconnect",
    "malformed",
    "error-event",
    "huge",
    "half-character",
    "cut-character",
    "broken-character",
    "empty",
    "wrong-type",
    "redirect",
    "context",
    "http-401",
    "http-404",
)
REASONS = {200: "OK", 307: "Temporary Redirect", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}
HUGE = 10_000_000  # bytes
ANY = tuple(fault for fault in FAULTS if fault not in ("none", "redirect", "context", "http-401", "http-404", "half-character"))
RECORDED = 5_000  # requests kept
KEPT_HEADERS = frozenset({b"content-type", b"accept", b"anthropic-version", b"user-agent"})


@dataclasses.dataclass(slots=True)
class Pace:
    """How one answer is given."""

    ttft: float = 0.0
    """milliseconds before the first token"""
    itl: float = 0.0
    """milliseconds between tokens"""
    tokens: int = 32
    fault: str = "none"
    fault_at: int = 5
    fault_rate: float = 1.0
    fault_first: int = 0
    fault_model: str = ""
    retry_after: int = 2
    thinking: int = 0
    calls: int = 0
    reason: str = ""
    turn: str = ""
    echo: int = 0
    """the answer is the last message, in pieces of up to so many characters, cut at random"""

    def updated(self, changes: dict[str, str]) -> Pace:
        known = {field.name: field.type for field in dataclasses.fields(self)}
        casts = {"float": float, "int": int, "str": str}
        values = {name: casts[str(known[name])](value) for name, value in changes.items() if name in known}
        if values.get("fault", "none") not in (*FAULTS, "any"):
            raise ValueError(f"unknown fault {values['fault']!r}")
        return dataclasses.replace(self, **values)


@dataclasses.dataclass(slots=True)
class Stats:
    """What the simulator has done since its start or the last POST /sim/reset."""

    requests: int = 0
    streams: int = 0
    active: int = 0
    peak_active: int = 0
    finished: int = 0
    client_gone: int = 0
    tokens: int = 0
    faults: int = 0
    connections: int = 0
    redirects: int = 0
    images: int = 0
    """pictures in chat requests"""
    audio: int = 0
    """sounds in them"""
    refused: int = 0
    """requests with a picture or sound that a real provider would not take"""
    last_body: str = ""
    """the last chat request, for tests that look at what a client asks"""


class Simulator:
    """State shared by all connections."""

    def __init__(self, pace: Pace, model_names: list[str], dims: int) -> None:
        self.pace = pace
        self.models = model_names
        self.dims = dims
        self.stats = Stats()
        self.serial = 0
        self.fault_seen = 0
        self.requests: collections.deque[dict[str, Any]] = collections.deque(maxlen=RECORDED)
        self.turns: collections.Counter[str] = collections.Counter()

    def next_id(self, prefix: str) -> str:
        self.serial += 1
        return f"{prefix}{self.serial:012x}"

    def pace_of(self, body: bytes) -> Pace:
        found = DIRECTIVE_RE.findall(body)
        if not found:
            return self.pace
        pairs = (item.split("=", 1) for item in found[-1].decode().split() if "=" in item)
        return self.pace.updated(dict(pairs))

    def draws_fault(self, pace: Pace, model: str) -> bool:
        if pace.fault == "none" or pace.fault_model not in ("", model):
            return False
        if pace.fault_first:
            self.fault_seen += 1
            return self.fault_seen <= pace.fault_first
        return pace.fault_rate >= 1.0 or random.random() < pace.fault_rate

    def embedding(self, text: str) -> list[float]:
        """A unit vector that depends on the text alone."""
        seed = hashlib.blake2b(text.encode(), digest_size=32).digest()
        raw = b"".join(
            hashlib.blake2b(seed, salt=struct.pack("<Q", i), digest_size=64).digest() for i in range(-(-self.dims // 32))
        )
        values = [v / 32768.0 for v in struct.unpack(f"<{self.dims}h", raw[: 2 * self.dims])]
        norm = sum(v * v for v in values) ** 0.5 or 1.0
        return [round(v / norm, 6) for v in values]


CHAT = frozenset({"/v1/chat/completions", "/chat/completions", "/v1/messages", "/api/chat", "/api/generate"})


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, kept alive, one request at a time."""

    def __init__(self, sim: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self.sim = sim
        self.loop = loop
        self.transport: asyncio.Transport | None = None
        self.timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self.streaming = False
        self.full = False
        """the reader does not keep up"""
        self.waiting: Callable[[], None] | None = None
        self.reset()

    def reset(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.path = b""
        self.body: list[bytes] = []
        self.headers: dict[str, str] = {}

    # asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]
        self.sim.stats.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer:
            self.timer.cancel()
        if self.streaming:
            self.streaming = False
            self.sim.stats.active -= 1
            self.sim.stats.client_gone += 1
        self.transport = None

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        waiting, self.waiting = self.waiting, None
        if waiting:
            waiting()

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    # httptools
    def on_url(self, url: bytes) -> None:
        self.path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in KEPT_HEADERS:
            self.headers[name.lower().decode()] = value.decode(errors="replace")
        if name.lower() == b"expect" and self.transport:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        path, body = self.path.split(b"?", 1)[0].decode(), b"".join(self.body)
        method, headers = self.parser.get_method().decode(), self.headers
        self.reset()
        self.route(method, path, headers, body)

    # answers
    def close(self) -> None:
        if self.transport:
            self.transport.close()

    def send(self, status: int, body: bytes, extra: str = "", content_type: str = "application/json") -> None:
        if not self.transport:
            return
        head = (
            f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n{extra}\r\n"
        )
        self.transport.write(head.encode() + body)

    def send_json(self, value: object, status: int = 200) -> None:
        self.send(status, wire.dumps(value).encode())

    def route(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> None:
        sim = self.sim
        if path in CHAT:
            try:
                kept: Any = json.loads(raw)
            except ValueError:
                kept = raw.decode(errors="replace")
            sim.requests.append({"path": path, "headers": headers, "body": kept})
        try:
            body: dict[str, Any] = json.loads(raw) if raw else {}
        except ValueError:
            self.send_json({"error": {"message": "body is not JSON"}}, 400)
            return
        match path:
            case "/v1/chat/completions" | "/chat/completions":
                self.answer("openai", body, raw)
            case "/v1/messages":
                self.answer("anthropic", body, raw)
            case "/api/chat":
                self.answer("ollama", body, raw)
            case "/api/generate":
                self.answer("ollama-generate", body, raw)
            case "/v1/embeddings" | "/api/embed":
                self.embed(path, body)
            case "/v1/models" | "/models":
                data = [{"id": n, "object": "model", "created": 0, "owned_by": "sim"} for n in sim.models]
                self.send_json({"object": "list", "data": data})
            case "/api/tags":
                details = {"family": "sim", "parameter_size": "1B", "quantization_level": "Q4_0"}
                names = [
                    {
                        "name": n,
                        "model": n,
                        "modified_at": "2026-01-01T00:00:00Z",
                        "size": 1,
                        "digest": "0" * 64,
                        "details": details,
                    }
                    for n in sim.models
                ]
                self.send_json({"models": names})
            case "/api/ps":
                self.send_json({"models": []})
            case "/api/version":
                self.send_json({"version": "0.12.0"})
            case "/api/show":
                self.send_json({"details": {"family": "sim"}, "model_info": {}, "capabilities": ["completion"]})
            case "/sim/requests" if method == "DELETE":
                sim.requests.clear()
                self.send_json({"ok": True})
            case "/sim/requests":
                self.send_json(list(sim.requests))
            case "/sim/turns":
                self.send_json(sim.turns)
            case "/sim/stats":
                self.send_json(dataclasses.asdict(sim.stats))
            case "/sim/elsewhere":
                sim.stats.redirects += 1
                self.send_json({"ok": True})
            case "/sim/reset":
                sim.stats = Stats(active=sim.stats.active)
                sim.fault_seen = 0
                sim.requests.clear()
                sim.turns.clear()
                self.send_json({"ok": True})
            case "/sim/config":
                try:
                    sim.pace = sim.pace.updated({k: str(v) for k, v in body.items()})
                except ValueError as error:
                    self.send_json({"error": str(error)}, 400)
                    return
                self.send_json(dataclasses.asdict(sim.pace))
            case "/health" | "/":
                self.send_json({"ok": True})
            case _:
                self.send_json({"error": {"message": f"no such path {path}"}}, 404)

    def embed(self, path: str, body: dict[str, Any]) -> None:
        given = body.get("input", "")
        texts = [given] if isinstance(given, str) else [str(text) for text in given]
        vectors = [self.sim.embedding(text) for text in texts]
        model = str(body.get("model", "sim-embed"))
        if path == "/api/embed":
            self.send_json({"model": model, "embeddings": vectors})
            return
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
        used = sum(len(text) for text in texts) // 4
        self.send_json({"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": used, "total_tokens": used}})

    def answer(self, flavour: str, body: dict[str, Any], raw: bytes) -> None:
        sim = self.sim
        sim.stats.requests += 1
        sim.stats.last_body = raw.decode(errors="replace")
        sim.stats.images += media.images(body)
        sim.stats.audio += media.sounds(body)
        family = flavour.partition("-")[0]
        if complaint := media.complaint(family, body):
            sim.stats.refused += 1
            self.send(400, wire.error_body(family, 400, complaint, "invalid_request_error"))
            return
        try:
            pace = sim.pace_of(raw)
        except ValueError as error:
            self.send(400, wire.error_body(family, 400, str(error)))
            return
        model = str(body.get("model", "sim"))
        fault = pace.fault if sim.draws_fault(pace, model) else "none"
        if fault == "any":
            fault = random.choice(ANY)
        if fault != "none":
            sim.stats.faults += 1
        if fault == "hang":
            return
        if fault in ("empty", "wrong-type", "redirect", "context"):
            self.refuse(fault, family)
            return
        if fault.startswith("http-"):
            status = int(fault[5:])
            extra = f"Retry-After: {pace.retry_after}\r\n" if status == 429 else ""
            self.send(status, wire.error_body(family, status, f"simulated {status}"), extra)
            return
        prompt_tokens = len(raw) // 4
        streamed = bool(body.get("stream", family == "ollama"))
        generate = flavour == "ollama-generate"
        if not streamed:
            delay = (pace.ttft + pace.itl * pace.tokens) / 1000
            self.timer = self.loop.call_later(delay, self.send_whole, family, model, pace.tokens, prompt_tokens, generate)
            return
        more = wire.Extras(pace.thinking, wire.tool_calls(body, pace.calls), pace.reason)
        if family == "openai":
            usage = bool((body.get("stream_options") or {}).get("include_usage"))
            shape = wire.openai_stream(model, sim.next_id("chatcmpl-"), prompt_tokens, pace.tokens, usage, more)
        elif family == "anthropic":
            shape = wire.anthropic_stream(model, sim.next_id("msg_"), prompt_tokens, pace.tokens, more)
        else:
            shape = wire.ollama_stream(model, prompt_tokens, pace.tokens, generate, more)
        pieces = wire.pieces(body, pace.echo) if pace.echo else []
        Streamer(self, shape, dataclasses.replace(pace, tokens=len(pieces)) if pieces else pace, fault, pieces)

    def refuse(self, fault: str, family: str) -> None:
        """Answer at once, with something that is no stream of tokens."""
        match fault:
            case "empty":
                self.send(200, b"", content_type="application/x-ndjson" if family == "ollama" else "text/event-stream")
            case "wrong-type":
                self.send(200, b"<html><body>Sign in to the network</body></html>", content_type="text/html")
            case "redirect":
                self.send(307, b"", "Location: /sim/elsewhere\r\n")
            case "context":
                self.send(400, wire.error_body(family, 400, wire.TOO_LONG[family], "context_length_exceeded"))

    def send_whole(self, family: str, model: str, tokens: int, prompt_tokens: int, generate: bool) -> None:
        self.timer = None
        text = (wire.stamp() * tokens).decode()
        self.sim.stats.tokens += tokens
        if family == "openai":
            body = wire.openai_whole(model, self.sim.next_id("chatcmpl-"), text, prompt_tokens, tokens)
        elif family == "anthropic":
            body = wire.anthropic_whole(model, self.sim.next_id("msg_"), text, prompt_tokens, tokens)
        else:
            body = wire.ollama_whole(model, text, prompt_tokens, tokens, generate)
        self.send(200, body)


class Streamer:
    """One streamed answer, on a schedule that does not drift."""

    __slots__ = ("after", "before", "conn", "fault", "loop", "pace", "pieces", "sent", "shape", "start")

    def __init__(self, conn: Connection, shape: wire.Rendering, pace: Pace, fault: str, pieces: list[bytes]) -> None:
        self.conn, self.shape, self.pace, self.fault, self.pieces = conn, shape, pace, fault, pieces
        self.sent = 0
        self.loop = conn.loop
        size = len(shape.before) + wire.TOKEN_BYTES + len(shape.after)
        self.before = b"%x\r\n" % size + shape.before
        self.after = shape.after + b"\r\n"
        stats = conn.sim.stats
        stats.streams += 1
        stats.active += 1
        stats.peak_active = max(stats.peak_active, stats.active)
        conn.streaming = True
        self.start = self.loop.time() + pace.ttft / 1000
        conn.timer = self.loop.call_at(self.start, self.first)

    @staticmethod
    def chunk(data: bytes) -> bytes:
        return b"%x\r\n" % len(data) + data + b"\r\n" if data else b""

    def first(self) -> None:
        transport = self.conn.transport
        if transport:
            transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: "
                + self.shape.content_type.encode()
                + b"\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
                + self.chunk(self.shape.head)
            )
            self.step()

    def step(self) -> None:
        conn = self.conn
        transport = conn.transport
        if not transport:
            return
        if conn.full:  # As a real server: what the reader has not taken holds the answer up.
            conn.waiting = self.step
            return
        if self.fault != "none" and self.sent >= self.pace.fault_at and not self.misbehave(transport):
            return
        if self.sent >= self.pace.tokens:
            self.finish(transport)
            return
        if self.pieces:
            transport.write(self.chunk(self.shape.token(self.pieces[self.sent])))
        else:
            transport.write(self.before + wire.stamp() + self.after)
        self.sent += 1
        conn.sim.stats.tokens += 1
        if self.sent >= self.pace.tokens:
            self.finish(transport)
        elif self.pace.itl > 0:
            conn.timer = self.loop.call_at(self.start + self.sent * self.pace.itl / 1000, self.step)
        else:
            conn.timer = self.loop.call_soon(self.step)

    def misbehave(self, transport: asyncio.Transport) -> bool:
        """Do what the fault says; True where the stream goes on."""
        fault, self.fault = self.fault, "none"
        shape = self.shape
        if fault == "malformed":
            transport.write(self.chunk(shape.malformed))
            return True
        if fault == "huge":
            transport.write(self.chunk(shape.token(b"x" * HUGE)))
            self.conn.timer = self.loop.call_soon(self.step)
            return False
        if fault == "broken-character":
            transport.write(self.chunk(shape.token(b"caf\xc3 \xff")))
            return True
        if fault == "half-character":
            whole = self.chunk(shape.token("é".encode()))
            middle = whole.index(b"\xc3") + 1
            transport.write(whole[:middle])
            self.conn.timer = self.loop.call_later(0.05, self.resume, whole[middle:])
            return False
        if fault == "cut-character":
            whole = self.chunk(shape.token("é".encode()))
            transport.write(whole[: whole.index(b"\xc3") + 1])
            transport.close()
        elif fault == "disconnect":
            transport.abort()
        elif fault == "error-event":
            transport.write(self.chunk(self.shape.error) + b"0\r\n\r\n")
            self.end()
        return False

    def resume(self, rest: bytes) -> None:
        if transport := self.conn.transport:
            transport.write(rest)
            self.step()

    def finish(self, transport: asyncio.Transport) -> None:
        transport.write(self.chunk(self.shape.tail) + b"0\r\n\r\n")
        self.conn.sim.stats.finished += 1
        if self.pace.turn:
            self.conn.sim.turns[self.pace.turn] += 1
        self.end()

    def end(self) -> None:
        self.conn.timer = None
        if self.conn.streaming:
            self.conn.streaming = False
            self.conn.sim.stats.active -= 1


async def serve(sim: Simulator, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(sim, loop), host, port, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    print(f"simulator on http://{host}:{port}", flush=True)
    await stop.wait()
    server.close()


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench.simulator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=9100, help="0: any free one, printed")
    made.add_argument("--ttft", type=float, default=0.0, help="milliseconds before the first token")
    made.add_argument("--itl", type=float, default=0.0, help="milliseconds between tokens")
    made.add_argument("--tokens", type=int, default=32, help="tokens an answer")
    made.add_argument("--fault", choices=FAULTS, default="none")
    made.add_argument("--fault-at", type=int, default=5, help="tokens before an in-stream fault")
    made.add_argument("--fault-rate", type=float, default=1.0, help="share of requests that draw the fault")
    made.add_argument("--retry-after", type=int, default=2, help="seconds named by a 429")
    made.add_argument("--models", default="sim,sim-fast,sim-embed", help="names listed by the model endpoints")
    made.add_argument("--dims", type=int, default=384, help="dimensions of an embedding")
    made.add_argument("--no-uvloop", action="store_true", help="run on the standard event loop")
    return made


def main(argv: list[str] | None = None) -> None:
    args = parser().parse_args(argv)
    pace = Pace(
        args.ttft,
        args.itl,
        args.tokens,
        args.fault,
        args.fault_at,
        args.fault_rate,
        retry_after=args.retry_after,
    )
    sim = Simulator(pace, args.models.split(","), args.dims)
    if args.no_uvloop:
        asyncio.run(serve(sim, args.host, args.port))
        return
    import uvloop

    uvloop.run(serve(sim, args.host, args.port))
