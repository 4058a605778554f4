"""Usage as people look at it: sums by day, model, person or route, and its chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from django.conf import settings
from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import grants
from accounts.models import User
from accounts.permissions import Right, allows
from gateway import budgets
from gateway.charts import stacked_bars
from gateway.models import Budget, BudgetPeriod, UsageRecord

By = Literal["day", "model", "user", "route"]
COLUMNS = {"model": "model", "user": "user", "route": "route"}
MOST_ROWS = 400
OLDEST_SHORTEST = 31  # days that records are kept at the least; the database refuses to let them go earlier
ROUTES = {"local": "local", "pseudonymised": "masked", "cloud": "cloud"}  # route: its class in the chart


@dataclass(frozen=True, slots=True)
class Row:
    """Sums of one day, model, person or route."""

    key: str
    name: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: Decimal


def visible_to(user: User, *, mine: bool = False) -> QuerySet[UsageRecord]:
    """Everybody's own; all of the organisation's for those who may see its usage, unless they ask for `mine`."""
    records = UsageRecord.objects.all()
    return records if allows(user, Right.SEE_USAGE) and not mine else records.filter(user=user.pk)


def month_of(day: date) -> tuple[date, date]:
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _between(records: QuerySet[UsageRecord], since: date, until: date) -> QuerySet[UsageRecord]:
    begin = datetime(since.year, since.month, since.day, tzinfo=UTC)
    end = datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(days=1)
    return records.filter(created_at__gte=begin, created_at__lt=end).order_by()


def sums(user: User, *, by: By, since: date, until: date, mine: bool = False) -> list[Row]:
    """Days in their order, all else by cost. Both days count, in UTC."""
    records = _between(visible_to(user, mine=mine), since, until)
    key: Any = TruncDate("created_at") if by == "day" else F(COLUMNS[by])
    found = (
        records.annotate(key=key)
        .values("key")
        .annotate(n=Count("pk"), given=Sum("input_tokens"), got=Sum("output_tokens"), money=Sum("cost"))
        .order_by("key" if by == "day" else "-money", "key")[:MOST_ROWS]
    )
    rows = list(found)
    names = grants.named(f"user:{row['key']}" for row in rows) if by == "user" else {}
    result = []
    for row in rows:
        key_text, name = str(row["key"]), str(row["key"])
        if by == "user":
            person = names.get(f"user:{row['key']}")
            key_text, name = (str(person.id), person.name) if person else ("", _("somebody who has left"))
        result.append(Row(key_text, name, row["n"], row["given"], row["got"], row["money"]))
    return result


def total(rows: list[Row]) -> Row:
    return Row(
        "",
        "",
        sum(row.calls for row in rows),
        sum(row.input_tokens for row in rows),
        sum(row.output_tokens for row in rows),
        sum((row.cost for row in rows), Decimal(0)),
    )


def forget_old() -> int:
    """Delete records past `CLOISON_USAGE_DAYS`. Runs under `context.service`."""
    days = max(settings.CLOISON_USAGE_DAYS, OLDEST_SHORTEST)
    return UsageRecord.objects.filter(created_at__lt=timezone.now() - timedelta(days=days)).delete()[0]


def chart_context(user: User, *, mine: bool = True) -> dict[str, Any]:
    """What `gateway/_usage.html` shows: this month's answers by day and route, the sums, and the budgets that bind one."""
    today = timezone.now().astimezone(UTC).date()
    since, until = month_of(today)
    records = _between(visible_to(user, mine=mine), since, until)
    counts: dict[int, dict[str, int]] = {}
    legend = dict.fromkeys(ROUTES.values(), 0)
    calls, money = 0, Decimal(0)
    grouped = records.annotate(day=TruncDate("created_at")).values("day", "route").annotate(n=Count("pk"), money=Sum("cost"))
    for row in grouped.order_by("day", "route"):
        css = ROUTES.get(row["route"], "local")
        of_day = counts.setdefault(row["day"].day, {})
        of_day[css] = of_day.get(css, 0) + row["n"]
        legend[css] += row["n"]
        calls, money = calls + row["n"], money + row["money"]
    return {
        "chart": stacked_bars(counts, range(1, until.day + 1), tuple(ROUTES.values())),
        "legend": legend,
        "calls": calls,
        "cost": money.quantize(Decimal("0.01")),
        "currency": settings.CLOISON_CURRENCY,
        "month": date_format(today, "YEAR_MONTH_FORMAT"),
        "budgets": binding(user),
    }


def binding(user: User) -> list[dict[str, Any]]:
    """The budgets in force that bind the person (all of the organisation's for those who see its usage), with what is spent."""
    found = Budget.objects.filter(enabled=True)
    if not allows(user, Right.SEE_USAGE):
        found = found.filter(subject__in=["", *user.principals()])
    lines = list(found.order_by("pk")[:MOST_ROWS])
    running = {
        (period.budget_id, period.starts): period
        for period in BudgetPeriod.objects.filter(budget__in=lines, starts__gte=budgets.starts(Budget.Period.MONTH))
    }
    names = grants.named(line.subject for line in lines if line.scope in {"group", "user"})
    rows = []
    for line in lines:
        begun = budgets.starts(line.period)
        period = running.get((line.pk, begun)) or BudgetPeriod(budget=line, starts=begun)
        percent = budgets.share(line, Decimal(period.spent), period.spent_tokens)
        subject = names.get(line.subject)
        rows.append(
            {
                "budget": line,
                "name": subject.name if subject else line.get_scope_display(),
                "spent": Decimal(period.spent),
                "tokens": period.spent_tokens,
                "percent": min(100, round(percent)),
                "state": "danger" if percent >= 100 else "warn" if percent >= line.warn_percent else "ok",
                "renews": budgets.renews(line.period, begun),
            }
        )
    return rows
