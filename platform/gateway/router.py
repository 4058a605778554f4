"""Which model answers a request, and why."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway import catalogue, embedding
from gateway.access import GrantedModels, ModelAccess
from gateway.catalogue import BUILTIN, BUILTIN_MODEL
from gateway.clients.builtin import BuiltinClient
from gateway.errors import NoPermittedModel
from gateway.types import ChatClient, ChatEvent, ChatRequest, ModelInfo

__all__ = ["Decision", "LLMRouter"]


@dataclass(frozen=True, slots=True)
class Decision:
    """`reasons` are stable codes: `named`, `default_model`, `only_model`, `first_model`, `builtin_only`, `builtin_named`."""

    model: ModelInfo
    route: Literal["local", "cloud", "refused"]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LLMRouter:
    """The one way from the product to a model. `access` says which of them the person may use."""

    access: ModelAccess = field(default_factory=GrantedModels)

    async def route(self, *, model: str | None = None) -> Decision:
        """Decide; asks a provider at most for its list of models. `model` is an id of the catalogue or a provider's own name.

        A model that is kept for others is as one that is not there.
        Raises `NoPermittedModel` or `ProviderUnavailable`; never falls back on the built-in model where another is configured.
        """
        if model == BUILTIN:
            if not await self.access.usable((BUILTIN_MODEL,)):
                raise NoPermittedModel("This model is kept for others.")
            return Decision(BUILTIN_MODEL, "local", ("builtin_named",))
        configured = await catalogue.load()
        models = await self.access.usable(configured)
        if model:
            for known in models:
                if model in {known.id, known.name}:
                    return Decision(known, known.locality, ("named",))
            raise NoPermittedModel(f"There is no model {model[:80]!r} here.")
        if not models:
            raise NoPermittedModel("No model here may be used by this person.")
        if models == (BUILTIN_MODEL,):
            return Decision(BUILTIN_MODEL, "local", ("builtin_only",))
        if default := os.environ.get("CLOISON_MODEL", ""):
            for known in models:
                if default in {known.id, known.name}:
                    return Decision(known, known.locality, ("default_model",))
            if any(default in {known.id, known.name} and known.locality == "local" for known in configured):
                models = tuple(known for known in models if known.locality == "local")
                if not models:
                    raise NoPermittedModel("The local model is kept for others; the question was not sent to the cloud instead.")
            elif not any(default in {known.id, known.name} for known in configured):
                raise NoPermittedModel(f"CLOISON_MODEL names {default[:80]!r}, which no configured provider has.")
        first = catalogue.providers()[0]
        if first.locality == "local" and models[0].locality == "cloud" and models[0].provider != first.name:
            raise NoPermittedModel("The local model does not answer; the question was not sent to the cloud instead.")
        reason = "only_model" if len(models) == 1 else "first_model"
        return Decision(models[0], models[0].locality, (reason,))

    async def stream(self, request: ChatRequest, decision: Decision) -> AsyncGenerator[ChatEvent, None]:
        """The answer of the model decided on. Closing the generator closes the provider's connection.

        Raises `ProviderError`; `NoPermittedModel` where the local Ollama does not answer at all.
        """
        client = self._client(decision.model)
        stream = client.stream(replace(request, model=decision.model.name))
        try:
            async for event in stream:
                yield event
        finally:
            await stream.aclose()

    def _client(self, model: ModelInfo) -> ChatClient:
        if model.provider == BUILTIN:
            return BuiltinClient(similarity=embedding.similarity)
        from gateway.clients.openai import OpenAIClient

        provider = catalogue.provider_of(model)
        return OpenAIClient(provider.base, provider.key, local=provider.name == "ollama", local_network=provider.local_network)
