"""Ollama's own wire: `/api/chat`, one JSON object a line."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from gateway.clients.wire import Answer, LineAnswer, WireClient, in_stream
from gateway.errors import ProviderInvalid
from gateway.types import ChatMessage, ChatRequest, Usage


@dataclass(frozen=True, slots=True)
class OllamaClient(WireClient):
    """`base` is the server's address; an `/v1` at its end, as for its OpenAI wire, does no harm."""

    content_type: ClassVar[str] = "application/x-ndjson"

    @property
    def root(self) -> str:
        return self.base.rstrip("/").removesuffix("/v1").removesuffix("/api")

    def address(self) -> str:
        return f"{self.root}/api/chat"

    def answer(self) -> Answer:
        return OllamaAnswer()

    def body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [message(each) for each in request.messages],
            "stream": True,
        }
        if request.tools and request.tool_choice != "none":
            body["tools"] = [
                {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.parameters}}
                for t in request.tools
            ]
        if request.schema is not None:
            body["format"] = request.schema
        if request.thinking:
            # Only gpt-oss knows levels; all others know yes and no.
            body["think"] = request.thinking if "gpt-oss" in request.model else True
        options: dict[str, Any] = {}
        if request.context_window:
            options["num_ctx"] = request.context_window
        if request.max_tokens is not None:
            options["num_predict"] = request.max_tokens
        if request.temperature is not None:
            options["temperature"] = request.temperature
        if options:
            body["options"] = options
        return body

    async def models(self) -> tuple[str, ...]:
        """The names of `/api/tags`, in the server's order. Raises `ProviderError`."""
        found = await self.fetch(f"{self.root}/api/tags")
        try:
            return tuple(str(row["name"]) for row in found["models"])
        except (KeyError, TypeError) as error:
            raise ProviderInvalid(_("The provider's list of models cannot be read.")) from error


def message(given: ChatMessage) -> dict[str, Any]:
    """A message as this wire spells it. Calls have no ids here: results follow in the order of the calls, by name."""
    said: dict[str, Any] = {"role": given.role, "content": given.content}
    if given.images:
        said["images"] = [base64.b64encode(image.data).decode() for image in given.images]
    if given.thinking and given.thinking.text:
        said["thinking"] = given.thinking.text
    if given.tool_calls:
        said["tool_calls"] = [{"function": {"name": c.name, "arguments": json.loads(c.arguments)}} for c in given.tool_calls]
    if given.tool_name:
        said["tool_name"] = given.tool_name
    return said


class OllamaAnswer(LineAnswer):
    __slots__ = ()

    def event(self, body: dict[str, Any]) -> None:
        if said := body.get("message"):
            if text := said.get("content"):
                self.text(text)
            elif thought := said.get("thinking"):
                self.thought(thought)
            for piece in said.get("tool_calls") or ():
                function = piece["function"]
                call = self.call(len(self.calls))
                call.id, call.name = str(piece.get("id") or ""), str(function["name"])
                call.arguments.append(json.dumps(function.get("arguments") or {}, ensure_ascii=False))
        elif error := body.get("error"):
            self.fail(in_stream(error))
            return
        elif "done" not in body:
            raise ValueError
        if body.get("done"):
            if "prompt_eval_count" in body or "eval_count" in body:
                self.usage = Usage(int(body.get("prompt_eval_count") or 0), int(body.get("eval_count") or 0))
            self.reason = "length" if body.get("done_reason") == "length" else "stop"
            self.finish()
