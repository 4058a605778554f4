"""What passes between the gateway and those who ask it: requests, events, and the two protocols of a model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol

from gateway.errors import (
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
    "ChatClient",
    "ChatEvent",
    "ChatMessage",
    "ChatRequest",
    "ContextTooLong",
    "Embedder",
    "Finish",
    "Locality",
    "ModelInfo",
    "NoPermittedModel",
    "Passage",
    "Provider",
    "ProviderError",
    "ProviderInvalid",
    "ProviderRejected",
    "ProviderTimeout",
    "ProviderUnavailable",
    "TextDelta",
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
    """A piece of a document that an answer may rest on, and cites as `[number]`. `page` counts from 1."""

    number: int
    text: str
    title: str
    page: int | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """`messages` is what a provider gets, passages included (see `gateway.prompt`).

    `passages` and `question` (the person's own words; by default the last user message) are for models that need them
    apart, as the built-in one does. `language` is the question's, where the caller knows it.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    passages: tuple[Passage, ...] = ()
    language: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    question: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """What is new of the answer; tokens that arrived together come as one."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """`estimated`: counted by us, because the provider did not."""

    input_tokens: int
    output_tokens: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event. `grounded` is False when the model itself says that its passages hold no answer; None: it did not say."""

    reason: Literal["stop", "length"] = "stop"
    grounded: bool | None = None


ChatEvent = TextDelta | Usage | Finish


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
