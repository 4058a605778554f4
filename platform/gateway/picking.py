"""What a person chooses a model from: where each is, what it costs, and why one cannot be chosen now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.ids import uuid7
from gateway import access, budgets, catalogue
from gateway.budgets import Call
from gateway.catalogue import Health
from gateway.types import ModelInfo

# By the price of a million tokens of answers, up to which a class goes, in whatever currency.
CLASSES: tuple[tuple[Decimal, str], ...] = ((Decimal(0), "free"), (Decimal(2), "low"), (Decimal(10), "middle"))
DEAREST = "high"
PRICES: dict[str, str | Promise] = {
    "free": _("no cost"),
    "low": _("inexpensive"),
    "middle": _("moderately priced"),
    DEAREST: _("expensive"),
    "": _("price unknown"),
}
PLACES: dict[str, str | Promise] = {"local": _("local"), "cloud": _("cloud")}
REASONS: dict[str, str | Promise] = {
    "down": _("down at the moment"),
    "budget": _("budget used up"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A model to be chosen. `why` it cannot be: one of `REASONS`, or ""."""

    model: ModelInfo
    price: str
    why: str

    @property
    def always(self) -> str:
        """What is to be said of it beside its name, whatever the moment."""
        return f"{PLACES[self.model.locality]}, {PRICES[self.price]}"

    @property
    def note(self) -> str:
        """All that is to be said of it beside its name."""
        return f"{self.always}, {REASONS[self.why]}" if self.why else self.always


def choices(user: User) -> tuple[Choice, ...]:
    """The models of the person in whose context this runs. One query, and those of `unavailable`."""
    models = access.usable(catalogue.available())
    whys = unavailable(user, models, catalogue.healths(models))
    return tuple(Choice(model, price_class(model), whys[model.id]) for model in models)


def unavailable(user: User, models: Sequence[ModelInfo], healths: Mapping[str, Health]) -> dict[str, str]:
    """By id, why the person cannot choose a model now: one of `REASONS`, or "". The queries are those of `budgets.used_up`."""
    spent = budgets.used_up(Call(id=uuid7(), user=user.pk, groups=tuple(user.group_keys)))

    def why(model: ModelInfo) -> str:
        if healths[model.id] == "down":
            return "down"
        return "budget" if "tokens" in spent or ("money" in spent and price_class(model) != "free") else ""

    return {model.id: why(model) for model in models}


def price_class(model: ModelInfo) -> str:
    """One of `PRICES`; "" where nobody has said."""
    prices = [price for price in (model.input_price, model.output_price) if price is not None]
    if not prices:
        return ""
    dearest = max(prices)
    return next((name for most, name in CLASSES if dearest <= most), DEAREST)
