"""Wire formats of the simulated providers, rendered as bytes.

Every streamed token carries the moment it was written: a tilde and nine hexadecimal digits,
microseconds of CLOCK_MONOTONIC. The clock is one for all processes of a machine, so a reader
at the far end of any relay learns the one-way delay of each token from its text alone.
"""

from __future__ import annotations

import json
import random
import re
import time
from dataclasses import dataclass
from typing import Any

STAMP_DIGITS = 9
STAMP_MOD = 16**STAMP_DIGITS
STAMP_RE = re.compile(rb"~([0-9a-f]{9})")


def stamp() -> bytes:
    """The current time as token text, fixed in width."""
    return b" ~%09x" % ((time.monotonic_ns() // 1000) % STAMP_MOD)


TOKEN_BYTES = len(stamp())


def stamp_us(match: bytes) -> int:
    """Microseconds held by the nine digits of a token."""
    return int(match, 16)


def age_us(then_us: int, now_us: int) -> int:
    """Microseconds between a token's stamp and now, the stamp having wrapped at most once."""
    return (now_us - then_us) % STAMP_MOD


def dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


TOO_LONG = {
    "openai": "This model's maximum context length is 8192 tokens.",
    "anthropic": "prompt is too long: 208310 tokens > 200000 maximum",
    "ollama": "the input length exceeds the context length",
}


@dataclass(frozen=True, slots=True)
class Extras:
    """What an answer holds beside its text: words of thoughts, tool calls (name and arguments), why it ended."""

    thinking: int = 0
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    reason: str = ""

    @property
    def thoughts(self) -> str:
        return "".join(f"pensée{number} " for number in range(self.thinking))


NOTHING = Extras()


def tool_calls(body: dict[str, Any], number: int) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The request's first tools, called with a value for each property of their schemas."""
    calls = []
    for tool in (body.get("tools") or [])[:number]:
        function = tool.get("function") or tool
        schema = function.get("parameters") or function.get("input_schema") or {}
        calls.append((str(function["name"]), {name: _value(kind) for name, kind in schema.get("properties", {}).items()}))
    return tuple(calls)


def _value(schema: dict[str, Any]) -> Any:
    return {"integer": 7, "number": 1.5, "boolean": True, "array": [], "object": {}}.get(
        schema.get("type", ""), "Zürich, « été »"
    )


def pieces(body: dict[str, Any], most: int) -> list[bytes]:
    """The last message of a request, cut at random into pieces of up to `most` characters, as they stand in JSON."""
    content = (body.get("messages") or [{}])[-1].get("content") or ""
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    found = []
    while text:
        size = random.randint(1, most)
        found.append(dumps(text[:size])[1:-1].encode())
        text = text[size:]
    return found


@dataclass(slots=True)
class Rendering:
    """The bytes of one streamed answer: what precedes the tokens, wraps each of them, and follows."""

    content_type: str
    head: bytes
    before: bytes
    after: bytes
    tail: bytes
    malformed: bytes
    error: bytes

    def token(self, text: bytes) -> bytes:
        return self.before + text + self.after


def openai_stream(model: str, answer_id: str, prompt_tokens: int, tokens: int, usage: bool, more: Extras = NOTHING) -> Rendering:
    """OpenAI /v1/chat/completions with stream=true: server-sent events ended by [DONE]."""
    created = int(time.time())

    def event(choices: list[dict[str, object]], **more: object) -> bytes:
        body = {
            "id": answer_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "choices": choices,
            **more,
        }
        return b"data: " + dumps(body).encode() + b"\n\n"

    mark = event([{"index": 0, "delta": {"content": "\x01"}, "finish_reason": None}])
    before, after = mark.split(b"\\u0001")

    def delta(**said: object) -> bytes:
        return event([{"index": 0, "delta": said, "finish_reason": None}])

    head = event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
    head += b"".join(delta(reasoning_content=f"{word} ") for word in more.thoughts.split())
    tail = b""
    for index, (name, arguments) in enumerate(more.calls):
        first = {"index": index, "id": f"call_{index}_{answer_id}", "type": "function"}
        tail += delta(tool_calls=[{**first, "function": {"name": name, "arguments": ""}}])
        for piece in _pieces(json.dumps(arguments)):
            tail += delta(tool_calls=[{"index": index, "function": {"arguments": piece}}])
    tail += event([{"index": 0, "delta": {}, "finish_reason": more.reason or ("tool_calls" if more.calls else "stop")}])
    if usage:
        counts = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": prompt_tokens + tokens,
        }
        tail += event([], usage=counts)
    return Rendering(
        content_type="text/event-stream; charset=utf-8",
        head=head,
        before=before,
        after=after,
        tail=tail + b"data: [DONE]\n\n",
        malformed=b'data: {"id":"' + answer_id.encode() + b'","choices":[{"index":0,"delta":{"cont\n\n',
        error=b'data: {"error":{"message":"simulated mid-stream error","type":"server_error","code":500}}\n\n',
    )


def _pieces(text: str) -> list[str]:
    """Cut anywhere, as providers cut arguments."""
    return [text[start : start + 7] for start in range(0, len(text), 7)]


def anthropic_stream(model: str, answer_id: str, prompt_tokens: int, tokens: int, more: Extras = NOTHING) -> Rendering:
    """Anthropic /v1/messages with stream=true: named server-sent events."""

    def event(name: str, body: dict[str, object]) -> bytes:
        return f"event: {name}\ndata: {dumps({'type': name, **body})}\n\n".encode()

    head, text = b"", 0
    if more.thinking:
        text = 1
        head += event("content_block_start", {"index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}})
        for word in more.thoughts.split():
            head += event("content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": f"{word} "}})
        head += event("content_block_delta", {"index": 0, "delta": {"type": "signature_delta", "signature": "c2ltCg=="}})
        head += event("content_block_stop", {"index": 0})
    tail = event("content_block_stop", {"index": text})
    for index, (name, arguments) in enumerate(more.calls, text + 1):
        block = {"type": "tool_use", "id": f"toolu_{index}_{answer_id}", "name": name, "input": {}}
        tail += event("content_block_start", {"index": index, "content_block": block})
        for piece in ("", *_pieces(json.dumps(arguments))):
            given = {"index": index, "delta": {"type": "input_json_delta", "partial_json": piece}}
            tail += event("content_block_delta", given)
        tail += event("content_block_stop", {"index": index})
    reasons = {"length": "max_tokens", "content_filter": "refusal"}
    reason = reasons.get(more.reason) or ("tool_use" if more.calls else "end_turn")
    mark = event("content_block_delta", {"index": text, "delta": {"type": "text_delta", "text": "\x01"}})
    before, after = mark.split(b"\\u0001")
    message = {
        "id": answer_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": prompt_tokens - prompt_tokens // 2,
            "cache_read_input_tokens": prompt_tokens // 2,
            "cache_creation_input_tokens": 0,
            "output_tokens": 1,
        },
    }
    return Rendering(
        content_type="text/event-stream; charset=utf-8",
        head=event("message_start", {"message": message})
        + head
        + event("content_block_start", {"index": text, "content_block": {"type": "text", "text": ""}})
        + event("ping", {}),
        before=before,
        after=after,
        tail=tail
        + event(
            "message_delta",
            {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": tokens}},
        )
        + event("message_stop", {}),
        malformed=b'event: content_block_delta\ndata: {"type":"content_block_del\n\n',
        error=event("error", {"error": {"type": "overloaded_error", "message": "simulated mid-stream error"}}),
    )


def ollama_stream(model: str, prompt_tokens: int, tokens: int, generate: bool, more: Extras = NOTHING) -> Rendering:
    """Ollama /api/chat (or /api/generate): one JSON object a line."""
    created = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())

    def line(text: str, **more: object) -> bytes:
        body: dict[str, object] = {"model": model, "created_at": created}
        if generate:
            body["response"] = text
        else:
            body["message"] = {"role": "assistant", "content": text}
        return dumps({**body, **more}).encode() + b"\n"

    def part(**said: object) -> bytes:
        body = {"model": model, "created_at": created, "message": {"role": "assistant", "content": "", **said}, "done": False}
        return dumps(body).encode() + b"\n"

    calls = [{"function": {"name": name, "arguments": arguments}} for name, arguments in more.calls]
    before, after = line("\x01", done=False).split(b"\\u0001")
    return Rendering(
        content_type="application/x-ndjson",
        head=b"".join(part(thinking=f"{word} ") for word in more.thoughts.split()),
        before=before,
        after=after,
        tail=(part(tool_calls=calls) if calls else b"")
        + line(
            "",
            done=True,
            done_reason="length" if more.reason == "length" else "stop",
            total_duration=1_000_000,
            load_duration=1_000,
            prompt_eval_count=prompt_tokens,
            prompt_eval_duration=1_000,
            eval_count=tokens,
            eval_duration=1_000_000,
        ),
        malformed=b'{"model":"' + model.encode() + b'","message":{"role":"assis\n',
        error=b'{"error":"simulated mid-stream error"}\n',
    )


