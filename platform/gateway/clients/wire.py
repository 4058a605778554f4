"""What every provider's wire has in common: opening the stream, repeating, silence, pieces of text, errors."""

# Longer than our modules are: a stream's opening, its pieces and its errors decide together whether it may be asked for
# again, and read apart none of them tells the rule.

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from django.conf import settings
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core.outgoing import AddressNotAllowed
from gateway import tokens
from gateway.clients import session
from gateway.clients.sse import EventReader, EventTooLong, LineReader
from gateway.clients.watch import Gathering, SilenceWatch
from gateway.errors import (
    ContextTooLong,
    NoPermittedModel,
    ProviderError,
    ProviderInvalid,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from gateway.types import ChatEvent, ChatMessage, ChatRequest, Finish, TextDelta, ThinkingDelta, ToolCall, Usage

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

RETRIES = 2
BACKOFF = 0.25  # seconds before the first retry; doubles, with jitter
MAX_RETRY_AFTER = 5.0  # seconds; a provider that asks for more is reported as unavailable at once
MAX_ERROR_BODY = 64 * 1024  # bytes read of an error's body
MAX_ANSWER = 4_000_000  # characters; nobody reads more, and memory must end somewhere
MAX_CALLS = 128  # tools called in one answer
DRAIN = 0.2  # seconds to wait for the end of the body, so that the connection can serve again
IMAGE_TOKENS = 1_000  # about what a picture costs
OVERLOADED = 529  # Anthropic's own status
CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error"}
CONTEXT_WORDS = (
    "context length",
    "context size",
    "context window",
    "context limit",
    "maximum context",
    "prompt is too long",
    "input is too long",
)
REJECTED_CODES = {
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "billing_error",
    "invalid_api_key",
    "model_not_found",
    "content_filter",
}
IDENTIFIER = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.IGNORECASE)

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Reader(Protocol):
    def feed(self, piece: bytes) -> list[bytes]: ...
    def finish(self) -> list[bytes]: ...


