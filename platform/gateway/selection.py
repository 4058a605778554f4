"""How the router chooses among the models that it may ask: what they can do, what they cost, how fast and how able they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from core.errors import AppError
from gateway import difficulty
from gateway.difficulty import Difficulty
from gateway.errors import BudgetExceeded, ContextTooLong, NoPermittedModel
from gateway.types import Budget, Estimate, Locality, ModelInfo, Needs, RoutingPolicy

MILLION = 1_000_000
USUAL_ANSWER = 1024  # tokens that an answer is taken to have where nobody says
UNKNOWN = Decimal(MILLION)  # the price of a cloud model that nobody told


class Sieve:
    """Keeps the models that a turn may use, and remembers in `reasons` what the others lacked."""

    def __init__(self, budget: Budget, localities: frozenset[Locality] | None, needs: Needs) -> None:
        self._budget = budget
        self._localities = localities
        self._needs = needs
        self.reasons: list[str] = []

    async def keep(self, models: Sequence[ModelInfo], *, note: bool = True) -> tuple[ModelInfo, ...]:
        """Those of `models` that may answer, in the same order. With `note`, raises what excludes the last of them."""
        kept = tuple(models)
        steps: tuple[tuple[str, Callable[[ModelInfo], bool], AppError], ...] = (
            ("filtered_privacy", self._private, NoPermittedModel(_("No permitted model may see this question."))),
            ("filtered_ability", self._able, unable(self._needs)),
            ("filtered_window", self._fits, ContextTooLong(_("The conversation is too long for the models here."))),
        )
        for code, test, error in steps:
            kept = self._narrowed(kept, tuple(filter(test, kept)), code, error if note else None)
        paid = [model for model in kept if await self._budget.allows(model, estimate(model, self._needs))]
        return self._narrowed(kept, tuple(paid), "filtered_budget", BudgetExceeded() if note else None)

    def _narrowed(
        self, before: tuple[ModelInfo, ...], after: tuple[ModelInfo, ...], code: str, error: AppError | None
    ) -> tuple[ModelInfo, ...]:
        if error is not None and len(after) < len(before):
            if not after:
                raise error
            self.reasons.append(code)
        return after

    def _private(self, model: ModelInfo) -> bool:
        return self._localities is None or model.locality in self._localities

    def _able(self, model: ModelInfo) -> bool:
        return self._needs.abilities <= model.abilities

    def _fits(self, model: ModelInfo) -> bool:
        return self._needs.input_tokens + self._needs.output_tokens <= model.context_window


def unable(needs: Needs) -> NoPermittedModel:
    """That no model can do what a turn needs, with the codes that say what."""
    missing = [f"needs_{ability}" for ability in sorted(needs.abilities & {"images", "audio"})]
    return NoPermittedModel(_("No permitted model can do what this question needs."), reasons=["filtered_ability", *missing])


def estimate(model: ModelInfo, needs: Needs) -> Estimate:
    """What the turn will cost with this model, about."""
    answer = needs.output_tokens or USUAL_ANSWER
    cost = None
    if model.input_price is not None and model.output_price is not None:
        cost = (needs.input_tokens * model.input_price + answer * model.output_price) / MILLION
    return Estimate(needs.input_tokens, answer, cost, model.currency)


def listed(policy: RoutingPolicy, models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
    """The models that a policy chooses from, in its order. Raises `NoPermittedModel`."""
    if not policy.models:
        return tuple(models)
    ids = (*policy.models, *policy.fallbacks) if policy.choose == "pinned" else policy.models
    if not (found := pick(ids, models)):
        raise NoPermittedModel(_("None of the models of the organisation's policy may be used."))
    return found


def pick(ids: Sequence[str], models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
    """The models with these ids or names, in the order of the ids."""
    known = {model.name: model for model in reversed(models)} | {model.id: model for model in models}
    return tuple(dict.fromkeys(known[name] for name in ids if name in known))


def choose(
    policy: RoutingPolicy, models: Sequence[ModelInfo], needs: Needs, latency: Callable[[str], float | None]
) -> tuple[tuple[ModelInfo, ...], tuple[str, ...], Difficulty | None]:
    """`models` with the chosen one first, the codes that say how it was chosen, and the question's difficulty if that counted."""
    match policy.choose:
        case "cheapest":
            return tuple(sorted(models, key=lambda model: _price(model, needs))), ("cheapest",), None
        case "fastest":
            # What was never asked counts as fast: it is asked once, and then known.
            return tuple(sorted(models, key=lambda model: latency(model.id) or 0.0)), ("fastest",), None
        case "auto":
            return _by_difficulty(policy, models, needs)
        case _:
            return tuple(models), ("pinned",), None


def _by_difficulty(
    policy: RoutingPolicy, models: Sequence[ModelInfo], needs: Needs
) -> tuple[tuple[ModelInfo, ...], tuple[str, ...], Difficulty]:
    """From the most modest to the ablest: as the policy lists them, else by price."""
    ranked = list(models) if policy.models else sorted(models, key=lambda model: _price(model, needs))
    found = difficulty.estimate(needs.question)
    edge = min(max(policy.threshold, 0.01), 0.99)
    # The threshold lies in the middle of the ranks, whatever its figure.
    level = found.score / edge / 2 if found.score < edge else 0.5 + (found.score - edge) / (1 - edge) / 2
    rank = min(len(ranked) - 1, int(level * len(ranked)))
    # Who takes over should be at least as able; the more modest ones come last.
    order = [*ranked[rank:], *reversed(ranked[:rank])]
    return tuple(order), ("auto_hard" if found.score >= edge else "auto_easy",), found


def _price(model: ModelInfo, needs: Needs) -> Decimal:
    cost = estimate(model, needs).cost
    if cost is not None:
        return cost
    return Decimal(0) if model.locality == "local" else UNKNOWN
