"""Which model answers a request, and why; who takes over when it fails."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from gateway import catalogue, embedding, health, hedging, selection
from gateway.access import GrantedModels, ModelAccess
from gateway.catalogue import BUILTIN, BUILTIN_MODEL
from gateway.clients.builtin import BuiltinClient
from gateway.clients.wire import BACKOFF, asked
from gateway.difficulty import Difficulty
from gateway.errors import (
    ContextTooLong,
    NoPermittedModel,
    ProviderError,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from gateway.types import (
    Budget,
    ChatClient,
    ChatEvent,
    ChatMessage,
    ChatRequest,
    Estimate,
    Locality,
    ModelInfo,
    Needs,
    Provider,
    Rerouted,
    RoutingPolicy,
    TextDelta,
    ToolCall,
)

__all__ = ["Decision", "EveryBudget", "LLMRouter", "go_on", "needs_of"]

CONTINUE = {
    "fr": "Ta réponse a été interrompue. Continue exactement là où elle s'arrête, sans rien répéter ni annoncer.",
    "en": "Your answer was interrupted. Go on exactly where it stops, without repeating or announcing anything.",
}
NOTHING = Needs()
ROUNDS = 2
LEAST_WINDOW = 4096  # tokens; what servers that must be told a window are told at least


@dataclass(frozen=True, slots=True)
class Decision:
    """`reasons` are stable codes, the way of choosing first: `named`, `default_model`, `only_model`, `first_model`,
    `builtin_only`, `builtin_named`, `builtin_last`, `pinned`, `cheapest`, `fastest`, `auto_easy`, `auto_hard`.

    Then what narrowed the choice (`filtered_privacy`, `filtered_ability`, `filtered_window`, `filtered_budget`,
    `filtered_health`) and, for "auto", what the question asks for (see `gateway.difficulty`). `fallbacks` are asked in
    turn where the model fails; all of them stand under the same privacy verdict.
    """

    model: ModelInfo
    route: Literal["local", "cloud", "refused"]
    reasons: tuple[str, ...]
    fallbacks: tuple[ModelInfo, ...] = ()
    difficulty: Difficulty | None = None
    continues: bool = False
    hedge_after: float = 0.0


class Catalogue(Protocol):
    """Where the router finds models: the module `gateway.catalogue`, or a test's own."""

    async def load(self) -> tuple[ModelInfo, ...]: ...
    def providers(self) -> tuple[Provider, ...]: ...
    def provider_of(self, model: ModelInfo) -> Provider: ...


@dataclass(frozen=True, slots=True)
class EveryBudget:
    """No budgets: everything is allowed."""

    async def allows(self, model: ModelInfo, estimate: Estimate) -> bool:
        return True


def needs_of(request: ChatRequest) -> Needs:
    """What a request asks of a model."""
    abilities = set()
    if any(message.images for message in request.messages):
        abilities.add("images")
    if any(message.audio for message in request.messages):
        abilities.add("audio")
    if request.tools:
        abilities.add("tools")
    if request.schema is not None:
        abilities.add("structured")
    question = request.question or next((m.content for m in reversed(request.messages) if m.role == "user"), "")
    return Needs(frozenset(abilities), asked(request.messages), request.max_tokens or 0, question)


def go_on(messages: Sequence[ChatMessage], so_far: str, language: str) -> tuple[ChatMessage, ...]:
    """What a model is told that goes on where the answer `so_far` broke off."""
    return (*messages, ChatMessage("assistant", so_far), ChatMessage("user", CONTINUE.get(language, CONTINUE["en"])))


def _check_builtin(needs: Needs) -> None:
    """Raises `NoPermittedModel` where a turn has what the built-in model does not read."""
    if needs.abilities & {"images", "audio"}:
        raise selection.unable(needs)


