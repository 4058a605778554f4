"""How answers are rated: counts by reason, model, assistant and day. No conversation, comment or person is looked at for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import Right, require
from assistants.conversations.models import Feedback
from assistants.conversations.sql import feedback_counts
from assistants.profiles.models import Assistant
from gateway.charts import stacked_bars

DAYS = 30
USUAL = timedelta(days=DAYS - 1)  # from the first to the last
MOST_DAYS = 366
MOST_ROWS = 400  # of one part; the rest are the rarest


@dataclass(slots=True)
class Count:
    """Ratings of one reason, model, assistant or day; `key` is empty where there is none."""

    key: str
    name: str
    up: int = 0
    down: int = 0


@dataclass(frozen=True, slots=True)
class Ratings:
    """Both days are included, in UTC. The rows of each part but `days` with the most ratings first."""

    since: date
    until: date
    up: int
    down: int
    days: list[Count]
    reasons: list[Count]
    models: list[Count]
    assistants: list[Count]


def last_days(days: int = DAYS) -> tuple[date, date]:
    today = timezone.now().astimezone(UTC).date()
    return today - timedelta(days=days - 1), today


def ratings(user: User, *, since: date, until: date) -> Ratings:
    """Of answers that were written here. Raises `NotAllowed`, and `ValueError` for more than `MOST_DAYS` days."""
    require(user, Right.SEE_FEEDBACK)
    if not 0 <= (until - since).days < MOST_DAYS:
        raise ValueError("a year at most")
    begin = datetime(since.year, since.month, since.day, tzinfo=UTC)
    end = datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(days=1)
    parts: dict[str, dict[str, Count]] = {"day": {}, "reason": {}, "model": {}, "assistant": {}}
    for part, key, rating, answers in feedback_counts(begin, end):
        row = parts[part].setdefault(key, Count(key, key))
        setattr(row, rating, answers)
    reasons: dict[str, str | Promise] = dict(Feedback.Reason.choices)
    keys = [key for key in parts["assistant"] if key]
    assistants = {str(key): name for key, name in Assistant.objects.filter(public_id__in=keys).values_list("public_id", "name")}
    days = list(parts["day"].values())
    return Ratings(
        since,
        until,
        sum(row.up for row in days),
        sum(row.down for row in days),
        sorted(days, key=lambda row: row.key),
        _named(parts["reason"].values(), {"": _("No reason"), **reasons}),
        _named(parts["model"].values(), {"": _("No model")}),
        _named(
            parts["assistant"].values(),
            {"": _("No assistant"), **dict.fromkeys(keys, _("An assistant that is gone")), **assistants},
        ),
    )


def _named(rows: Iterable[Count], names: Mapping[str, str | Promise]) -> list[Count]:
    found = sorted(rows, key=lambda row: (-row.up - row.down, row.key))[:MOST_ROWS]
    for row in found:
        row.name = str(names.get(row.key, row.key))
    return found


def page(user: User, *, days: int = DAYS) -> dict[str, Any]:
    """What the console shows: the chart of the days, and a table for each part. Raises `NotAllowed`."""
    since, until = last_days(days)
    found = ratings(user, since=since, until=until)
    first = since.toordinal() - 1
    counts = {date.fromisoformat(row.key).toordinal() - first: {"up": row.up, "down": row.down} for row in found.days}
    labels = [date_format(since + timedelta(days=number), "j") for number in range(days)]
    return {
        "ratings": found,
        "days": days,
        "chart": stacked_bars(counts, labels, ("up", "down")),
        "parts": [
            (_("By reason"), _("Reason"), found.reasons),
            (_("By model"), _("Model"), found.models),
            (_("By assistant"), _("Assistant"), found.assistants),
        ],
    }
