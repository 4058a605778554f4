"""Budgets: reserved from before a call, settled after it. Levels in a fixed order: platform, organisation, group, person, key.

The rows of all periods that a call touches are locked in one order, so two calls never wait for each other in a ring,
and what is checked is what is changed. The platform's stand in another schema: reserved first, given back if the rest
refuses.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.db.models import F, Q, Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

import audit
from accounts.models import User
from accounts.permissions import Right, require
from core.errors import AppError, Conflict
from gateway.errors import BudgetExceeded
from gateway.models import Budget, BudgetHold, BudgetPeriod, UsageRecord
from isolation import context
from isolation.context import PUBLIC

LEASE = timedelta(minutes=10)  # longer than any call lasts
LEAST = Decimal("0.000001")  # money that is less than any call with a price takes
ORDER = {scope: number for number, scope in enumerate(Budget.Scope.values)}


class BudgetExists(Conflict):
    code: ClassVar[str] = "budget_exists"
    title = _("There is such a budget already: change that one.")


class NoLimit(AppError):
    code: ClassVar[str] = "budget_without_limit"
    title = _("A budget limits money, tokens, or both.")


@dataclass(frozen=True, slots=True)
class Line:
    """A budget in force, as `gateway.snapshots` keeps it."""

    pk: int
    public_id: uuid.UUID
    scope: str
    subject: str
    period: str
    money_limit: Decimal | None
    token_limit: int | None
    warn_percent: int


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, and the most that it may take. `id` makes reservation and settlement one."""

    id: uuid.UUID
    user: int
    groups: tuple[int, ...] = ()
    api_key: int | None = None
    money: Decimal = Decimal(0)
    tokens: int = 0

    @property
    def subjects(self) -> frozenset[str]:
        own = {f"user:{self.user}", *(f"group:{key}" for key in self.groups)}
        return frozenset(own | {f"key:{self.api_key}"} if self.api_key else own)


@dataclass(frozen=True, slots=True)
class Reservation:
    """`schemas` hold something for the call. `warnings` are the scopes that have passed their warning."""

    call: Call
    schemas: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def starts(period: str, today: date | None = None) -> date:
    day = today or datetime.now(UTC).date()
    return day if period == Budget.Period.DAY else day.replace(day=1)