@dataclass(slots=True)
class Call:
    """A tool call that is being written. `arguments` are pieces of its JSON."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class Answer(ABC):
    """What has been read of one streamed answer. A wire's own class knows what one event of it means."""

    __slots__ = (
        "_half",
        "_kind",
        "_out",
        "_reader",
        "_texts",
        "calls",
        "done",
        "error",
        "progressed",
        "reason",
        "stopped",
        "usage",
        "written",
    )

    def __init__(self) -> None:
        self._reader: Reader = self.reader()
        self._texts: list[str] = []
        self._kind: type[TextDelta | ThinkingDelta] = TextDelta  # of what stands in `_texts`
        self._out: list[ChatEvent] = []
        self._half = ""  # the first half of a surrogate pair, whose second half is in the next event
        self.calls: dict[int, Call] = {}
        self.reason: FinishReason = "stop"
        self.stopped = False  # the provider has said why it ended
        self.done = False
        self.progressed = False
        self.error: ProviderError | None = None
        self.usage: Usage | None = None
        self.written = 0

    def reader(self) -> Reader:
        return EventReader()

    @abstractmethod
    def event(self, body: dict[str, Any]) -> None:
        """Take in one event. What cannot be read may raise ValueError, KeyError, TypeError, AttributeError, IndexError."""

    def read(self, piece: bytes) -> None:
        """Take in a piece of the body. What is wrong with it becomes `error`, so that the text before it still gets out."""
        try:
            events = self._reader.feed(piece)
        except EventTooLong:
            self.fail(ProviderInvalid(_("The provider sent an event of more than a megabyte.")))
            return
        self.progressed = bool(events)
        self._events(events)

    def end(self) -> None:
        """The body has ended."""
        try:
            rest = self._reader.finish()
        except EventTooLong:
            rest = []
        self._events(rest)
        if self.done:
            return
        if self.stopped:
            self.finish()
        elif self.written or self._texts or self._out or self.calls:
            self.fail(ProviderUnavailable(_("The model's provider broke off in the middle of its answer.")))
        else:
            self.fail(ProviderInvalid(_("The model's provider sent an empty answer.")))

    def text(self, text: object) -> None:
        if not isinstance(text, str):
            raise TypeError
        if self._kind is not TextDelta:
            self._flush()
            self._kind = TextDelta
        self._texts.append(text)

    def thought(self, text: object) -> None:
        if not isinstance(text, str):
            raise TypeError
        if self._kind is not ThinkingDelta:
            self._flush()
            self._kind = ThinkingDelta
        self._texts.append(text)

    def signed(self, signature: str) -> None:
        """The thoughts so far are whole, and this is their seal."""
        self._flush()
        self._out.append(ThinkingDelta("", signature))

    def call(self, index: int) -> Call:
        """The tool call with that number, begun where it is new."""
        if (found := self.calls.get(index)) is None:
            if len(self.calls) >= MAX_CALLS:
                raise ValueError
            found = self.calls[index] = Call()
        return found

    def take(self) -> list[ChatEvent]:
        """The events since the last call, safe to store: no half characters, no NUL. Empty where there are none."""
        if self._texts:
            self._flush()
        out = self._out
        if out:
            self._out = []
        return out

    def finish(self) -> None:
        """Every part of the answer has come."""
        self.done = True
        self._flush()
        if self._half:
            self._kind = TextDelta
            self._texts.append("")
            self._flush()
        for number, call in self.calls.items():
            self._out.append(self._called(number, call))
        if self.calls and self.reason == "stop":
            self.reason = "tool_calls"
        if not self.written and not self._out and self.reason != "length":
            if self.reason == "content_filter":
                self.fail(ProviderRejected(_("The provider's content filter refused to answer.")))
            else:
                self.fail(ProviderInvalid(_("The model's provider sent an empty answer.")))

    def fail(self, error: ProviderError) -> None:
        self.done = True
        if self.error is None:
            self.error = error

    def estimated_usage(self, request: ChatRequest) -> Usage:
        """For servers that do not count."""
        return Usage(asked(request.messages), int(self.written / tokens.CHARACTERS_PER_TOKEN) + 1, estimated=True)

    def _called(self, number: int, call: Call) -> ToolCall:
        arguments = "".join(call.arguments) or "{}"
        try:
            complete = isinstance(json.loads(arguments), dict) and bool(call.name)
        except (ValueError, RecursionError):
            complete = False
        if not complete and self.reason != "length":
            self.fail(ProviderInvalid(_("The model called a tool in a way that cannot be read.")))
        return ToolCall(call.id or f"call_{number}", call.name, arguments, complete)

    def _events(self, events: list[bytes]) -> None:
        for data in events:
            if self.done:
                return
            if data == b"[DONE]":
                self.finish()
                return
            try:
                self.event(json.loads(data))
            except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
                self.fail(ProviderInvalid(_("The model's provider sent an event that is not valid.")))

    def _flush(self) -> None:
        if not self._texts:
            return
        text = "".join(self._texts)
        self._texts.clear()
        if not text.isascii() or self._half:
            text = self._whole(text)
        if "\0" in text:
            text = text.replace("\0", "")
        self.written += len(text)
        if self.written > MAX_ANSWER:
            self.fail(ProviderInvalid(_("The model's answer does not end.")))
        if text:
            self._out.append(self._kind(text))

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


class LineAnswer(Answer):
    """For wires with one JSON object a line."""

    __slots__ = ()

    def reader(self) -> Reader:
        return LineReader()


