"""What the database says about providers, models and budgets, kept in each process for a few seconds.

A version in Redis says whether it is still so: while it is, a warm turn asks the database nothing. Keys are opened here
and stay in this process' memory; nothing of them goes into Redis.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal

from django.core.cache import cache
from django.db import connection, connections, transaction
from redis.exceptions import RedisError

from core import sealing
from gateway import budgets, secrets
from gateway.budgets import Line
from gateway.models import Budget, CatalogueModel, ProviderAccount, ProviderSecret
from gateway.types import Locality, Provider, Wire
from isolation import context, in_thread
from isolation.context import PUBLIC

logger = logging.getLogger(__name__)

FRESH = 3.0  # seconds that a snapshot is believed without asking Redis
MOST = 2000  # tenants whose snapshots this process holds
KEY = "gateway:catalogue"
OWN = "own-"  # begins the names of an organisation's providers: never those of the installation's


@dataclass(frozen=True, slots=True)
class Row:
    """What the catalogue says of one model; empty and None where it says nothing."""

    title: str
    locality: str
    country: str
    context_window: int | None
    abilities: frozenset[str]
    input_price: Decimal | None
    output_price: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One schema's accounts. `version` is Redis' at the time of reading; "" where Redis did not answer."""

    providers: tuple[Provider, ...] = ()
    rows: Mapping[tuple[str, str], Row] = field(default_factory=dict)
    budgets: tuple[Line, ...] = ()
    version: str = ""
    until: float = 0.0


EMPTY = Snapshot()
_kept: dict[str, Snapshot] = {}
_aside = ThreadPoolExecutor(1, thread_name_prefix="catalogue")


def schemas() -> tuple[str, ...]:
    """Whose accounts count here: the installation's, then the organisation's. None without a context."""
    here = context.get()
    if here is None:
        return ()
    return (PUBLIC,) if here.schema == PUBLIC else (PUBLIC, here.schema)


def current() -> tuple[Snapshot, ...]:
    """One for each of `schemas()`; read now where that is stale, unless an event loop runs in this thread."""
    if _stale() and not _on_a_loop():
        _read()
    return tuple(_kept.get(schema, EMPTY) for schema in schemas())


def at_hand() -> tuple[Snapshot, ...] | None:
    """As `current`, but reads nothing: None where one of them is missing or no longer believed."""
    found = tuple(_kept.get(schema, EMPTY) for schema in schemas())
    now = time.monotonic()
    return None if any(snapshot.until < now for snapshot in found) else found


async def refresh() -> None:
    """For asynchronous code, before it calls `current`."""
    if _stale():
        await in_thread(_read)


def changed() -> None:
    """Call after a change in the current schema: other processes see it within `FRESH` seconds, this one at once."""
    schema = context.current().schema

    def tell() -> None:
        _kept.pop(schema, None)
        with context.use(context.person(schema, 0)):
            try:
                cache.set(KEY, uuid.uuid4().hex, None)
            except RedisError:
                logger.warning("Redis does not know of a change of the catalogue")

    transaction.on_commit(tell)


def forget() -> None:
    _kept.clear()


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _stale() -> bool:
    now = time.monotonic()
    return any(_kept.get(schema, EMPTY).until < now for schema in schemas())


def _read() -> None:
    here = context.current()
    for schema in schemas():
        known = _kept.get(schema, EMPTY)
        if known.until >= time.monotonic():
            continue
        version = _version(schema)
        until = time.monotonic() + FRESH
        if version and version == known.version:
            found = replace(known, until=until)
        elif connection.in_atomic_block and schema != here.schema:
            # A transaction cannot change its schema: another connection reads this one.
            found = _aside.submit(_closing, lambda schema=schema: _rows(schema)).result()  # type: ignore[misc]
        else:
            found = _rows(schema)
        if len(_kept) >= MOST:
            _kept.clear()
        _kept[schema] = replace(found, version=version, until=until)


def _closing(read: Callable[[], Snapshot]) -> Snapshot:
    try:
        return read()
    finally:
        connections.close_all()


def _version(schema: str) -> str:
    with context.use(context.person(schema, 0)):
        try:
            version: str | None = cache.get(KEY)
            if version is None:
                cache.add(KEY, uuid.uuid4().hex, None)
                version = cache.get(KEY)
        except RedisError:
            return ""
    return version or ""


def _rows(schema: str) -> Snapshot:
    with context.use(context.service(schema)):
        accounts = list(ProviderAccount.objects.filter(enabled=True))
        lines = budgets.lines_of(Budget.objects.filter(enabled=True))
        if not accounts:
            return Snapshot(budgets=lines)
        sealed = dict(ProviderSecret.objects.values_list("account", "sealed"))
        models: dict[int, list[CatalogueModel]] = {}
        for model in CatalogueModel.objects.filter(account__in=accounts):
            models.setdefault(model.account_id, []).append(model)
    providers, rows = [], {}
    for account in accounts:
        mine = models.get(account.pk, [])
        used = tuple(model.name for model in mine if model.enabled)
        provider = _provider(schema, account, sealed.get(account.pk, ""), used)
        if provider is None or (mine and not used):
            continue
        providers.append(provider)
        rows.update({(provider.name, model.name): _row(model) for model in mine})
    return Snapshot(tuple(providers), rows, lines)


def name_of(schema: str, account: ProviderAccount) -> str:
    """The first part of its models' ids."""
    return account.slug if schema == PUBLIC else f"{OWN}{account.slug}"


def provider_of(schema: str, account: ProviderAccount, sealed: str, models: tuple[str, ...] = ()) -> Provider:
    """The account with its key open. Raises `CannotUnseal`."""
    from django.conf import settings

    key = sealing.unseal(sealed, about=secrets.place(schema, account.pk)) if sealed else ""
    locality: Locality = "local" if account.locality == "local" else "cloud"
    wire: Wire = account.wire  # type: ignore[assignment]
    private = account.local_network or settings.CLOISON_ALLOW_LOCAL_PROVIDERS
    return Provider(
        name_of(schema, account), account.base, key, locality, models, wire, account.pk, account.country, local_network=private
    )


def _provider(schema: str, account: ProviderAccount, sealed: str, models: tuple[str, ...]) -> Provider | None:
    try:
        return provider_of(schema, account, sealed, models)
    except sealing.CannotUnseal:
        logger.warning("a provider's key cannot be read", extra={"account": str(account.public_id)})
        return None


def _row(model: CatalogueModel) -> Row:
    return Row(
        model.title,
        model.locality,
        model.country,
        model.context_window,
        frozenset(model.abilities),
        model.input_price,
        model.output_price,
        model.currency,
    )
