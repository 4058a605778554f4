"""The OpenAI chat-completions wire, streamed: OpenAI itself, vLLM, llama.cpp, Mistral, Groq and many more."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from gateway.clients.wire import Answer, FinishReason, WireClient, in_stream
from gateway.errors import ProviderInvalid
from gateway.types import ChatMessage, ChatRequest, ToolCall, Usage

REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
SOUNDS = {"audio/mpeg": "mp3", "audio/wav": "wav", "audio/ogg": "ogg", "audio/flac": "flac", "audio/mp4": "m4a"}
OWN_SOUNDS = frozenset({"audio/mpeg", "audio/wav"})


@dataclass(frozen=True, slots=True)
class OpenAIClient(WireClient):
    """`base` ends in `/v1`."""

    @property
    def own(self) -> bool:
        """Whether it is OpenAI's own service, which is stricter than the servers that speak its wire."""
        return "://api.openai.com/" in self.base

    @property
    def sounds(self) -> frozenset[str]:
        return OWN_SOUNDS if self.own else frozenset(SOUNDS)

    def address(self) -> str:
        return f"{self.base}/chat/completions"

    def answer(self) -> Answer:
        return OpenAIAnswer()

    def body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [message(each) for each in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.max_tokens is not None:
            # OpenAI's own newer models refuse the old name, everybody else's servers know only that one.
            body["max_completion_tokens" if self.own else "max_tokens"] = request.max_tokens
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.tools:
            body["tools"] = [
                {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.parameters}}
                for t in request.tools
            ]
            if request.tool_choice:
                body["tool_choice"] = request.tool_choice
        if request.schema is not None:
            form = {"name": "answer", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if request.thinking:
            body["reasoning_effort"] = request.thinking
        return body

    async def models(self) -> tuple[str, ...]:
        """The names of `/models`, in the provider's order. Raises `ProviderError`."""
        found = await self.fetch(f"{self.base}/models")
        try:
            return tuple(str(row["id"]) for row in found["data"])
        except (KeyError, TypeError) as error:
            raise ProviderInvalid(_("The provider's list of models cannot be read.")) from error


def message(given: ChatMessage) -> dict[str, Any]:
    """A message as this wire spells it."""
    if given.role == "tool":
        return {"role": "tool", "tool_call_id": given.tool_call_id, "content": given.content}
    if given.images or given.audio:
        parts: list[dict[str, Any]] = [{"type": "text", "text": given.content}] if given.content else []
        for image in given.images:
            url = f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
        for sound in given.audio:
            heard = {"data": base64.b64encode(sound.data).decode(), "format": SOUNDS[sound.media_type]}
            parts.append({"type": "input_audio", "input_audio": heard})
        return {"role": given.role, "content": parts}
    said: dict[str, Any] = {"role": given.role, "content": given.content}
    if given.tool_calls:
        said["content"] = given.content or None
        said["tool_calls"] = [_call(each) for each in given.tool_calls]
    return said


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


class OpenAIAnswer(Answer):
    __slots__ = ()

    def event(self, body: dict[str, Any]) -> None:
        choices = body.get("choices")
        if choices:
            choice = choices[0]
            delta = choice["delta"]
            if text := delta.get("content"):
                self.text(text)
            elif thought := (delta.get("reasoning_content") or delta.get("reasoning")):
                self.thought(thought)
            if calls := delta.get("tool_calls"):
                self._calls(calls)
            if refusal := delta.get("refusal"):
                self.text(refusal)
            if reason := choice.get("finish_reason"):
                self.stopped = True
                self.reason = REASONS.get(reason, "stop")
                if reason == "error":  # OpenRouter's word for what broke behind it.
                    self.fail(in_stream(choice.get("error") or body.get("error")))
        elif error := body.get("error"):
            self.fail(in_stream(error))
        elif choices is None and "usage" not in body:
            raise ValueError
        if usage := body.get("usage"):
            details = usage.get("prompt_tokens_details") or {}
            self.usage = Usage(
                int(usage["prompt_tokens"]),
                int(usage.get("completion_tokens") or 0),
                cached_tokens=int(details.get("cached_tokens") or 0),
            )

    def _calls(self, calls: list[dict[str, Any]]) -> None:
        for position, piece in enumerate(calls):
            index = piece.get("index")
            call = self.call(int(position if index is None else index))
            function = piece.get("function") or {}
            call.id = call.id or str(piece.get("id") or "")
            call.name = call.name or str(function.get("name") or "")
            if arguments := function.get("arguments"):
                if not isinstance(arguments, str):
                    raise TypeError
                call.arguments.append(arguments)
