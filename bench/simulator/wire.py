"""Wire formats of the simulated providers, rendered as bytes.

Every streamed token carries the moment it was written: a tilde and nine hexadecimal digits,
microseconds of CLOCK_MONOTONIC. The clock is one for all processes of a machine, so a reader
at the far end of any relay learns the one-way delay of each token from its text alone.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass

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


def openai_stream(model: str, answer_id: str, prompt_tokens: int, tokens: int, usage: bool) -> Rendering:
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
    tail = event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    if usage:
        counts = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": prompt_tokens + tokens,
        }
        tail += event([], usage=counts)
    return Rendering(
        content_type="text/event-stream; charset=utf-8",
        head=event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]),
        before=before,
        after=after,
        tail=tail + b"data: [DONE]\n\n",
        malformed=b'data: {"id":"' + answer_id.encode() + b'","choices":[{"index":0,"delta":{"cont\n\n',
        error=b'data: {"error":{"message":"simulated mid-stream error","type":"server_error","code":500}}\n\n',
    )


def anthropic_stream(model: str, answer_id: str, prompt_tokens: int, tokens: int) -> Rendering:
    """Anthropic /v1/messages with stream=true: named server-sent events."""

    def event(name: str, body: dict[str, object]) -> bytes:
        return f"event: {name}\ndata: {dumps({'type': name, **body})}\n\n".encode()

    mark = event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "\x01"}})
    before, after = mark.split(b"\\u0001")
    message = {
        "id": answer_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": prompt_tokens, "output_tokens": 1},
    }
    return Rendering(
        content_type="text/event-stream; charset=utf-8",
        head=event("message_start", {"message": message})
        + event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
        + event("ping", {}),
        before=before,
        after=after,
        tail=event("content_block_stop", {"index": 0})
        + event(
            "message_delta",
            {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": tokens}},
        )
        + event("message_stop", {}),
        malformed=b'event: content_block_delta\ndata: {"type":"content_block_del\n\n',
        error=event("error", {"error": {"type": "overloaded_error", "message": "simulated mid-stream error"}}),
    )


def ollama_stream(model: str, prompt_tokens: int, tokens: int, generate: bool) -> Rendering:
    """Ollama /api/chat (or /api/generate): one JSON object a line."""
    created = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())

    def line(text: str, **more: object) -> bytes:
        body: dict[str, object] = {"model": model, "created_at": created}
        if generate:
            body["response"] = text
        else:
            body["message"] = {"role": "assistant", "content": text}
        return dumps({**body, **more}).encode() + b"\n"

    before, after = line("\x01", done=False).split(b"\\u0001")
    return Rendering(
        content_type="application/x-ndjson",
        head=b"",
        before=before,
        after=after,
        tail=line(
            "",
            done=True,
            done_reason="stop",
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
        kinds = {429: "rate_limit_error", 529: "overloaded_error", 500: "api_error", 503: "api_error"}
        error = {"type": kinds.get(status, "api_error"), "message": message}
        return dumps({"type": "error", "error": error}).encode()
    if flavour == "ollama":
        return dumps({"error": message}).encode()
    kind = code or ("rate_limit_exceeded" if status == 429 else "server_error")
    return dumps({"error": {"message": message, "type": kind, "param": None, "code": kind}}).encode()
