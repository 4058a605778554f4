"""Which models a person may use: those that nobody kept for others."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from asgiref.sync import async_to_sync
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

import audit
from accounts.grants import Principal
from accounts.models import User
from accounts.permissions import Right, require
from core.errors import NotFound
from gateway import catalogue
from gateway.errors import NoPermittedModel, ProviderError
from gateway.models import ModelGrant
from gateway.types import ModelInfo
from isolation import context, in_thread


class NoSuchModel(NotFound):
    code: ClassVar[str] = "model_not_found"
    title: ClassVar[str | Promise] = _("There is no such model here.")


class ModelAccess(Protocol):
    """Asked by the router before a model is chosen."""

    async def usable(self, models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]: ...

    def known(self) -> ModelAccess:
        """The same, with all that it must read read now: for who is in a thread with a connection already."""
        ...


@dataclass(frozen=True, slots=True)
class GrantedModels:
    """The tenant's grants, for the person in whose context the task runs."""

    async def usable(self, models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
        return await in_thread(usable, models)

    def known(self) -> ModelAccess:
        return KnownGrants(context.principals(), _grants())


@dataclass(frozen=True, slots=True)
class KnownGrants:
    """Grants as they were read: model → who it is kept for."""

    mine: frozenset[str]
    grants: Mapping[str, Collection[str]]

    async def usable(self, models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
        return _of(self.mine, self.grants, models)

    def known(self) -> ModelAccess:
        return self


@dataclass(frozen=True, slots=True)
class EveryModel:
    """No tenant, no grants: for measurements and for tests of the wire."""

    async def usable(self, models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
        return tuple(models)

    def known(self) -> ModelAccess:
        return self


def usable(models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
    """Those of `models` that the person of the context in force may use, in the same order."""
    return _of(context.principals(), _grants(), models)


def _grants() -> Mapping[str, Collection[str]]:
    named: dict[str, set[str]] = defaultdict(set)
    for name, principal in ModelGrant.objects.order_by().values_list("model", "principal"):
        named[name].add(principal)
    return named


def _of(mine: frozenset[str], grants: Mapping[str, Collection[str]], models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
    return tuple(model for model in models if model.id not in grants or not mine.isdisjoint(grants[model.id]))


def keep_model_for(*, actor: User, model: str, principal: Principal) -> ModelGrant:
    """From now on only those named may use the model. Safe to repeat. Raises `NotAllowed` or `NoSuchModel`."""
    require(actor, Right.MANAGE_PLATFORM)
    if model != catalogue.BUILTIN and model not in _known():
        raise NoSuchModel(field="model")  # A slip of the pen would keep nothing for anybody.
    with transaction.atomic():
        row, made = ModelGrant.objects.get_or_create(model=model, principal=principal.text)
        if made:
            _record("grant.added", model, principal.public, principal.key)
    return row


def _known() -> set[str]:
    """The ids of all models here; a provider that does not answer has those that it was given by name or listed before."""
    try:
        return {model.id for model in async_to_sync(catalogue.load)()}
    except (ProviderError, NoPermittedModel):
        return {model.id for model in catalogue.available()}


def give_model_back(*, actor: User, grant: uuid.UUID) -> None:
    """Take a grant away; without any left the model is everybody's again. Raises `NotAllowed` or `NotFound`."""
    require(actor, Right.MANAGE_PLATFORM)
    with transaction.atomic():
        row = ModelGrant.objects.filter(public_id=grant).first()
        if row is None:
            raise NotFound
        row.delete()
        _record("grant.removed", row.model, row.principal, None)


def _record(action: str, model: str, principal: str, subject: int | None) -> None:
    audit.record(action, target=f"model:{model}", subject=subject, details={"principal": principal})
