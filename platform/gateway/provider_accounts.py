"""Connecting providers: the installation's accounts by its operator, an organisation's own by its administrator.

Every function works on the current schema's accounts. A key goes in and is not given out again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

import audit
from accounts.models import User
from accounts.permissions import Right, require
from core import outgoing, sealing
from core.errors import AppError, Conflict
from gateway import catalogue, discovery, prices, secrets, snapshots
from gateway.errors import ProviderError
from gateway.models import CatalogueModel, Interface, Place, ProviderAccount, ProviderSecret
from gateway.types import Provider
from isolation import context
from isolation.context import PUBLIC

LONGEST_KEY = 4000  # characters


class NameTaken(Conflict):
    code: ClassVar[str] = "provider_name_taken"
    title = _("There is a provider of this name already, or the name is one of our own.")


class KeyNotValid(AppError):
    code: ClassVar[str] = "key_not_valid"
    title = _("A key is one line of printable characters.")


class KeyNeeded(AppError):
    code: ClassVar[str] = "key_needed"
    title = _("The address has changed: enter the key again, so that it goes nowhere by mistake.")


def right_here() -> Right:
    """Who may connect providers in the current schema."""
    return Right.OPERATE if context.current().schema == PUBLIC else Right.MANAGE_PLATFORM


def _may_be_local(account: ProviderAccount) -> bool:
    return bool(account.local_network or settings.CLOISON_ALLOW_LOCAL_PROVIDERS)


@sensitive_variables("key")  # Reports of errors show variables.
def save_account(*, actor: User, account: ProviderAccount, key: str | None = None) -> ProviderAccount:
    """Store a new or changed account. `key` None leaves the stored one, "" removes it.

    A key stays with the address that it was entered for: a changed host asks for it again.
    Raises `NotAllowed`, `AddressNotAllowed`, `NameTaken`, `KeyNotValid` or `KeyNeeded`.
    """
    require(actor, right_here())
    schema = context.current().schema
    if schema != PUBLIC:
        account.local_network = False
    account.base = outgoing.check(account.base.strip().rstrip("/"), allow_private=_may_be_local(account))
    account.name = account.name.strip()
    account.slug = slugify(account.name)[:60]
    taken = account.slug in catalogue.RESERVED or account.slug.startswith(snapshots.OWN) or not account.slug
    if taken or ProviderAccount.objects.filter(slug=account.slug).exclude(pk=account.pk).exists():
        raise NameTaken(field="name")
    before = ProviderAccount.objects.filter(pk=account.pk).first() if account.pk else None
    if before and before.key_hint and key is None and _origin(before.base) != _origin(account.base):
        raise KeyNeeded(field="key")
    if key:
        key = key.strip()
        if not key.isascii() or not key.isprintable() or len(key) > LONGEST_KEY or " " in key:
            raise KeyNotValid(field="key")
    if key is not None:
        account.key_hint = secrets.masked(key)
    try:
        with transaction.atomic():
            account.save()
            if key is not None:
                _keep(schema, account, key)
            _record("provider.changed" if before else "provider.added", account, key_changed=key is not None)
            snapshots.changed()
    except IntegrityError:
        raise NameTaken(field="name") from None
    return account


def _origin(base: str) -> str:
    return "/".join(base.split("/", 3)[:3]).lower()


@sensitive_variables("key")
def _keep(schema: str, account: ProviderAccount, key: str) -> None:
    with context.use(context.service(schema)):
        if not key:
            ProviderSecret.objects.filter(account=account.pk).delete()
            return
        sealed = sealing.seal(key, about=secrets.place(schema, account.pk))
        ProviderSecret.objects.update_or_create(account_id=account.pk, defaults={"sealed": sealed})


def remove_account(*, actor: User, account: ProviderAccount) -> None:
    """The account, its key and its models. Raises `NotAllowed`."""
    require(actor, right_here())
    schema = context.current().schema
    with transaction.atomic():
        with context.use(context.service(schema)):
            ProviderSecret.objects.filter(account=account.pk).delete()
        account.delete()
        _record("provider.removed", account)
        snapshots.changed()


def models_changed(*, actor: User, account: ProviderAccount) -> None:
    """Rows of the account's models were written. Raises `NotAllowed`."""
    require(actor, right_here())
    with transaction.atomic():
        _record("provider.models_changed", account)
        snapshots.changed()


