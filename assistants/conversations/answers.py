"""How a turn is answered: an asynchronous generator of plain events that knows neither doors nor the database's rows."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from accounts.models import User
from core.errors import AppError
from documents.rag import Citation
from gateway.catalogue import BUILTIN
from gateway.metering import Accounting, Caller
from gateway.prompt import build_messages
from gateway.router import Decision, LLMRouter
from gateway.types import ChatMessage, ChatRequest, Finish, Passage, TextDelta, Usage
from isolation import in_thread

CITED = re.compile(r"\[(\d{1,3})\]")
PASSAGES = 6


class Retriever(Protocol):
    """What finds the passages for a question: `documents.rag.RAGService`, or a test's own."""

    def retrieve(
        self, *, user: User, query: str, folders: Sequence[uuid.UUID] | None, top_k: int, strict: bool
    ) -> list[Citation]: ...


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


@dataclass(frozen=True, slots=True)
class Routed:
    """Where the answer will be written, before its first word."""

    decision: Decision

    def as_json(self) -> dict[str, Any]:
        model = self.decision.model
        return {
            "route": self.decision.route,
            "model": model.id,
            "model_name": model.name,
            "reasons": list(self.decision.reasons),
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
class AnswerService:
    """Privacy verdict and route → passages → prompt within the model's window → the model's own words → citations.

    Raises `gateway` errors (`ProviderError`, `NoPermittedModel`, `BudgetExceeded`), whose codes end the run.
    """

    router: LLMRouter
    retriever: Retriever
    accounting: Accounting = field(default_factory=Accounting)
    clock: Callable[[], float] = time.perf_counter

    async def answer(self, turn: Turn) -> AsyncGenerator[AnswerEvent, None]:
        """The events of one turn, in order. Closing the generator closes the provider's connection."""
        decision = await self.router.route(model=turn.model)
        yield Routed(decision)
        begun = self.clock()
        found = await in_thread(
            self.retriever.retrieve,
            user=turn.user,
            query=turn.question,
            folders=turn.folders,
            top_k=PASSAGES,
            strict=decision.model.provider == BUILTIN,
        )
        yield Retrieved(tuple(found), self.clock() - begun)
        passages = tuple(
            Passage(number=number, text=c.text, title=c.title, page=c.page, language=c.language)
            for number, c in enumerate(found, 1)
        )
        request = ChatRequest(
            model=decision.model.id,
            messages=build_messages(
                instructions=turn.instructions,
                history=turn.history,
                question=turn.question,
                passages=passages,
                context_window=decision.model.context_window,
            ),
            passages=passages,
            question=turn.question,
        )
        text: list[str] = []
        grounded: bool | None = None
        meter = await self.accounting.open(request, decision.model, decision.route, _caller(turn))
        stream = self.router.stream(request, decision)
        try:
            async for event in stream:
                meter.saw(event)
                match event:
                    case TextDelta():
                        text.append(event.text)
                        yield Delta(event.text)
                    case Usage():
                        cost, currency = meter.cost()
                        yield Used(event.input_tokens, event.output_tokens, float(cost), currency, meter.warnings)
                    case Finish():
                        grounded = event.grounded
        except AppError:
            meter.failed()
            raise
        finally:
            await stream.aclose()
            await meter.close()  # Stopped and broken-off answers are paid for, too.
        cited = cited_passages("".join(text), found)
        if found and grounded is None:
            grounded = bool(cited)
        yield Answered(tuple(cited), grounded)


def _caller(turn: Turn) -> Caller:
    return Caller(
        user=turn.user.pk,
        groups=tuple(turn.user.group_keys),
        api_key=turn.api_key,
        assistant=turn.assistant,
        conversation=turn.conversation,
        run=turn.run,
    )


def cited_passages(text: str, found: Sequence[Citation]) -> list[dict[str, Any]]:
    """The passages that `text` cites as `[n]`, in the order of their numbers, each with its `number`."""
    numbers = sorted({int(match) for match in CITED.findall(text)})
    return [{"number": n, **found[n - 1].as_json()} for n in numbers if 1 <= n <= len(found)]
