"""An organisation's rules for its models: what is too personal to leave, and how a model is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, get_args

from django.db import transaction
from django.utils.translation import gettext_lazy as _

import audit
from accounts.models import User
from accounts.permissions import Right, require
from core.errors import AppError
from gateway.models import ModelRules
from gateway.privacy import PrivacyPolicy
from gateway.types import Choice, RoutingPolicy

MOST_MODELS = 100
LONGEST_HEDGE = 30  # seconds: after that the first one has failed anyway
LONGEST = 250  # characters of a model's id


class InvalidRoutingPolicy(AppError):
    code: ClassVar[str] = "invalid_routing_policy"
    title = _("The routing policy is not valid")


@dataclass(frozen=True, slots=True)
class Rules:
    """`routing` is None where the organisation left the choice to the installation's environment."""

    privacy: PrivacyPolicy
    routing: RoutingPolicy | None


def routing_from_json(data: object) -> RoutingPolicy | None:
    """None for an empty object. Raises `InvalidRoutingPolicy`, whose `field` says where."""
    if not isinstance(data, Mapping):
        raise InvalidRoutingPolicy(_("A routing policy is an object."), field="")
    if not data:
        return None
    default = asdict(RoutingPolicy())
    for name in data:
        if name not in default:
            raise InvalidRoutingPolicy(_("Unknown member: %(name)s") % {"name": str(name)[:60]}, field=str(name)[:60])
    given: dict[str, Any] = {**default, **data}
    if given["choose"] not in get_args(Choice):
        raise InvalidRoutingPolicy(
            _("A way of choosing is one of %(ways)s.") % {"ways": ", ".join(get_args(Choice))}, field="choose"
        )
    for name in ("models", "fallbacks"):
        ids = given[name]
        if not isinstance(ids, list | tuple) or len(ids) > MOST_MODELS or not all(_is_id(each) for each in ids):
            raise InvalidRoutingPolicy(
                _("A list of at most %(most)d ids of models is wanted.") % {"most": MOST_MODELS}, field=name
            )
        given[name] = tuple(ids)
    for name in ("continues", "builtin"):
        if not isinstance(given[name], bool):
            raise InvalidRoutingPolicy(_("true or false is wanted."), field=name)
    threshold = given["threshold"]
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise InvalidRoutingPolicy(_("A number from 0 to 1 is wanted."), field="threshold")
    hedge = given["hedge_after"]
    if isinstance(hedge, bool) or not isinstance(hedge, int | float) or not (hedge == 0 or 0.1 <= hedge <= LONGEST_HEDGE):
        raise InvalidRoutingPolicy(
            _("0, or seconds from 0.1 to %(most)d, are wanted.") % {"most": LONGEST_HEDGE}, field="hedge_after"
        )
    return RoutingPolicy(**given)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST


def current() -> Rules:
    """The current tenant's. One query."""
    row = ModelRules.objects.get()
    return Rules(PrivacyPolicy.from_json(row.privacy), routing_from_json(row.routing))


def save(*, actor: User, privacy: object, routing: object) -> Rules:
    """Raises `NotAllowed`, `InvalidPrivacyPolicy`, `InvalidPattern` or `InvalidRoutingPolicy`; nothing is changed then."""
    require(actor, Right.SET_POLICY)
    rules = Rules(PrivacyPolicy.from_json(privacy), routing_from_json(routing))
    with transaction.atomic():
        row = ModelRules.objects.select_for_update().get()
        row.privacy = rules.privacy.to_json()
        row.routing = asdict(rules.routing) if rules.routing else {}
        row.save()
        audit.record(
            "policy.models_changed",
            details={
                "outcome": rules.privacy.outcome,
                "threshold": str(rules.privacy.threshold),
                "choose": rules.routing.choose if rules.routing else "",
            },
        )
    return rules
