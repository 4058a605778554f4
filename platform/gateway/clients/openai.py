"""The OpenAI chat-completions wire, streamed: OpenAI itself, Ollama, vLLM, llama.cpp and many more."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings

from core.outgoing import AddressNotAllowed
from gateway import tokens
from gateway.clients import session
from gateway.clients.sse import EventReader, EventTooLong
from gateway.clients.watch import SilenceWatch
from gateway.errors import (
    ContextTooLong,
    NoPermittedModel,
    ProviderError,
    ProviderInvalid,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from gateway.types import ChatEvent, ChatRequest, Finish, TextDelta, Usage

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

RETRIES = 2
BACKOFF = 0.25  # seconds before the first retry; doubles, with jitter
MAX_RETRY_AFTER = 5.0  # seconds; a provider that asks for more is reported as unavailable at once
MAX_ERROR_BODY = 64 * 1024  # bytes read of an error's body
MAX_ANSWER = 4_000_000  # characters; nobody reads more, and memory must end somewhere
DRAIN = 0.2  # seconds to wait for the end of the body, so that the connection can serve again
CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error"}
CONTEXT_WORDS = ("context length", "context size", "context window", "maximum context")
IDENTIFIER = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OpenAIClient:
    """`base` ends in `/v1`. Times out by the settings CLOISON_FIRST_TOKEN_TIMEOUT and CLOISON_GAP_TIMEOUT, in seconds.

    A request is sent again (twice at most) only while nothing of the answer has been given out. `local`: that nobody
    listens at `base` means `NoPermittedModel`, because the one model that may see the question is down.
    `local_network` is `Provider.local_network`.
    """

    base: str
    key: str = field(default="", repr=False)
    local: bool = False
    local_network: bool = True

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Raises `ProviderError`. Closing the generator closes the provider's connection."""
        import aiohttp

        watch = SilenceWatch(settings.CLOISON_FIRST_TOKEN_TIMEOUT, settings.CLOISON_GAP_TIMEOUT)
        response = await self._open(request, watch)
        watch.begin(response.close)
        answer = _Answer()
        content = response.content
        try:
            while not answer.done:
                piece = await content.readany()
                if piece:
                    answer.read(piece)
                else:
                    answer.end()
                if answer.progressed:
                    watch.progress()
                if text := answer.take():
                    watch.pause()
                    yield TextDelta(text)
                    watch.resume()
                if answer.error is not None:
                    raise answer.error
            watch.pause()
            yield answer.usage or answer.estimated_usage(request)
            yield Finish(answer.reason)
            await _drain(content)
        except (aiohttp.ClientError, OSError) as error:
            if watch.expired:
                raise ProviderTimeout(f"The model's provider was silent for {watch.limit:g} seconds.") from None
            raise ProviderUnavailable("The model's provider broke off in the middle of its answer.") from error
        finally:
            watch.end()
            response.close()

    async def models(self) -> tuple[str, ...]:
        """The names of `/models`, in the provider's order. Raises `ProviderError`."""
        import aiohttp

        try:
            async with (
                asyncio.timeout(10),
                session.shared(local_network=self.local_network).get(
                    f"{self.base}/models", headers=self._headers(), allow_redirects=False
                ) as response,
            ):
                if response.status != 200:
                    raise await _failure(response)
                body = json.loads(await response.content.read(8 * MAX_ERROR_BODY))
                return tuple(str(row["id"]) for row in body["data"])
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ProviderUnavailable(f"Nobody answers at the model's address ({type(error).__name__}).") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ProviderInvalid("The provider's list of models cannot be read.") from error

    def _session(self) -> aiohttp.ClientSession:
        return session.shared(local_network=self.local_network)

    def _unreachable(self) -> ProviderError | NoPermittedModel:
        if self.local:
            return NoPermittedModel("The local model does not answer, and no other may.")
        return ProviderUnavailable("The model's provider cannot be reached.")

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return headers

    def _body(self, request: ChatRequest) -> bytes:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.max_tokens is not None:
            # OpenAI's own newer models refuse the old name, everybody else's servers know only that one.
            body["max_completion_tokens" if "://api.openai.com/" in self.base else "max_tokens"] = request.max_tokens
        if request.temperature is not None:
            body["temperature"] = request.temperature
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    async def _open(self, request: ChatRequest, watch: SilenceWatch) -> aiohttp.ClientResponse:
        """The response whose body is the stream, after retries. All of it counts towards the first token's time."""
        body = self._body(request)
        now = asyncio.get_running_loop().time
        deadline = now() + watch.limit
        try:
            async with asyncio.timeout_at(deadline):
                for attempt in range(RETRIES + 1):
                    try:
                        return await self._attempt(body)
                    except _Again as again:
                        wait = again.after if again.after is not None else BACKOFF * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311
                        if attempt == RETRIES or wait > MAX_RETRY_AFTER or now() + wait >= deadline:
                            raise again.error from again.__cause__
                        logger.info("provider request repeated", extra={"attempt": attempt + 1, "wait": wait})
                    await asyncio.sleep(wait)
        except TimeoutError:
            raise ProviderTimeout(f"The model's provider did not answer within {watch.limit:g} seconds.") from None
        raise AssertionError("unreachable")

    async def _attempt(self, body: bytes) -> aiohttp.ClientResponse:
        import aiohttp

        try:
            response = await self._session().post(
                f"{self.base}/chat/completions", data=body, headers=self._headers(), allow_redirects=False
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _Again(self._unreachable()) from error
        except AddressNotAllowed as error:
            raise ProviderRejected(str(error.detail), reason=error.code) from error
        if (
            response.status == 200
            and response.content_type == "text/event-stream"
            and not response.headers.get("Content-Encoding")
        ):
            return response
        try:
            failure = await _failure(response)
            if response.status >= 500 or (response.status == 429 and failure.retryable):
                raise _Again(failure, after=_retry_after(response))
            raise failure
        finally:
            response.close()


class _Again(Exception):
    """The attempt failed with `error`, and another one `after` so many seconds may not."""

    def __init__(self, error: ProviderError | NoPermittedModel, after: float | None = None) -> None:
        super().__init__(error.code)
        self.error = error
        self.after = after


class _Answer:
    """What has been read of one streamed answer."""

    __slots__ = ("_half", "_reader", "_texts", "done", "error", "progressed", "reason", "stopped", "usage", "written")

    def __init__(self) -> None:
        self._reader = EventReader()
        self._texts: list[str] = []
        self._half = ""  # the first half of a surrogate pair, whose second half is in the next event
        self.reason: Any = "stop"
        self.stopped = False  # a finish_reason has come
        self.done = False
        self.progressed = False
        self.error: ProviderError | None = None
        self.usage: Usage | None = None
        self.written = 0

    def read(self, piece: bytes) -> None:
        """Take in a piece of the body. What is wrong with it becomes `error`, so that the text before it still gets out."""
        try:
            events = self._reader.feed(piece)
        except EventTooLong:
            self._fail(ProviderInvalid("The provider sent an event of more than a megabyte."))
            return
        self.progressed = bool(events)
        self._events(events)

    def end(self) -> None:
        """The body has ended."""
        self._events(self._reader.finish())
        if self.done:
            return
        if self.stopped:
            self._finish()
        elif self.written or self._texts:
            self._fail(ProviderUnavailable("The model's provider broke off in the middle of its answer."))
        else:
            self._fail(ProviderInvalid("The model's provider sent an empty answer."))

    def take(self) -> str:
        """The text since the last call. Safe to store: no half characters, no NUL."""
        if not self._texts:
            return ""
        text = "".join(self._texts)
        self._texts.clear()
        if not text.isascii() or self._half:
            text = self._whole(text)
        if "\0" in text:
            text = text.replace("\0", "")
        self.written += len(text)
        if self.written > MAX_ANSWER:
            self._fail(ProviderInvalid("The model's answer does not end."))
        return text

    def estimated_usage(self, request: ChatRequest) -> Usage:
        """For servers that do not count."""
        asked = sum(tokens.estimate(message.content) + tokens.PER_MESSAGE for message in request.messages)
        return Usage(asked, int(self.written / tokens.CHARACTERS_PER_TOKEN) + 1, estimated=True)

    def _events(self, events: list[bytes]) -> None:
        for data in events:
            if data == b"[DONE]":
                self._finish()
            elif not self.done:
                try:
                    self._event(json.loads(data))
                except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
                    self._fail(ProviderInvalid("The model's provider sent an event that is not valid."))

    def _event(self, body: dict[str, Any]) -> None:
        choices = body.get("choices")
        if choices:
            choice = choices[0]
            text = choice["delta"].get("content")
            if text:
                if not isinstance(text, str):
                    raise TypeError
                self._texts.append(text)
            if reason := choice.get("finish_reason"):
                self.stopped = True
                self.reason = "length" if reason == "length" else "stop"
                if reason == "content_filter" and not self._texts and not self.written:
                    self._fail(ProviderRejected("The provider's content filter refused to answer."))
        elif error := body.get("error"):
            self._fail(_in_stream(error))
        elif choices is None and "usage" not in body:
            raise ValueError
        if usage := body.get("usage"):
            self.usage = Usage(int(usage["prompt_tokens"]), int(usage.get("completion_tokens") or 0))

    def _finish(self) -> None:
        if self._half:
            self._texts.append("")
        if not self.written and not self._texts and self.reason != "length":
            self._fail(ProviderInvalid("The model's provider sent an empty answer."))
        self.done = True

    def _fail(self, error: ProviderError) -> None:
        self.done = True
        if self.error is None:
            self.error = error

    def _whole(self, text: str) -> str:
        """Join surrogate pairs that JSON escapes brought as two, the halves perhaps in two events; lone halves become U+FFFD."""
        text = self._half + text
        self._half = ""
        if "\ud800" <= text[-1:] <= "\udbff" and not self.done:
            self._half, text = text[-1], text[:-1]
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text


async def _drain(content: aiohttp.StreamReader) -> None:
    if content.at_eof():
        return
    try:
        async with asyncio.timeout(DRAIN):
            await content.readany()
    except TimeoutError:
        return


async def _failure(response: aiohttp.ClientResponse) -> ProviderError:
    """What an answer other than an event stream means."""
    import aiohttp

    status = response.status
    if status < 400:
        what = f"status {status}" if status != 200 else response.content_type
        return ProviderInvalid(f"The model's provider answered with {what[:80]} instead of an event stream.")
    try:
        async with asyncio.timeout(5):
            raw = await response.content.read(MAX_ERROR_BODY)
    except (aiohttp.ClientError, OSError, TimeoutError):
        raw = b""
    code, message = _code_and_message(raw)
    if code in CONTEXT_CODES or (status in {400, 413, 422} and any(words in message for words in CONTEXT_WORDS)):
        return ContextTooLong("The conversation is too long for this model.")
    if status == 429 and code != "insufficient_quota":
        extra = {} if (after := _retry_after(response)) is None else {"retry_after": after}
        return ProviderUnavailable("The model's provider has too much to do.", **extra)
    if status == 408:
        return ProviderTimeout("The model's provider took too long.")
    if status >= 500:
        return ProviderUnavailable(f"The model's provider failed (status {status}).")
    if status in {401, 403}:
        return ProviderRejected("The model's provider refused our key.")
    return ProviderRejected(f"The model's provider rejected the request (status {status}{', ' + code if code else ''}).")


def _code_and_message(raw: bytes) -> tuple[str, str]:
    """The machine-readable code (a short identifier or empty) and the message in lower case, which may quote the prompt."""
    try:
        error = json.loads(raw)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""
    if not isinstance(error, dict):
        return "", str(error).lower()
    code = str(error.get("code") or error.get("type") or "")
    if code.isdigit():
        code = str(error.get("type") or "")
    return code if IDENTIFIER.fullmatch(code) else "", str(error.get("message") or "").lower()


def _in_stream(error: object) -> ProviderError:
    """An error that came as an event of the stream."""
    code, message = _code_and_message(json.dumps({"error": error}).encode())
    if code in CONTEXT_CODES or any(words in message for words in CONTEXT_WORDS):
        return ContextTooLong("The conversation is too long for this model.")
    if code in {"invalid_request_error", "invalid_api_key", "model_not_found", "content_filter"}:
        return ProviderRejected(f"The model's provider rejected the request ({code}).")
    return ProviderUnavailable("The model's provider reported an error in the middle of its answer.")


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds; dates are not used by model providers and are ignored."""
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