@dataclass(frozen=True, slots=True)
class LLMRouter:
    """The one way from the product to a model. `access` says which of them the person may use, `budget` what may be spent."""

    access: ModelAccess = field(default_factory=GrantedModels)
    budget: Budget = field(default_factory=EveryBudget)
    source: Catalogue = field(default=catalogue)
    health: health.Health = field(default_factory=health.common)

    async def route(
        self,
        *,
        model: str | None = None,
        localities: frozenset[Locality] | None = None,
        needs: Needs = NOTHING,
        policy: RoutingPolicy | None = None,
    ) -> Decision:
        """Decide; asks a provider at most for its list of models. `model` is an id of the catalogue or a provider's own name.

        `localities` are those that the privacy verdict permits, None where there is none. A model that is kept for others
        is as one that is not there. Raises `NoPermittedModel`, `ProviderUnavailable`, `ContextTooLong` or
        `BudgetExceeded`; without a policy that says so never falls back on the built-in model where another is configured.
        """
        if model == BUILTIN:
            if not await self.access.usable((BUILTIN_MODEL,)):
                raise NoPermittedModel(_("This model is kept for others."))
            _check_builtin(needs)
            return Decision(BUILTIN_MODEL, "local", ("builtin_named",))
        last = BUILTIN_MODEL if await self._builtin_last(policy, localities, needs) else None
        try:
            return await self._decide(model, localities, needs, policy, last)
        except (NoPermittedModel, ProviderUnavailable):
            if last is None or model:
                raise
            return Decision(last, "local", ("builtin_last",))

    async def _decide(
        self,
        model: str | None,
        localities: frozenset[Locality] | None,
        needs: Needs,
        policy: RoutingPolicy | None,
        last: ModelInfo | None,
    ) -> Decision:
        configured = await self.source.load()
        models = await self.access.usable(configured)
        if not models and not model:
            raise NoPermittedModel(_("No model here may be used by this person."))
        if models == (BUILTIN_MODEL,) and not model:
            _check_builtin(needs)
            return Decision(BUILTIN_MODEL, "local", ("builtin_only",))
        sieve = selection.Sieve(self.budget, localities, needs)
        chain = policy or RoutingPolicy()
        difficulty: Difficulty | None = None
        if model:
            named = [known for known in models if model in {known.id, known.name}]
            if not named:
                raise NoPermittedModel(_("There is no model “%(model)s” here.") % {"model": model[:80]})
            kept = await sieve.keep(named[:1])
            reasons: tuple[str, ...] = ("named",)
        elif chain.choose == "pinned" and not chain.models:
            kept, reason = self._by_environment(configured, models, await sieve.keep(models))
            reasons = (reason,)
        else:
            able = await sieve.keep(selection.listed(chain, models))
            well = await self._healthy(able, sieve) if chain.choose != "pinned" else able
            kept, reasons, difficulty = selection.choose(chain, well, needs, self.health.latency)
        listed = await sieve.keep(selection.pick(chain.fallbacks, models), note=False)
        rest = kept[1:] if chain.models or chain.choose != "pinned" else ()
        fallbacks = tuple(dict.fromkeys(m for m in (*listed, *rest) if m != kept[0]))
        return Decision(
            kept[0],
            kept[0].locality,
            (*reasons, *sieve.reasons, *(difficulty.reasons if difficulty else ())),
            (*fallbacks, last) if last and last not in fallbacks and last != kept[0] else fallbacks,
            difficulty,
            chain.continues,
            chain.hedge_after,
        )

    def _by_environment(
        self, configured: Sequence[ModelInfo], models: Sequence[ModelInfo], kept: Sequence[ModelInfo]
    ) -> tuple[tuple[ModelInfo, ...], str]:
        """Without a policy: the default model, or the first. `kept` is what is left of `models`; never empty."""
        default = os.environ.get("CLOISON_MODEL", "")
        if default:
            for known in kept:
                if default in {known.id, known.name}:
                    return (known,), "default_model"
            named = [known for known in configured if default in {known.id, known.name}]
            if not named:
                raise NoPermittedModel(
                    _("CLOISON_MODEL names “%(model)s”, which no configured provider has.") % {"model": default[:80]}
                )
            if any(known.locality == "local" for known in named):
                kept = tuple(known for known in kept if known.locality == "local")
                if not kept:
                    raise NoPermittedModel(
                        _("The local model is kept for others; the question was not sent to the cloud instead.")
                    )
        first = self.source.providers()[0]
        if first.locality == "local" and kept[0].locality == "cloud" and kept[0].provider != first.name:
            raise NoPermittedModel(_("The local model does not answer; the question was not sent to the cloud instead."))
        return tuple(kept[:1]), "only_model" if len(models) == 1 else "first_model"

    async def _builtin_last(self, policy: RoutingPolicy | None, localities: frozenset[Locality] | None, needs: Needs) -> bool:
        if policy is None or not policy.builtin or needs.abilities or (localities is not None and "local" not in localities):
            return False
        return bool(await self.access.usable((BUILTIN_MODEL,)))

    async def _healthy(self, models: Sequence[ModelInfo], sieve: selection.Sieve) -> tuple[ModelInfo, ...]:
        """Without those whose provider is known to be down; all of them where none is left."""
        keys = {model: self._circuit(model) for model in models}
        shut = await self.health.shut(tuple({key for key in keys.values() if key}))
        well = tuple(model for model in models if keys[model] not in shut)
        if well and len(well) < len(models):
            sieve.reasons.append("filtered_health")
        return well or tuple(models)

    def _circuit(self, model: ModelInfo) -> str:
        return "" if model.provider == BUILTIN else health.key_of(self.source.provider_of(model))

    async def stream(self, request: ChatRequest, decision: Decision) -> AsyncGenerator[ChatEvent, None]:
        """The answer of the model decided on, or of those that take over. Closing it closes the provider's connection.

        `Rerouted` comes before the first word of another model. After the first word another one goes on only where the
        decision says so; otherwise what came stays, and the error says whether asking again makes sense. Ends at most
        CLOISON_ANSWER_TIMEOUT seconds after a provider's last word. Raises `ProviderError`; `NoPermittedModel` where the
        local Ollama does not answer at all.
        """
        course = _Course(request, decision)
        while (model := course.next()) is not None:
            if course.pause:
                await asyncio.sleep(course.pause)
            key = self._circuit(model)
            if key and not await self.health.enter(key):
                course.failed(model, ProviderUnavailable(_("The model's provider has failed too often; it rests for a while.")))
                continue
            if course.origin is not None and course.origin != model:
                yield course.rerouted(model)
            attempt = self._hedged(course, model) if course.may_hedge else self._attempt(course, model)
            try:
                async for event in attempt:
                    course.saw(event)
                    yield event
                return
            except (ProviderError, NoPermittedModel) as error:
                course.failed(model, error)
            finally:
                await attempt.aclose()
        raise course.error or NoPermittedModel

    async def _hedged(self, course: _Course, model: ModelInfo) -> AsyncGenerator[ChatEvent, None]:
        """As `_attempt`, and the next model is asked beside this one where it is silent for too long."""

        async def another() -> ModelInfo | None:
            other = course.beside()
            key = self._circuit(other) if other else ""
            return None if key and not await self.health.enter(key) else other

        speaker = model
        running = hedging.race(
            model,
            ask=lambda asked: self._attempt(course, asked),
            after=course.hedge_after,
            another=another,
            failed=course.failed,
        )
        try:
            async for who, event in running:
                if who != speaker:
                    speaker = who
                    yield Rerouted(model.id, who.id, "hedged")
                yield event
        finally:
            await running.aclose()

    async def _attempt(self, course: _Course, model: ModelInfo) -> AsyncGenerator[ChatEvent, None]:
        """One model's part of the answer. Its outcome goes to the circuit."""
        key = self._circuit(model)
        now = asyncio.get_running_loop().time
        stream = self._client(model).stream(course.request_for(model))
        began = now()
        try:
            try:
                async with asyncio.timeout_at(course.until):
                    event = await anext(stream, None)
            except TimeoutError:
                raise ProviderTimeout(_("No model answered in time.")) from None
            if key:
                self.health.observe(model.id, now() - began)
            while event is not None:
                yield event
                event = await anext(stream, None)
            if key:
                await self.health.succeeded(key)
        except (ProviderError, NoPermittedModel) as error:
            if key and isinstance(error, ProviderRejected | ContextTooLong):
                await self.health.succeeded(key)  # It is there, and said no.
            elif key:
                await self.health.failed(key)
            raise
        finally:
            await stream.aclose()

    def _client(self, model: ModelInfo) -> ChatClient:
        if model.provider == BUILTIN:
            return BuiltinClient(similarity=embedding.similarity)
        provider = self.source.provider_of(model)
        inside = provider.local_network
        local = provider.name == "ollama" or (provider.wire == "ollama" and provider.locality == "local")
        match provider.wire:
            case "ollama":
                from gateway.clients.ollama import OllamaClient

                return OllamaClient(provider.base, provider.key, local=local, local_network=inside)
            case "anthropic":
                from gateway.clients.anthropic import AnthropicClient

                return AnthropicClient(provider.base, provider.key, local_network=inside)
            case "litellm":
                from gateway.clients.litellm import LiteLLMClient

                return LiteLLMClient(provider.base, provider.key, local_network=inside)
            case _:
                from gateway.clients.openai import OpenAIClient

                return OpenAIClient(provider.base, provider.key, local=local, local_network=inside)