def renews(period: str, begun: date) -> datetime:
    day = begun + timedelta(days=1) if period == Budget.Period.DAY else (begun.replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def lines_of(budgets: Iterable[Budget]) -> tuple[Line, ...]:
    found = [Line(b.pk, b.public_id, b.scope, b.subject, b.period, b.money_limit, b.token_limit, b.warn_percent) for b in budgets]
    return tuple(sorted(found, key=lambda line: (ORDER[line.scope], line.pk)))


def applicable(lines: Iterable[Line], schema: str, call: Call, tenant: str) -> tuple[Line, ...]:
    """Those of one schema's budgets that bind the call of a person of `tenant`."""
    if schema == PUBLIC:
        return tuple(line for line in lines if line.scope == "platform" or line.subject == tenant)
    subjects = call.subjects
    return tuple(line for line in lines if line.scope == "tenant" or line.subject in subjects)


def may_bind(call: Call) -> bool:
    """Whether a budget may have a say in the call: not where fresh snapshots hold none that does. Asks nobody."""
    from gateway import snapshots

    known = snapshots.at_hand()
    if known is None:
        return True
    tenant = context.current().schema
    return any(applicable(one.budgets, schema, call, tenant) for schema, one in zip(snapshots.schemas(), known, strict=True))


def reserve(call: Call) -> Reservation:
    """Hold the call's estimate on every level. Raises `BudgetExceeded`, and then holds nothing.

    Costs no query where no budget binds the call. Not inside a transaction.
    """
    from gateway import snapshots

    tenant = context.current().schema
    held: list[str] = []
    warnings: list[str] = []
    for schema, snapshot in zip(snapshots.schemas(), snapshots.current(), strict=True):
        lines = applicable(snapshot.budgets, schema, call, tenant)
        if not lines:
            continue
        try:
            with context.use(context.service(schema)):
                warnings += _hold(lines, call)
        except BudgetExceeded:
            release(Reservation(call, tuple(held)))
            raise
        held.append(schema)
    return Reservation(call, tuple(held), tuple(warnings))


def release(reservation: Reservation) -> None:
    """Give back what the call held, spending nothing. Safe to repeat."""
    for schema in reservation.schemas:
        with context.use(context.service(schema)):
            _settle(reservation.call, (), Decimal(0), 0)


def settle(reservation: Reservation, *, record: UsageRecord) -> bool:
    """Write the call's record, charge every level and give the rest back. False where the call was recorded before.

    Ledger and record are one transaction in the organisation's schema; the platform's level follows.
    """
    from gateway import snapshots

    tenant, call = context.current().schema, reservation.call
    tokens = record.input_tokens + record.output_tokens
    found = dict(zip(snapshots.schemas(), snapshots.current(), strict=True))
    own = applicable(found[tenant].budgets, tenant, call, tenant)
    bound = bool(own) or tenant in reservation.schemas
    with context.use(context.service(tenant)):
        try:
            with transaction.atomic() if bound else nullcontext():
                UsageRecord.objects.create(call=record.call, **_fields(record))
                if bound:
                    _settle(call, own, record.cost, tokens)
        except IntegrityError:  # Perhaps it was recorded before: asked only now, since nearly every call is new.
            if not UsageRecord.objects.filter(call=record.call).exists():
                raise
            return False
    lines = applicable(found[PUBLIC].budgets, PUBLIC, call, tenant)
    if lines or PUBLIC in reservation.schemas:
        with context.use(context.service(PUBLIC)):
            _settle(call, lines, record.cost, tokens)
    return True


def used_up(call: Call) -> frozenset[str]:
    """Which limits leave nothing for a call of this person: `money`, `tokens`. What the call itself would take is not asked.

    Costs no query where no budget binds the person, or else one for each schema that has some.
    """
    from gateway import snapshots

    tenant = context.current().schema
    found: set[str] = set()
    for schema, snapshot in zip(snapshots.schemas(), snapshots.current(), strict=True):
        lines = applicable(snapshot.budgets, schema, call, tenant)
        if not lines:
            continue
        wanted = Q()
        for line in lines:
            wanted |= Q(budget=line.pk, starts=starts(line.period))
        with context.use(context.service(schema)):
            begun = {period.budget_id: period for period in BudgetPeriod.objects.filter(wanted)}
        for line in lines:
            period = begun.get(line.pk) or BudgetPeriod()
            found |= {_over(line, period, replace(call, money=LEAST, tokens=0)), _over(line, period, replace(call, tokens=1))}
    return frozenset(found - {""})


def _fields(record: UsageRecord) -> dict[str, Any]:
    names = [field.attname for field in UsageRecord._meta.concrete_fields if field.attname not in {"id", "call", "created_at"}]
    return {name: getattr(record, name) for name in names}


def _periods(lines: Sequence[Line]) -> list[BudgetPeriod]:
    """The running periods of `lines`, locked in the order of their keys; made where this is the first call."""
    wanted = Q()
    for line in lines:
        wanted |= Q(budget=line.pk, starts=starts(line.period))
    found = list(BudgetPeriod.objects.select_for_update().filter(wanted).order_by("pk"))
    if len(found) < len(lines):
        there = {period.budget_id for period in found}
        BudgetPeriod.objects.bulk_create([_begun(line) for line in lines if line.pk not in there], ignore_conflicts=True)
        found = list(BudgetPeriod.objects.select_for_update().filter(wanted).order_by("pk"))
    return found


def _begun(line: Line) -> BudgetPeriod:
    """A period at its first call. What was spent in it before the budget was made counts, where this schema knows it."""
    begun = starts(line.period)
    period = BudgetPeriod(budget_id=line.pk, starts=begun)
    if context.current().schema == PUBLIC:
        return period
    records = UsageRecord.objects.filter(created_at__gte=datetime(begun.year, begun.month, begun.day, tzinfo=UTC))
    kind, _colon, key = line.subject.partition(":")
    if kind == "user":
        records = records.filter(user=int(key))
    elif kind == "key":
        records = records.filter(api_key=int(key))
    elif kind == "group":
        with context.use(context.auth(context.current().schema)):
            members = list(User.objects.filter(group_keys__contains=[int(key)]).values_list("pk", flat=True))
        records = records.filter(user__in=members)
    sums = records.order_by().aggregate(cost=Sum("cost"), tokens=Sum(F("input_tokens") + F("output_tokens")))
    period.spent, period.spent_tokens = sums["cost"] or Decimal(0), sums["tokens"] or 0
    return period


@transaction.atomic
def _hold(lines: Sequence[Line], call: Call) -> list[str]:
    by_key = {line.pk: line for line in lines}
    periods = _periods(lines)
    if BudgetHold.objects.filter(call=call.id, period__in=periods).exists():
        return []  # Reserved before.
    if any(_over(by_key[period.budget_id], period, call) for period in periods):
        _release_expired(periods)
        periods = _periods(lines)
    for period in sorted(periods, key=lambda period: ORDER[by_key[period.budget_id].scope]):
        if limit := _over(by_key[period.budget_id], period, call):
            raise _exceeded(by_key[period.budget_id], period, limit)
    keys = [period.pk for period in periods]
    BudgetPeriod.objects.filter(pk__in=keys).update(
        reserved=F("reserved") + call.money, reserved_tokens=F("reserved_tokens") + call.tokens
    )
    until = timezone.now() + LEASE
    BudgetHold.objects.bulk_create(
        [BudgetHold(call=call.id, period_id=key, money=call.money, tokens=call.tokens, expires_at=until) for key in keys]
    )
    return [by_key[period.budget_id].scope for period in periods if _warned(by_key[period.budget_id], period)]


def _over(line: Line, period: BudgetPeriod, call: Call) -> str:
    """Which of the two limits the call would pass, or "". What costs nothing passes a limit in money."""
    spent, tokens = period.spent + period.reserved, period.spent_tokens + period.reserved_tokens
    if line.money_limit is not None and call.money and spent + call.money > line.money_limit:
        return "money"
    if line.token_limit is not None and tokens + call.tokens > line.token_limit:
        return "tokens"
    return ""


def _warned(line: Line, period: BudgetPeriod) -> bool:
    return share(line, period.spent, period.spent_tokens) >= line.warn_percent


def share(line: Line | Budget, spent: Decimal, tokens: int) -> float:
    """How many percent of the nearer limit are spent."""
    parts = [0.0]
    if line.money_limit is not None:
        parts.append(float(spent / line.money_limit) * 100 if line.money_limit else 100.0)
    if line.token_limit is not None:
        parts.append(tokens / line.token_limit * 100 if line.token_limit else 100.0)
    return max(parts)


def _exceeded(line: Line, period: BudgetPeriod, limit: str) -> BudgetExceeded:
    again = renews(line.period, period.starts)
    wait = max(1, int((again - timezone.now()).total_seconds()))
    told = _("The budget for %(scope)s is used up. It renews on %(day)s.") % {
        "scope": Budget.Scope(line.scope).label,
        "day": date_format(again, "DATE_FORMAT"),
    }
    return BudgetExceeded(
        told,
        budget=str(line.public_id),
        scope=line.scope,
        period=line.period,
        limit=limit,
        renews_at=again.isoformat(),
        retry_after=wait,
    )


@transaction.atomic
def _settle(call: Call, lines: Sequence[Line], cost: Decimal, tokens: int) -> None:
    """Charge the periods that hold something for the call, and those of `lines` that do not; let the holds go."""
    holds = list(BudgetHold.objects.filter(call=call.id).select_related("period"))
    if not holds and not lines:
        return
    charged = {hold.period.budget_id for hold in holds}
    missing = [line for line in lines if line.pk not in charged] if cost or tokens else []
    # Periods are locked before holds, as everywhere. A period begun now has counted this very record already.
    keys = {hold.period_id for hold in holds}
    if missing:
        wanted = Q()
        for line in missing:
            wanted |= Q(budget=line.pk, starts=starts(line.period))
        keys |= set(BudgetPeriod.objects.filter(wanted).values_list("pk", flat=True))
    list(BudgetPeriod.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))
    holds = list(BudgetHold.objects.select_for_update().filter(call=call.id).order_by("pk"))
    if not holds and lines == ():
        return
    BudgetPeriod.objects.filter(pk__in=keys).update(spent=F("spent") + cost, spent_tokens=F("spent_tokens") + tokens)
    for hold in holds:
        if not hold.released:
            BudgetPeriod.objects.filter(pk=hold.period_id).update(
                reserved=F("reserved") - hold.money, reserved_tokens=F("reserved_tokens") - hold.tokens
            )
    BudgetHold.objects.filter(pk__in=[hold.pk for hold in holds]).delete()


