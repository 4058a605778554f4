"""Anthropic's wire: `/v1/messages`, named server-sent events."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from gateway.clients.wire import Answer, FinishReason, WireClient, in_stream
from gateway.errors import ContextTooLong, ProviderInvalid
from gateway.types import ChatMessage, ChatRequest, Effort, Usage

VERSION = "2023-06-01"  # of 2026-10-21 nothing is needed, and servers that speak this wire know only the old one
MOST = 4096  # tokens of an answer where nobody says; the wire wants a figure
# Claude 4.6 and later think as they see fit, count their thoughts against the answer's tokens and refuse a temperature.
ADAPTIVE = re.compile(r"claude-(?:[a-z]+-(?:4-[6-9]|[5-9]|[1-9]\d(?!\d))|mythos-preview)")
MOST_ADAPTIVE = 16_384
THOUGHTS: dict[Effort, int] = {"low": 1024, "medium": 4096, "high": 16_384}  # tokens that thinking may take
REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


@dataclass(frozen=True, slots=True)
class AnthropicClient(WireClient):
    """`base` is the service's address; an `/v1` at its end does no harm."""

    @property
    def root(self) -> str:
        return self.base.rstrip("/").removesuffix("/v1")

    def address(self) -> str:
        return f"{self.root}/v1/messages"

    def answer(self) -> Answer:
        return AnthropicAnswer()

    def headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": f"{self.content_type}, application/json",
            "anthropic-version": VERSION,
        }
        if self.key:
            headers["x-api-key"] = self.key
        return headers

    def body(self, request: ChatRequest) -> dict[str, Any]:
        thoughts = THOUGHTS[request.thinking] if request.thinking else 0
        adaptive = ADAPTIVE.search(request.model) is not None
        body: dict[str, Any] = {
            "model": request.model,
            "max_tokens": (request.max_tokens or (MOST_ADAPTIVE if adaptive else MOST)) + thoughts,
            "messages": messages(request.messages),
            "stream": True,
        }
        output: dict[str, Any] = {}
        if system := "\n\n".join(m.content for m in request.messages if m.role == "system"):
            body["system"] = system
        if adaptive and request.thinking:
            body["thinking"] = {"type": "adaptive", "display": "summarized"}
            output["effort"] = request.thinking
        elif thoughts:
            body["thinking"] = {"type": "enabled", "budget_tokens": thoughts}
        elif request.temperature is not None and not adaptive:  # Thinking and a temperature exclude each other.
            body["temperature"] = min(1.0, request.temperature)
        if request.tools:
            body["tools"] = [{"name": t.name, "description": t.description, "input_schema": t.parameters} for t in request.tools]
            if request.tool_choice:
                # A model that thinks may not be made to call.
                forced = request.tool_choice == "required" and not thoughts
                body["tool_choice"] = {"type": "any" if forced else "none" if request.tool_choice == "none" else "auto"}
        if request.schema is not None:
            output["format"] = {"type": "json_schema", "schema": request.schema}
        if output:
            body["output_config"] = output
        return body

    async def models(self) -> tuple[str, ...]:
        """The names of `/v1/models`, in the provider's order. Raises `ProviderError`."""
        found = await self.fetch(f"{self.root}/v1/models")
        try:
            return tuple(str(row["id"]) for row in found["data"])
        except (KeyError, TypeError) as error:
            raise ProviderInvalid(_("The provider's list of models cannot be read.")) from error


def messages(given: tuple[ChatMessage, ...]) -> list[dict[str, Any]]:
    """Messages as this wire spells them. Results of tools that were called together stand in one user's message."""
    said: list[dict[str, Any]] = []
    after_tool = False
    for each in given:
        if each.role == "system":
            continue
        content = _content(each)
        if each.role == "tool" and after_tool:
            said[-1]["content"] += content
        else:
            said.append({"role": "assistant" if each.role == "assistant" else "user", "content": content})
        after_tool = each.role == "tool"
    return said


def _content(given: ChatMessage) -> Any:
    if given.role == "tool":
        result = {"type": "tool_result", "tool_use_id": given.tool_call_id, "content": given.content}
        return [{**result, "is_error": True} if given.failed else result]
    if not (given.images or given.tool_calls or given.thinking):
        return given.content
    blocks: list[dict[str, Any]] = []
    if given.thinking and given.thinking.signature:  # Unsigned thoughts are another provider's: they are refused here.
        blocks.append({"type": "thinking", "thinking": given.thinking.text, "signature": given.thinking.signature})
    for image in given.images:
        source = {"type": "base64", "media_type": image.media_type, "data": base64.b64encode(image.data).decode()}
        blocks.append({"type": "image", "source": source})
    if given.content:
        blocks.append({"type": "text", "text": given.content})
    blocks += [{"type": "tool_use", "id": c.id, "name": c.name, "input": json.loads(c.arguments)} for c in given.tool_calls]
    return blocks


class AnthropicAnswer(Answer):
    __slots__ = ("_counts",)

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, int] = {}

    def event(self, body: dict[str, Any]) -> None:
        match body["type"]:
            case "content_block_delta":
                self._delta(body["index"], body["delta"])
            case "content_block_start":
                self._block(body["index"], body["content_block"])
            case "message_start":
                self._count(body["message"].get("usage"))
            case "message_delta":
                self._count(body.get("usage"))
                if reason := body["delta"].get("stop_reason"):
                    self.stopped = True
                    self.reason = REASONS.get(reason, "stop")
            case "message_stop":
                self._counted()
                if self.reason == "length" and not self.written and not self.calls and not self._texts:
                    self.fail(ContextTooLong(_("The conversation leaves this model no room for an answer.")))
                self.finish()
            case "error":
                self.fail(in_stream(body["error"]))

    def _block(self, index: int, block: dict[str, Any]) -> None:
        match block["type"]:
            case "text" if block.get("text"):
                self.text(block["text"])
            case "thinking" if block.get("thinking"):
                self.thought(block["thinking"])
            case "tool_use":
                call = self.call(index)
                call.id, call.name = str(block["id"]), str(block["name"])

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        match delta["type"]:
            case "text_delta":
                self.text(delta["text"])
            case "thinking_delta":
                self.thought(delta["thinking"])
            case "signature_delta":
                self.signed(str(delta["signature"]))
            case "input_json_delta":
                self.calls[index].arguments.append(str(delta["partial_json"]))

    def _count(self, usage: dict[str, Any] | None) -> None:
        for name, value in (usage or {}).items():
            if isinstance(value, int):
                self._counts[name] = value

    def _counted(self) -> None:
        counts = self._counts
        if "input_tokens" not in counts:
            return
        read, written = counts.get("cache_read_input_tokens", 0), counts.get("cache_creation_input_tokens", 0)
        asked = counts["input_tokens"] + read + written  # Anthropic counts what its cache served apart.
        self.usage = Usage(asked, counts.get("output_tokens", 0), cached_tokens=read, cache_written=written)