class _Course:
    """How far one answer has come: who has been asked, what was shown, and until when it must end."""

    def __init__(self, request: ChatRequest, decision: Decision) -> None:
        self._request = request
        self._continues = decision.continues
        self.hedge_after = decision.hedge_after
        self._left = [decision.model, *decision.fallbacks]
        self._again: list[ModelInfo] = []  # who failed in a way that may pass; each is asked twice at most
        self._round = 1
        self._text: list[str] = []
        self._begun = False  # something that cannot be taken back was shown
        self._called = False
        self.origin: ModelInfo | None = None
        self.error: ProviderError | NoPermittedModel | None = None
        self.until = asyncio.get_running_loop().time() + settings.CLOISON_ANSWER_TIMEOUT
        self.pause = 0.0  # seconds before the next one is asked

    def next(self) -> ModelInfo | None:
        """Who is asked now; None where nobody may be."""
        if self._begun and not (
            self._continues and self._text and not self._called and self.error is not None and self.error.retryable
        ):
            return None
        if asyncio.get_running_loop().time() >= self.until:
            return None
        self.pause = 0.0
        if not self._left and self._round < ROUNDS and len(self._again) > 1:
            # All have failed, but not for good: once more, after a moment. One model alone was repeated by its client.
            self._left, self._again = self._again, []
            self._round += 1
            self.pause = random.uniform(0.5, 1.5) * BACKOFF  # noqa: S311
        while self._left:
            model = self._left.pop(0)
            if isinstance(self.error, ContextTooLong) and self.origin and model.context_window <= self.origin.context_window:
                continue
            if self._begun and model.provider == BUILTIN:
                continue  # It quotes documents, and cannot go on with another's sentence.
            return model
        return None

    def request_for(self, model: ModelInfo) -> ChatRequest:
        messages = self._request.messages
        if self._text:
            messages = go_on(messages, "".join(self._text), self._request.language or "en")
        room = self._request.max_tokens or min(model.context_window // 4, 4096)
        needed = max(LEAST_WINDOW, asked(messages) + room)
        # In powers of two: a server that loads the model anew for another window does so rarely.
        window = min(model.context_window, 1 << (needed - 1).bit_length())
        return replace(self._request, model=model.name, messages=messages, context_window=window)

    @property
    def may_hedge(self) -> bool:
        """Before the first word, and while somebody else could be asked."""
        return bool(self.hedge_after and self._left and not self._begun)

    def beside(self) -> ModelInfo | None:
        """Who is asked beside a silent one."""
        return self._left.pop(0) if self._left and self._left[0].provider != BUILTIN else None

    def saw(self, event: ChatEvent) -> None:
        self.until = asyncio.get_running_loop().time() + settings.CLOISON_ANSWER_TIMEOUT
        if isinstance(event, TextDelta):
            self._begun = True
            self._text.append(event.text)
        elif isinstance(event, ToolCall):
            self._begun = self._called = True

    def failed(self, model: ModelInfo, error: ProviderError | NoPermittedModel) -> None:
        self.error = error
        self.origin = model
        if error.retryable:
            self._again.append(model)

    def rerouted(self, model: ModelInfo) -> Rerouted:
        assert self.origin is not None
        reason = self.error.code if self.error is not None else "provider_unavailable"
        return Rerouted(self.origin.id, model.id, reason, continued=self._begun)
