"""How a turn is answered: an asynchronous generator of plain events that knows neither doors nor the database's rows."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from accounts.models import User
from assistants.conversations.carrying import readable_by
from assistants.conversations.screening import (
    Asked,
    PrivacyRefused,
    Screen,
    as_sent,
    leaves,
    localities,
    must_mask,
    route_of,
)
from core.errors import AppError
from documents.rag import Citation, strict
from gateway import language, tokens
from gateway.catalogue import BUILTIN
from gateway.errors import NoPermittedModel
from gateway.metering import Accounting, Caller
from gateway.privacy import Restorer, Vault, Verdict
from gateway.prompt import build
from gateway.router import Decision, LLMRouter, go_on
from gateway.types import AttachedFile, Audio, ChatMessage, ChatRequest, Finish, Image, Needs, Passage, Rerouted, TextDelta, Usage
from isolation import in_thread

CITED = re.compile(r"\[(\d{1,3})\]")
PASSAGES = 6
PIECE = 2_000  # characters of an attached file that the built-in model reads as one passage
MOST_QUOTABLE = 60_000  # characters


class Retriever(Protocol):
    """What finds the passages for a question: `documents.rag.RAGService`, or a test's own."""

    def retrieve(self, *, user: User, query: str, folders: Sequence[uuid.UUID] | None, top_k: int) -> list[Citation]: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything that an answer depends on. `history` is oldest first and ends before `question`."""

    user: User
    question: str
    history: tuple[ChatMessage, ...] = ()
    instructions: str = ""
    model: str | None = None
    folders: tuple[uuid.UUID, ...] | None = None
    run: uuid.UUID | None = None
    api_key: int | None = None
    conversation: uuid.UUID | None = None
    assistant: int | None = None
    so_far: str = ""  # of an answer that broke off: this one begins with it
    cited: tuple[dict[str, Any], ...] = ()  # what that text cites: the same passages keep their numbers
    files: tuple[AttachedFile, ...] = ()
    images: tuple[Image, ...] = ()
    audio: tuple[Audio, ...] = ()

    @property
    def has_attachments(self) -> bool:
        return bool(self.files or self.images or self.audio)

    @property
    def abilities(self) -> frozenset[str]:
        """What a model must be able to do for the question itself."""
        needed = {"images": self.images, "audio": self.audio}
        return frozenset(name for name, attached in needed.items() if attached)


class Keeper(Protocol):
    """What remembers a conversation's privacy: `services.PrivacyKeeper`, or a test's own. Synchronous."""

    def open(self, turn: Turn) -> Screen: ...
    def keep(self, turn: Turn, verdict: Verdict, vault: Vault | None, sent: list[dict[str, Any]] | None) -> None: ...
    def refused(self, turn: Turn, verdict: Verdict) -> None: ...


@dataclass(frozen=True, slots=True)
class Routed:
    """Where the answer will be written, before its first word; and again where another model takes over."""

    decision: Decision
    verdict: Verdict
    masked: bool = False
    notes: tuple[str, ...] = ()

    @property
    def route(self) -> str:
        return route_of(self.decision.model.locality, masked=self.masked)

    def by(self, event: Rerouted) -> Routed:
        """The same turn, answered by the model that took over."""
        others = [model for model in self.decision.fallbacks if model.id == event.to]
        model = others[0] if others else self.decision.model
        return replace(self, decision=replace(self.decision, model=model, reasons=(*self.decision.reasons, event.reason)))

    def trace(self) -> dict[str, Any]:
        """What is kept of the decision for administrators: codes, nothing of what was said."""
        told = self.as_json()
        kept: dict[str, Any] = {name: told[name] for name in ("reasons", "difficulty") if name in told}
        return {**kept, "fallbacks": [model.id for model in self.decision.fallbacks]}

    def as_json(self) -> dict[str, Any]:
        model = self.decision.model
        difficulty = self.decision.difficulty
        return {
            "route": self.route,
            "model": model.id,
            "model_name": model.name,
            "reasons": [*self.decision.reasons, *self.verdict.reasons, *self.notes],
            "privacy": self.verdict.as_event(),
            **({"difficulty": round(difficulty.score, 3)} if difficulty else {}),
        }


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What was found; `seconds` is how long it took."""

    citations: tuple[Citation, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Delta:
    text: str


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens, and what they cost in `currency`. `warnings` are the scopes of budgets that are nearly used up."""

    input_tokens: int
    output_tokens: int
    cost: float = 0.0
    currency: str = "EUR"
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        told = {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": self.cost,
            "currency": self.currency,
        }
        return {**told, "budget_warnings": list(self.warnings)} if self.warnings else told


@dataclass(frozen=True, slots=True)
class Answered:
    """The end: which of the found passages the text cites, and whether it rests on any (None: none were asked for)."""

    citations: tuple[dict[str, Any], ...]
    grounded: bool | None


AnswerEvent = Routed | Retrieved | Delta | Used | Answered


@dataclass(frozen=True, slots=True)
class _Looked:
    """What is known of a turn before its route is chosen."""

    screen: Screen
    router: LLMRouter  # which knows the person's rights by now
    found: list[Citation]
    seconds: float  # that finding them took
    verdict: Verdict


@dataclass(slots=True)
class _Prepared:
    """A turn that may leave: who answers, from what, and what is put back into the answer."""

    decision: Decision
    request: ChatRequest
    found: list[Citation]
    seconds: float  # that finding them took
    restorer: Restorer | None
    routed: Routed


@dataclass(frozen=True, slots=True)
class AnswerService:
    """Passages → privacy verdict and route → prompt within the model's window → the model's own words → citations.

    The verdict is over everything that would leave, the passages included; only then is anything sent, or the first event
    told. Raises `gateway` errors (`ProviderError`, `NoPermittedModel`, `BudgetExceeded`), whose codes end the run.
    """

    router: LLMRouter
    retriever: Retriever
    keeper: Keeper
    accounting: Accounting = field(default_factory=Accounting)
    clock: Callable[[], float] = time.perf_counter

    async def answer(self, turn: Turn) -> AsyncGenerator[AnswerEvent, None]:
        """The events of one turn, in order. Closing the generator closes the provider's connection."""
        prepared = await self._prepare(turn)
        yield prepared.routed
        yield Retrieved(tuple(prepared.found), prepared.seconds)
        stream = self._write(turn, prepared)
        try:
            async for event in stream:
                yield event
        finally:
            await stream.aclose()

    def _look(self, turn: Turn, asked: Asked) -> _Looked:
        """Whatever is read of the database before the route is chosen, and the verdict over it: one thread, one connection."""
        screen = self.keeper.open(turn)
        begun = self.clock()
        found = self.retriever.retrieve(user=turn.user, query=turn.question, folders=turn.folders, top_k=PASSAGES)
        seconds = self.clock() - begun
        found = keep_numbers(turn.cited, found)
        router = replace(self.router, access=self.router.access.known())
        return _Looked(screen, router, found, seconds, screen.judge(asked, passages_of(found)))

    async def _route(self, turn: Turn, looked: _Looked) -> Decision:
        """Raises `PrivacyRefused`; a `NoPermittedModel` of a verdict that closed the way says so in its `reasons`."""
        verdict = looked.verdict
        try:
            return await looked.router.route(
                model=turn.model,
                localities=localities(verdict, unread=turn_is_unread(turn)),
                needs=Needs(turn.abilities, question=turn.question),
                policy=looked.screen.rules.routing,
            )
        except NoPermittedModel as error:
            if verdict.sensitive:
                await in_thread(self.keeper.refused, turn, verdict)
                reasons = [*verdict.reasons, *error.extra.get("reasons", [])]
                raise PrivacyRefused(str(error.detail), reasons=list(dict.fromkeys(reasons))) from error
            raise

    async def _prepare(self, turn: Turn) -> _Prepared:
        """The prompt, masked where it must be, after the verdict over all of it has been stored."""
        begun_text = (ChatMessage("assistant", turn.so_far),) if turn.so_far else ()
        asked = Asked(
            turn.question,
            (*turn.history, *begun_text),
            turn.instructions,
            files=turn.files,
            unread=bool(turn.images or turn.audio),
        )
        looked = await in_thread(self._look, turn, asked)
        screen, found, verdict = looked.screen, looked.found, looked.verdict
        decision = await self._route(turn, looked)
        if decision.model.provider == BUILTIN and (fewer := keep_numbers(turn.cited, strict(found))) != found:
            found = fewer
            verdict = await in_thread(screen.judge, asked, passages_of(found))
        passages = passages_of(found)
        prompt = build(
            instructions=turn.instructions,
            history=readable_by((decision.model, *decision.fallbacks), turn.history),
            asked=ChatMessage("user", turn.question, images=turn.images, audio=turn.audio, files=turn.files),
            passages=passages,
            window=decision.model.context_window - tokens.estimate(turn.so_far),
        )
        messages = prompt.messages
        if turn.so_far:
            messages = go_on(messages, turn.so_far, language.of_question(turn.question))
        masked = must_mask(verdict, decision)
        if masked:
            messages = await in_thread(screen.mask, messages)
        if leaves(decision) or verdict.outcome != screen.before:
            sent = as_sent(messages) if leaves(decision) else None
            await in_thread(self.keeper.keep, turn, verdict, screen.vault if masked else None, sent)
        return _Prepared(
            decision,
            ChatRequest(
                model=decision.model.id,
                messages=messages,
                passages=(*passages, *_quotable(turn)) if decision.model.provider == BUILTIN else passages,
                question=turn.question,
                so_far=turn.so_far,
            ),
            found,
            looked.seconds,
            screen.restorer() if masked else None,
            Routed(decision, verdict, masked, ("attachment_cut",) if prompt.cut else ()),
        )

    async def _write(self, turn: Turn, prepared: _Prepared) -> AsyncGenerator[AnswerEvent, None]:
        text = [turn.so_far]
        grounded: bool | None = None
        decision, restorer = prepared.decision, prepared.restorer
        meter = await self.accounting.open(
            prepared.request, decision.model, prepared.routed.route, caller_of(turn, run=turn.run), decision.fallbacks
        )
        meter.trace = prepared.routed.trace()
        stream = self.router.stream(prepared.request, decision)
        try:
            async for event in stream:
                meter.saw(event)
                match event:
                    case TextDelta():
                        if shown := restorer.feed(event.text) if restorer else event.text:
                            text.append(shown)
                            yield Delta(shown)
                    case Rerouted():
                        routed = prepared.routed.by(event)
                        meter.rerouted(event, routed.decision.model, routed.route)
                        yield routed
                    case Usage():
                        cost, currency = meter.cost()
                        yield Used(event.input_tokens, event.output_tokens, float(cost), currency, meter.warnings)
                    case Finish():
                        grounded = event.grounded
            if restorer and (shown := restorer.finish()):
                text.append(shown)
                yield Delta(shown)
        except AppError:
            meter.failed()  # Half a placeholder is nobody's text: an answer that goes on begins before it.
            raise
        finally:
            await stream.aclose()
            await meter.close()  # Stopped and broken-off answers are paid for, too.
        cited = cited_passages("".join(text), numbered(prepared.found))
        if prepared.found and grounded is None and (cited or not turn.has_attachments):
            grounded = bool(cited)
        yield Answered(tuple(cited), grounded)


def turn_is_unread(turn: Turn) -> bool:
    """Whether it carries what nobody here can look into: pictures and sounds."""
    return bool(turn.images or turn.audio or any(message.images for message in turn.history))


def _quotable(turn: Turn) -> Iterator[Passage]:
    """The attached files in pieces, for the model that only quotes: of this question, and of those before it."""
    left, number = MOST_QUOTABLE, 0
    for file in (*turn.files, *(file for message in reversed(turn.history) for file in message.files)):
        for start in range(0, min(len(file.text), left), PIECE):
            number -= 1
            yield Passage(number, file.text[start : start + PIECE], file.name)
        left = max(0, left - len(file.text))


def caller_of(turn: Turn, run: uuid.UUID | None) -> Caller:
    """Who pays for a call; one for a run is recorded once, whatever is repeated."""
    return Caller(
        user=turn.user.pk,
        groups=tuple(turn.user.group_keys),
        api_key=turn.api_key,
        assistant=turn.assistant,
        conversation=turn.conversation,
        run=run,
    )


def passages_of(found: Sequence[Citation]) -> tuple[Passage, ...]:
    return tuple(
        Passage(number=number, text=c.text, title=c.title, page=c.page, language=c.language) for number, c in enumerate(found, 1)
    )


def numbered(found: Sequence[Citation]) -> list[dict[str, Any]]:
    """The passages as every door tells them, each with the `number` that a text cites it by."""
    return [{"number": n, **citation.as_json()} for n, citation in enumerate(found, 1)]


def cited_passages(text: str, told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the `numbered` passages that `text` cites as `[n]`, in the order of their numbers."""
    numbers = {int(match) for match in CITED.findall(text)}
    return [citation for citation in told if citation["number"] in numbers]


def keep_numbers(cited: Sequence[dict[str, Any]], found: list[Citation]) -> list[Citation]:
    """The passages for an answer that goes on: what its text cites keeps its number, what was found fills the others.

    Where too little was found now, a number without a passage of its own repeats one that is cited.
    """
    if not cited:
        return found
    kept = {int(each["number"]): Citation.from_json(each) for each in cited}
    places = {(citation.document, citation.start) for citation in kept.values()}
    others = [citation for citation in found if (citation.document, citation.start) not in places]
    filled: list[Citation] = []
    for number in range(1, max(*kept, len(found)) + 1):
        if number in kept:
            filled.append(kept[number])
        elif others:
            filled.append(others.pop(0))
        elif number < max(kept):
            filled.append(kept[max(kept)])
    return filled
