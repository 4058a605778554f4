"""What passes between the gateway and those who ask it: requests, events, and the two protocols of a model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gateway.errors import (
    BudgetExceeded,
    ContextTooLong,
    NoPermittedModel,
    ProviderError,
    ProviderInvalid,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Vectors = NDArray[numpy.float32]

__all__ = [
    "AttachedFile",
    "Audio",
    "Budget",
    "BudgetExceeded",
    "ChatClient",
    "ChatEvent",
    "ChatMessage",
    "ChatRequest",
    "Choice",
    "ContextTooLong",
    "Effort",
    "Embedder",
    "Estimate",
    "Finish",
    "Image",
    "Locality",
    "ModelInfo",
    "Needs",
    "NoPermittedModel",
    "Passage",
    "Provider",
    "ProviderError",
    "ProviderInvalid",
    "ProviderRejected",
    "ProviderTimeout",
    "ProviderUnavailable",
    "Rerouted",
    "RoutingPolicy",
    "TextDelta",
    "ThinkingDelta",
    "Tool",
    "ToolCall",
    "Usage",
    "Wire",
]


Locality = Literal["local", "cloud"]
Wire = Literal["openai", "ollama", "anthropic", "litellm", "builtin"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """`id` is what a request names, `name` what the provider calls it. `context_window` is in tokens.

    `abilities` are of "text", "images", "audio", "tools", "thinking", "structured". Prices are for a million tokens in
    `currency`, None where nobody said. `country` (ISO 3166, two letters) is where it runs, "" where nobody said.
    """

    id: str
    name: str
    provider: str
    locality: Locality
    context_window: int
    country: str = ""
    abilities: frozenset[str] = frozenset({"text"})
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    currency: str = "EUR"


@dataclass(frozen=True, slots=True)
class Provider:
    """An account at a provider. `base` is the address in the spelling of its `wire` (OpenAI's ends in `/v1`).

    `models` are the names given by configuration, perhaps none. `account` is the row's key; None for one of the
    environment's. `local_network`: whether its address may be in a local network; otherwise every connection is
    checked (`core.outgoing`).
    """

    name: str
    base: str
    key: str = field(repr=False)
    locality: Locality
    models: tuple[str, ...]
    wire: Wire = "openai"
    account: int | None = None
    country: str = ""
    local_network: bool = True


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that an answer may rest on, and cites as `[number]`. `page` counts from 1.

    For the built-in model, which reads nothing else, pieces of attached files are passages, too, with negative numbers.
    """

    number: int
    text: str
    title: str
    page: int | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of a message. `media_type` is `image/png`, `image/jpeg`, `image/webp` or `image/gif`."""

    data: bytes = field(repr=False)
    media_type: str = "image/png"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Audio:
    """A sound of a message. OpenAI's own service takes `audio/mpeg` and `audio/wav`, servers of its wire perhaps more."""

    data: bytes = field(repr=False)
    media_type: str = "audio/wav"
    name: str = ""


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A person's file as text, which `gateway.prompt` writes into the message that it belongs to; no client reads it.

    `characters` counts the whole text, of which `text` may be the beginning, or nothing.
    """

    name: str
    text: str = field(repr=False)
    characters: int


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model wants done: an event of its answer, and a part of the message that repeats the answer to it.

    `arguments` is JSON as the model wrote it; not `complete` where the answer ended before the call did.
    """

    id: str
    name: str
    arguments: str = "{}"
    complete: bool = True


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """What is new of the model's thoughts. `signature` comes last, by itself, from providers that want it back."""

    text: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """`content` is its text. A message of role "tool" answers the call `tool_call_id` of the tool `tool_name` with it.

    `images`, `audio` and `files` belong to a user's message, `tool_calls` and `thinking` to an assistant's.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    tool_name: str = ""
    failed: bool = False
    thinking: ThinkingDelta | None = None
    audio: tuple[Audio, ...] = ()
    files: tuple[AttachedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """What a model may call. `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


Effort = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """`messages` is what a provider gets, passages included (see `gateway.prompt`).

    `passages` and `question` (the person's own words; by default the last user message) are for models that need them
    apart, as the built-in one does. `language` is the question's, where the caller knows it. `schema` is a JSON schema
    that the answer must follow; `thinking` asks a model that can to think first. `context_window` (tokens) is told to
    servers that would otherwise cut the prompt without a word. `so_far` is how the answer begins, where it is to be gone on
    with; the last two of `messages` say the same.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    passages: tuple[Passage, ...] = ()
    language: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    question: str = ""
    tools: tuple[Tool, ...] = ()
    tool_choice: Literal["auto", "required", "none"] | None = None
    schema: Mapping[str, Any] | None = None
    thinking: Effort | None = None
    context_window: int | None = None
    so_far: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """What is new of the answer; tokens that arrived together come as one."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """`input_tokens` is all that was read, of it `cached_tokens` from the provider's cache and `cache_written` into it.

    `estimated`: counted by us, because the provider did not.
    """

    input_tokens: int
    output_tokens: int
    estimated: bool = False
    cached_tokens: int = 0
    cache_written: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event. `grounded` is False when the model itself says that its passages hold no answer; None: it did not say."""

    reason: Literal["stop", "length", "tool_calls", "content_filter"] = "stop"
    grounded: bool | None = None


@dataclass(frozen=True, slots=True)
class Rerouted:
    """From here on another model answers (ids of the catalogue). `reason` is the code of the error that led to it, or
    `hedged`: it spoke first while the other was silent.

    `continued`: it goes on where the other one broke off; what was shown stays.
    """

    origin: str
    to: str
    reason: str
    continued: bool = False


ChatEvent = TextDelta | ThinkingDelta | ToolCall | Usage | Finish | Rerouted


Choice = Literal["pinned", "cheapest", "fastest", "auto"]


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """How an organisation wants its models chosen; models are named by their ids.

    `models` are those to choose from, all where it is empty: in order of preference, for "auto" from the most modest to the
    ablest. `fallbacks` are asked in turn where the chosen one fails. `continues`: one of them also goes on with an answer
    that broke off. `builtin`: the built-in model is the last resort. `threshold` is the difficulty from which "auto" takes
    an able model. `hedge_after`: seconds of silence after which the first fallback is asked beside; 0: never.
    """

    choose: Choice = "pinned"
    models: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    continues: bool = False
    builtin: bool = False
    threshold: float = 0.5
    hedge_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Needs:
    """What a turn asks of a model. `question` is the person's own words, from which its difficulty is judged.

    `input_tokens` is the whole prompt; `output_tokens` of 0: the usual room for an answer.
    """

    abilities: frozenset[str] = frozenset()
    input_tokens: int = 0
    output_tokens: int = 0
    question: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call will take at most; `cost` is None where the model's price is unknown."""

    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    currency: str


class Budget(Protocol):
    """Asked by the router for every model that could answer."""

    async def allows(self, model: ModelInfo, estimate: Estimate) -> bool: ...


class ChatClient(Protocol):
    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The answer as it is written. Closing the generator closes the provider's connection. Raises `ProviderError`."""
        ...


class Embedder(Protocol):
    """Turns texts into unit vectors. `model_id` is stored beside each vector: two models' vectors never mix."""

    @property
    def model_id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def languages(self) -> frozenset[str]: ...

    def windows(self, text: str) -> list[tuple[int, int]]:
        """Spans of characters that cover `text`, in order, each short enough for one vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of unit length for each text."""
        ...
