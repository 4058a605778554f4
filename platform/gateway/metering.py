"""The meter of one call: reserves before it, counts while it streams, records and settles after it, however it ends."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.utils import timezone

from core import metrics
from core.ids import uuid7
from gateway import budgets, snapshots, tokens
from gateway.budgets import Call, Reservation
from gateway.models import UsageRecord
from gateway.types import ChatEvent, ChatRequest, Finish, ModelInfo, Rerouted, TextDelta, Usage
from isolation import context, in_thread

logger = logging.getLogger(__name__)

MILLION = Decimal(1_000_000)
USUAL_ANSWER = 1000  # tokens that are reserved for an answer of no stated length
SMALLEST = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose call it is. `run` makes its record one; without, every call is its own."""

    user: int
    groups: tuple[int, ...] = ()
    api_key: int | None = None
    assistant: int | None = None
    conversation: uuid.UUID | None = None
    run: uuid.UUID | None = None


@lru_cache(maxsize=4)
def _rates(text: str) -> dict[str, Decimal]:
    try:
        pairs = (word.split("=") for word in text.split(",") if word.strip())
        return {name.strip(): Decimal(rate.strip()) for name, rate in pairs}
    except (ValueError, ArithmeticError):
        raise ImproperlyConfigured("CLOISON_EXCHANGE_RATES looks like USD=0.87,GBP=1.14") from None


def cost_of(model: ModelInfo, input_tokens: int, output_tokens: int) -> Decimal:
    """In the installation's currency; a model without prices costs nothing."""
    own = (model.input_price or Decimal(0)) * input_tokens + (model.output_price or Decimal(0)) * output_tokens
    if not own:
        return Decimal(0)
    rate = Decimal(1)
    if model.currency != settings.CLOISON_CURRENCY:
        known = _rates(settings.CLOISON_EXCHANGE_RATES)
        if model.currency in known:
            rate = known[model.currency]
        else:
            logger.warning("no exchange rate: counted one to one", extra={"currency": model.currency})
    return (own * rate / MILLION).quantize(SMALLEST)


def estimate(request: ChatRequest) -> tuple[int, int]:
    """Tokens in and out that a request may take."""
    asked = sum(tokens.estimate(message.content) + tokens.PER_MESSAGE for message in request.messages)
    return asked, request.max_tokens or USUAL_ANSWER


@dataclass(slots=True)
class Meter:
    """`model` may be set anew when another one takes over; what is recorded is the last."""

    model: ModelInfo
    route: str
    caller: Caller
    reservation: Reservation
    asked: int
    clock: Callable[[], float] = time.perf_counter
    begun: float = 0.0
    first: float | None = None
    written: int = 0
    usage: Usage | None = None
    outcome: str = UsageRecord.Outcome.STOPPED
    closed: bool = False
    trace: dict[str, Any] = field(default_factory=dict)
    """Why this model: what the record keeps of the decision."""

    def rerouted(self, event: Rerouted, model: ModelInfo, route: str) -> None:
        """Another model answers from here on, and is paid for."""
        self.model, self.route = model, route
        self.trace.setdefault("rerouted", []).append({"from": event.origin, "to": event.to, "reason": event.reason})

    @property
    def warnings(self) -> tuple[str, ...]:
        """Scopes of the budgets that have passed their warning."""
        return self.reservation.warnings

    def saw(self, event: ChatEvent) -> None:
        match event:
            case TextDelta():
                if self.first is None:
                    self.first = self.clock()
                self.written += len(event.text)
            case Usage():
                self.usage = event
            case Finish():
                self.outcome = UsageRecord.Outcome.COMPLETED

    def failed(self) -> None:
        self.outcome = UsageRecord.Outcome.FAILED

    def counted(self) -> Usage:
        """What the provider said, or our count of what went over the wire. Before the first word nothing did."""
        if self.usage is not None:
            return self.usage
        if not self.written and self.outcome == UsageRecord.Outcome.FAILED:
            return Usage(0, 0, estimated=True)
        return Usage(self.asked, int(self.written / tokens.CHARACTERS_PER_TOKEN) + bool(self.written), estimated=True)

    def cost(self) -> tuple[Decimal, str]:
        counted = self.counted()
        return cost_of(self.model, counted.input_tokens, counted.output_tokens), settings.CLOISON_CURRENCY

    def record(self) -> UsageRecord:
        counted, now = self.counted(), self.clock()
        cost, currency = self.cost()
        return UsageRecord(
            call=self.reservation.call.id,
            user=self.caller.user,
            api_key=self.caller.api_key,
            assistant=self.caller.assistant,
            conversation=self.caller.conversation,
            run=self.caller.run,
            model=self.model.id[:250],
            provider=self.model.provider[:80],
            route=self.route[:15],
            input_tokens=counted.input_tokens,
            output_tokens=counted.output_tokens,
            estimated=counted.estimated,
            cost=cost,
            currency=currency,
            latency_ms=round((now - self.begun) * 1000),
            first_token_ms=None if self.first is None else round((self.first - self.begun) * 1000),
            outcome=self.outcome,
            trace=self.trace,
        )

    async def close(self) -> None:
        """Record and settle, once. Safe to repeat."""
        if self.closed:
            return
        self.closed = True
        record = self.record()
        try:
            made = await in_thread(budgets.settle, self.reservation, record=record)
        except DatabaseError:
            # The answer is the person's all the same; what was held frees itself.
            logger.exception("a call of a model could not be recorded", extra={"call": str(record.call)})
            return
        if made:
            _count(record)


async def record_lost(caller: Caller, *, model: str, route: str, asked: int, written: int, since: datetime) -> None:
    """Record and settle a call whose process died, as stopped: `asked` tokens, `written` characters. Once, as any call."""
    from gateway import catalogue

    assert caller.run
    offered = await in_thread(catalogue.available)
    known = next((row for row in (*offered, catalogue.BUILTIN_MODEL) if row.id == model), None)
    info = known or ModelInfo(model, model, model.partition("/")[0], "cloud", 0)
    call = Call(id=caller.run, user=caller.user, groups=caller.groups, api_key=caller.api_key)
    begun = time.perf_counter() - (timezone.now() - since).total_seconds()
    meter = Meter(info, route, caller, Reservation(call, snapshots.schemas()), asked, begun=begun, written=written)
    await meter.close()


def _count(record: UsageRecord) -> None:
    tenant, model = metrics.tenant_label(context.current().schema), metrics.model_label(record.model)
    metrics.LLM_REQUESTS.labels(tenant, model, record.outcome).inc()
    metrics.LLM_TOKENS.labels(tenant, model, "input").inc(record.input_tokens)
    metrics.LLM_TOKENS.labels(tenant, model, "output").inc(record.output_tokens)


@dataclass(frozen=True, slots=True)
class Accounting:
    """Opens meters."""

    clock: Callable[[], float] = field(default=time.perf_counter)

    async def open(
        self, request: ChatRequest, model: ModelInfo, route: str, caller: Caller, others: Sequence[ModelInfo] = ()
    ) -> Meter:
        """Reserve what the request may take, also with the dearest of the `others` that may take over.

        Raises `BudgetExceeded`, with nothing held.
        """
        asked, answer = estimate(request)
        call = Call(
            id=caller.run or uuid7(),
            user=caller.user,
            groups=caller.groups,
            api_key=caller.api_key,
            money=max(cost_of(each, asked, answer) for each in (model, *others)),
            tokens=asked + answer,
        )
        reservation = await in_thread(budgets.reserve, call) if budgets.may_bind(call) else Reservation(call)
        return Meter(model, route, caller, reservation, asked, self.clock, self.clock())