def openai_whole(model: str, answer_id: str, text: str, prompt_tokens: int, tokens: int) -> bytes:
    return dumps(
        {
            "id": answer_id,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": tokens,
                "total_tokens": prompt_tokens + tokens,
            },
        }
    ).encode()


def anthropic_whole(model: str, answer_id: str, text: str, prompt_tokens: int, tokens: int) -> bytes:
    return dumps(
        {
            "id": answer_id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": prompt_tokens, "output_tokens": tokens},
        }
    ).encode()


def ollama_whole(model: str, text: str, prompt_tokens: int, tokens: int, generate: bool) -> bytes:
    body: dict[str, object] = {"model": model, "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    if generate:
        body["response"] = text
    else:
        body["message"] = {"role": "assistant", "content": text}
    body |= {
        "done": True,
        "done_reason": "stop",
        "total_duration": 1_000_000,
        "prompt_eval_count": prompt_tokens,
        "eval_count": tokens,
    }
    return dumps(body).encode()


def error_body(flavour: str, status: int, message: str, code: str = "") -> bytes:
    """An error answer as the named provider words it."""
    if flavour == "anthropic":
        kinds = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
        kinds |= {529: "overloaded_error"}
        error = {"type": kinds.get(status, "api_error"), "message": message}
        return dumps({"type": "error", "error": error}).encode()
    if flavour == "ollama":
        return dumps({"error": message}).encode()
    kind = code or ("rate_limit_exceeded" if status == 429 else "server_error")
    return dumps({"error": {"message": message, "type": kind, "param": None, "code": kind}}).encode()