def _release_expired(periods: Sequence[BudgetPeriod]) -> int:
    """Runs with the periods locked. The holds stay, released, so that a late settlement still charges the right period."""
    released = 0
    expired = BudgetHold.objects.select_for_update().filter(period__in=periods, released=False, expires_at__lt=timezone.now())
    for hold in expired:
        BudgetPeriod.objects.filter(pk=hold.period_id).update(
            reserved=F("reserved") - hold.money, reserved_tokens=F("reserved_tokens") - hold.tokens
        )
        released += 1
    BudgetHold.objects.filter(pk__in=[hold.pk for hold in expired]).update(released=True)
    return released


def release_expired() -> int:
    """For the clock: free what calls that never came back hold in this schema; how many. Runs under `context.service`."""
    lost = BudgetHold.objects.filter(released=False, expires_at__lt=timezone.now())
    with transaction.atomic():
        keys = list(lost.values_list("period_id", flat=True).distinct())
        periods = list(BudgetPeriod.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
        released = _release_expired(periods)
        BudgetHold.objects.filter(released=True, expires_at__lt=timezone.now() - timedelta(days=1)).delete()
    return released


@dataclass(frozen=True, slots=True)
class Limits:
    """What can be changed of a budget. None leaves a limit out."""

    money_limit: Decimal | None
    token_limit: int | None
    warn_percent: int = 80
    enabled: bool = True


def set_budget(*, actor: User, scope: str, subject: str, period: str, limits: Limits) -> Budget:
    """A new budget. Raises `NotAllowed`, `BudgetExists` or `NoLimit`."""
    budget = Budget(scope=scope, subject=subject, period=period)
    return change_budget(actor=actor, budget=budget, limits=limits)


def change_budget(*, actor: User, budget: Budget, limits: Limits) -> Budget:
    """Raises `NotAllowed`, `BudgetExists` or `NoLimit`."""
    from gateway import snapshots

    _require(actor)
    if limits.money_limit is None and limits.token_limit is None:
        raise NoLimit
    action = "budget.changed" if budget.pk else "budget.added"
    budget.money_limit, budget.token_limit = limits.money_limit, limits.token_limit
    budget.warn_percent, budget.enabled = limits.warn_percent, limits.enabled
    try:
        with transaction.atomic():
            budget.save()
            audit.record(action, target=f"budget:{budget.public_id}", details=_facts(budget))
            snapshots.changed()
    except IntegrityError:
        raise BudgetExists from None
    return budget


def remove_budget(*, actor: User, budget: Budget) -> None:
    """The budget and its ledger; records of usage stay. Raises `NotAllowed`."""
    from gateway import snapshots

    _require(actor)
    with transaction.atomic():
        with context.use(context.service(context.current().schema)):
            BudgetHold.objects.filter(period__budget=budget.pk).delete()
            BudgetPeriod.objects.filter(budget=budget.pk).delete()
        budget.delete()
        audit.record("budget.removed", target=f"budget:{budget.public_id}", details=_facts(budget))
        snapshots.changed()


def _require(actor: User) -> None:
    require(actor, Right.OPERATE if context.current().schema == PUBLIC else Right.MANAGE_PLATFORM)


def _facts(budget: Budget) -> dict[str, str | int | bool | None]:
    money = None if budget.money_limit is None else f"{budget.money_limit:f}"
    return {
        "scope": budget.scope,
        "period": budget.period,
        "money": money,
        "tokens": budget.token_limit,
        "enabled": budget.enabled,
    }