@dataclass(frozen=True, slots=True)
class WireClient(ABC):
    """Times out by the settings CLOISON_FIRST_TOKEN_TIMEOUT and CLOISON_GAP_TIMEOUT, in seconds.

    A request is sent again (twice at most) only while nothing of the answer has been given out. `local`: that nobody
    listens at `base` means `NoPermittedModel`, because the one model that may see the question is down.
    `local_network` is `Provider.local_network`.
    """

    base: str
    key: str = field(default="", repr=False)
    local: bool = False
    local_network: bool = True

    content_type: ClassVar[str] = "text/event-stream"

    @abstractmethod
    def address(self) -> str:
        """Where a chat request is posted."""

    @abstractmethod
    def body(self, request: ChatRequest) -> dict[str, Any]:
        """The request as this wire spells it."""

    @abstractmethod
    def answer(self) -> Answer: ...

    @property
    def sounds(self) -> frozenset[str]:
        """Media types of the sounds that this wire carries."""
        return frozenset()

    def headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": f"{self.content_type}, application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return headers

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Raises `ProviderError`. Closing the generator closes the provider's connection."""
        import aiohttp

        refuse_sounds(request, self.sounds)
        body = json.dumps(self.body(request), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        tries = Tries(settings.CLOISON_FIRST_TOKEN_TIMEOUT)
        given = False
        while True:
            watch = SilenceWatch(tries.left(), settings.CLOISON_GAP_TIMEOUT)
            response = await self._open(body, tries)
            watch.begin(response.close)
            gathering = Gathering(response.connection.transport if response.connection else None)
            answer = self.answer()
            content = response.content
            try:
                while not answer.done:
                    broken: aiohttp.ClientError | OSError | None = None
                    try:
                        piece = await content.readany()
                    except (aiohttp.ClientError, OSError) as error:
                        broken, piece = error, _arrived(content)
                    if piece:
                        answer.read(piece)
                    if answer.stopped if broken else not piece:
                        answer.end()  # A whole answer may lack its closing words.
                    if answer.progressed:
                        watch.progress()
                    if events := answer.take():
                        given = True
                        watch.pause()
                        for event in events:
                            yield event
                        watch.resume()
                        if not answer.done:
                            gathering.begin()
                    if answer.error is not None:
                        raise answer.error
                    if broken is not None and not answer.done:
                        raise broken
                watch.pause()
                gathering.end()
                yield answer.usage or answer.estimated_usage(request)
                yield Finish(answer.reason)
                await _drain(content)
                return
            except (aiohttp.ClientError, OSError) as error:
                if watch.expired:
                    limit = settings.CLOISON_GAP_TIMEOUT if given else tries.patience
                    raise ProviderTimeout(
                        _("The model's provider was silent for %(seconds)g seconds.") % {"seconds": limit}
                    ) from None
                if given or (wait := tries.again(None)) is None:
                    raise ProviderUnavailable(_("The model's provider broke off in the middle of its answer.")) from error
            except ProviderUnavailable:
                if given or (wait := tries.again(None)) is None:
                    raise
            finally:
                watch.end()
                gathering.end()
                response.close()
            await asyncio.sleep(wait)

    def _session(self) -> aiohttp.ClientSession:
        return session.shared(local_network=self.local_network)

    async def fetch(self, address: str) -> Any:
        """The JSON there. Raises `ProviderError`."""
        import aiohttp

        try:
            async with (
                asyncio.timeout(10),
                self._session().get(address, headers=self.headers(), allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise await self._failure(response)
                return json.loads(await response.content.read(8 * MAX_ERROR_BODY))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ProviderUnavailable(
                format_lazy(_("Nobody answers at the model's address ({why})."), why=type(error).__name__)
            ) from error
        except (ValueError, RecursionError) as error:
            raise ProviderInvalid(_("The provider's answer cannot be read.")) from error

    def unreachable(self) -> ProviderError | NoPermittedModel:
        if self.local:
            return NoPermittedModel(_("The local model does not answer, and no other may."))
        return ProviderUnavailable(_("The model's provider cannot be reached."))

    async def _open(self, body: bytes, tries: Tries) -> aiohttp.ClientResponse:
        """The response whose body is the stream, after retries. All of it counts towards the first token's time."""
        refused: Again | None = None
        try:
            async with asyncio.timeout_at(tries.deadline):
                while True:
                    try:
                        return await self._attempt(body)
                    except Again as again:
                        refused = again
                        if (wait := tries.again(again.after)) is None:
                            raise again.error from again.__cause__
                    await asyncio.sleep(wait)
        except TimeoutError:
            if refused is not None:  # Time ran out over trying again: what it was tried for says more.
                raise refused.error from refused.__cause__
            raise ProviderTimeout(
                _("The model's provider did not answer within %(seconds)g seconds.") % {"seconds": tries.patience}
            ) from None

    async def _attempt(self, body: bytes) -> aiohttp.ClientResponse:
        import aiohttp

        try:
            response = await self._session().post(self.address(), data=body, headers=self.headers(), allow_redirects=False)
        except (aiohttp.ClientError, OSError) as error:
            raise Again(self.unreachable()) from error
        except AddressNotAllowed as error:
            raise ProviderRejected(error.detail, reason=error.code) from error
        if response.status == 200 and response.content_type == self.content_type and not response.headers.get("Content-Encoding"):
            return response
        try:
            failure = await self._failure(response)
            if response.status >= 500 or (response.status == 429 and failure.retryable):
                raise Again(failure, after=_retry_after(response))
            raise failure
        finally:
            response.close()

    async def _failure(self, response: aiohttp.ClientResponse) -> ProviderError:
        """What an answer other than the wire's stream means."""
        import aiohttp

        status = response.status
        if status < 400:
            what = f"status {status}" if status != 200 else response.content_type
            return ProviderInvalid(_("The model's provider answered with %(what)s instead of a stream.") % {"what": what[:80]})
        try:
            async with asyncio.timeout(5):
                raw = await response.content.read(MAX_ERROR_BODY)
        except (aiohttp.ClientError, OSError, TimeoutError):
            raw = b""
        return of_status(status, raw, _retry_after(response))


class Again(Exception):
    """The attempt failed with `error`, and another one `after` so many seconds may not."""

    def __init__(self, error: ProviderError | NoPermittedModel, after: float | None = None) -> None:
        super().__init__(error.code)
        self.error = error
        self.after = after


class Tries:
    """How often a request may still be sent, and until when its first token must have come."""

    __slots__ = ("_made", "_now", "deadline", "patience")

    def __init__(self, patience: float) -> None:
        self._now = asyncio.get_running_loop().time
        self._made = 0
        self.patience = patience
        self.deadline = self._now() + patience

    def left(self) -> float:
        return max(0.0, self.deadline - self._now())

    def again(self, after: float | None) -> float | None:
        """Seconds to wait before the next attempt, None where none is left. `after` is what the provider asks for."""
        wait = after if after is not None else BACKOFF * 2**self._made * random.uniform(0.5, 1.5)  # noqa: S311
        if self._made >= RETRIES or wait > MAX_RETRY_AFTER or wait >= self.left():
            return None
        self._made += 1
        logger.info("provider request repeated", extra={"attempt": self._made, "wait": wait})
        return wait


def refuse_sounds(request: ChatRequest, carried: frozenset[str]) -> None:
    """Raises `ProviderRejected` where a message has a sound that a wire does not carry: left out, the answer would be made up."""
    for media_type in {sound.media_type for message in request.messages for sound in message.audio} - carried:
        if not carried:
            raise ProviderRejected(_("This model's provider takes no sounds. Nothing was sent."), reason="needs_audio")
        raise ProviderRejected(
            _("This model's provider takes no sound of the type %(type)s. Nothing was sent.") % {"type": media_type[:40]},
            reason="sound_type",
        )


def asked(messages: tuple[ChatMessage, ...]) -> int:
    """About how many tokens the messages are."""
    return sum(tokens.estimate(m.content) + tokens.PER_MESSAGE + IMAGE_TOKENS * (len(m.images) + len(m.audio)) for m in messages)


def of_status(status: int, raw: bytes, retry_after: float | None = None) -> ProviderError:
    """What a provider's refusal means; `raw` is its body."""
    code, message = code_and_message(raw)
    if code in CONTEXT_CODES or (status in {400, 413, 422} and any(words in message for words in CONTEXT_WORDS)):
        return ContextTooLong(_("The conversation is too long for this model."))
    extra = {} if retry_after is None else {"retry_after": retry_after}
    if status == 429 and code != "insufficient_quota":
        return ProviderUnavailable(_("The model's provider has too much to do."), **extra)
    if status == 408:
        return ProviderTimeout(_("The model's provider took too long."))
    if status >= 500:
        return ProviderUnavailable(_("The model's provider failed (status %(status)d).") % {"status": status}, **extra)
    if status in {401, 403}:
        return ProviderRejected(_("The model's provider refused our key."))
    what = f"{status}, {code}" if code else str(status)
    return ProviderRejected(_("The model's provider rejected the request (%(what)s).") % {"what": what})


def in_stream(error: object) -> ProviderError:
    """What an error that came as an event of the stream means."""
    code, message = code_and_message(json.dumps({"error": error}).encode())
    if code in CONTEXT_CODES or any(words in message for words in CONTEXT_WORDS):
        return ContextTooLong(_("The conversation is too long for this model."))
    if code in REJECTED_CODES:
        return ProviderRejected(_("The model's provider rejected the request (%(what)s).") % {"what": code})
    return ProviderUnavailable(_("The model's provider reported an error in the middle of its answer."))


def code_and_message(raw: bytes) -> tuple[str, str]:
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


def _arrived(content: aiohttp.StreamReader) -> bytes:
    """What came before the connection broke: aiohttp's reader raises at once and keeps what nobody has read yet."""
    content.set_exception(None)  # type: ignore[arg-type]
    return content.read_nowait()


async def _drain(content: aiohttp.StreamReader) -> None:
    if content.at_eof():
        return
    try:
        async with asyncio.timeout(DRAIN):
            await content.readany()
    except TimeoutError:
        return


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds; dates are not used by model providers and are ignored."""
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