def _record(action: str, account: ProviderAccount, **facts: bool) -> None:
    audit.record(action, target=f"provider:{account.public_id}", details={"name": account.name, **facts})


def opened(account: ProviderAccount) -> Provider:
    """The account as the clients need it, its key open. Raises `CannotUnseal`."""
    schema = context.current().schema
    with context.use(context.service(schema)):
        sealed = ProviderSecret.objects.filter(account=account.pk).values_list("sealed", flat=True).first()
    return snapshots.provider_of(schema, account, sealed or "")


@dataclass(frozen=True, slots=True)
class Tested:
    """What a provider answered: its models that can chat, or what went wrong. `milliseconds` to the whole list."""

    name: str
    milliseconds: int
    models: tuple[str, ...] = ()
    error: str = ""
    code: str = ""

    @property
    def works(self) -> bool:
        return not self.code


async def ask(provider: Provider) -> Tested:
    """Ask one provider for its list, past what is remembered. Raises nothing that a provider does."""
    began = time.perf_counter()
    try:
        names = await discovery.listed(provider)
    except ProviderError as error:
        return Tested(provider.name, _since(began), error=str(error.detail), code=error.code)
    return Tested(provider.name, _since(began), catalogue.usable(provider, names))


async def ask_all(found: Sequence[Provider]) -> list[Tested]:
    return list(await asyncio.gather(*(ask(provider) for provider in found)))


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


def add_models(*, actor: User, account: ProviderAccount, names: Sequence[str]) -> int:
    """Rows for models that have none yet, with what is known of them; how many. Raises `NotAllowed`."""
    require(actor, right_here())
    there = set(account.models.values_list("name", flat=True))
    rows = []
    for name in names:
        if name in there or len(name) > 150:
            continue
        known = prices.known(name) if account.locality == Place.CLOUD else None
        rows.append(
            CatalogueModel(
                account=account,
                name=name,
                context_window=known.context_window if known else None,
                abilities=sorted(known.abilities) if known else [],
                input_price=known.input_price if known else None,
                output_price=known.output_price if known else None,
                currency=prices.CURRENCY if known else "EUR",
            )
        )
    with transaction.atomic():
        CatalogueModel.objects.bulk_create(rows)
        models_changed(actor=actor, account=account)
    return len(rows)


def connect_local(*, actor: User, server: discovery.LocalServer) -> ProviderAccount:
    """A model server found on this machine becomes an account of the installation's. Safe to repeat. Raises `NotAllowed`."""
    require(actor, Right.OPERATE)
    ollama = server.name == "Ollama"
    base = catalogue.ollama_base(server.address) if ollama else server.address
    if known := ProviderAccount.objects.filter(base=base).first():
        return known
    name = "Local Ollama" if ollama else "Local llama.cpp"
    wire = catalogue.OLLAMA_WIRE if ollama else Interface.OPENAI
    account = ProviderAccount(name=name, wire=wire, base=base, locality=Place.LOCAL, local_network=True)
    return save_account(actor=actor, account=account)


def rotate() -> tuple[int, int]:
    """Seal every key of the current schema again under the ring's first key: how many were, and how many cannot be read.

    Runs under `context.service`. Safe to repeat, and to stop in the middle.
    """
    schema = context.current().schema
    done = lost = 0
    for pk in ProviderSecret.objects.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            row = ProviderSecret.objects.select_for_update().filter(pk=pk).first()
            if row is None:
                continue
            try:
                fresh = sealing.sealed_anew(row.sealed, about=secrets.place(schema, row.pk))
            except sealing.CannotUnseal:
                lost += 1
                continue
            if fresh is None:
                continue
            row.sealed = fresh
            row.save(update_fields=["sealed", "changed_at"])
            done += 1
    return done, lost
