"""Which models one may use: those of the environment's providers, of the installation's accounts, and of the organisation's.

In the environment: `OLLAMA_API_BASE` (+ `CLOISON_OLLAMA_MODEL`, names by comma), `OPENAI_API_KEY` / `OPENAI_API_BASE`
(+ `CLOISON_OPENAI_MODEL`), `ANTHROPIC_API_KEY` / `ANTHROPIC_API_BASE` (+ `CLOISON_ANTHROPIC_MODEL`), `CLOISON_MODEL` (the
default among them), `CLOISON_CONTEXT_WINDOW` (tokens), `CLOISON_OPENAI_LOCALITY` (local or cloud). Accounts stand in the
database (`gateway.snapshots`). Where no name is given, the provider's own list is asked, once a minute at most.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from gateway import discovery, health, prices, snapshots
from gateway.errors import NoPermittedModel, ProviderError, ProviderUnavailable
from gateway.types import Locality, ModelInfo, Provider, Wire

BUILTIN = "builtin"
OPENAI_BASE = "https://api.openai.com/v1"
ANTHROPIC_BASE = "https://api.anthropic.com"
OLLAMA_WIRE: Wire = "ollama"  # How an Ollama of the environment, or one found on this machine, is spoken to.
NAMES = (  # of the environment's variables that say which providers there are
    "OLLAMA_API_BASE",
    "CLOISON_OLLAMA_MODEL",
    "OPENAI_API_BASE",
    "OPENAI_API_KEY",
    "CLOISON_OPENAI_LOCALITY",
    "CLOISON_OPENAI_MODEL",
    "ANTHROPIC_API_BASE",
    "ANTHROPIC_API_KEY",
    "CLOISON_ANTHROPIC_MODEL",
)
RESERVED = frozenset({BUILTIN, "openai", "ollama", "anthropic"})  # names that no account may have
REMEMBER = 60.0  # seconds that a provider's list of models is good for
REMEMBER_FAILURE = 3.0
PREFERRED = ("gpt-4.1-mini", "gpt-4o-mini")  # of OpenAI's own long list, which has no order
VISION = ("llava", "-vl", "vl:", "vision", "gemma3", "minicpm-v", "pixtral", "moondream")  # in the names of models that see
DEAF = {"ollama", "anthropic", "builtin"}  # wires that have no way for a sound
NOT_CHAT = ("embed", "whisper", "tts", "dall-e", "moderation", "rerank", "transcribe", "image", "audio", "realtime", "sora")
WINDOWS = {"ollama": 4096, "local": 8192, "cloud": 32768}  # tokens; Ollama cuts what is longer without a word

Health = Literal["ok", "down", "unknown"]

BUILTIN_MODEL = ModelInfo(
    BUILTIN,
    "Cloison demonstration model",
    BUILTIN,
    "local",
    1_000_000,
    input_price=Decimal(0),
    output_price=Decimal(0),
)


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a provider answered when it was last asked. `error` where it did not."""

    until: float
    names: tuple[str, ...] = ()
    error: ProviderUnavailable | None = None


_listed: dict[tuple[str, str], _Listed] = {}


def ollama_base(address: str) -> str:
    """An Ollama's address in the spelling of `OLLAMA_WIRE`."""
    bare = address.rstrip("/").removesuffix("/v1")
    return bare if OLLAMA_WIRE == "ollama" else f"{bare}/v1"


def providers() -> tuple[Provider, ...]:
    """What is configured here, the local ones first."""
    accounts = [provider for snapshot in snapshots.current() for provider in snapshot.providers]
    environment = _environment(tuple(os.environ.get(name, "").strip() for name in NAMES))
    return tuple(sorted([*environment, *accounts], key=lambda provider: provider.locality != "local"))


@lru_cache(maxsize=8)
def _environment(values: tuple[str, ...]) -> tuple[Provider, ...]:
    """The providers that these values of `NAMES` say."""
    environ = dict(zip(NAMES, values, strict=True))
    found = []
    if base := environ["OLLAMA_API_BASE"].rstrip("/"):
        base = ollama_base(base)
        names = _words(environ["CLOISON_OLLAMA_MODEL"])
        found.append(Provider("ollama", base, "", "cloud" if _public(base) else "local", names, OLLAMA_WIRE))
    base = environ["OPENAI_API_BASE"].rstrip("/")
    key = environ["OPENAI_API_KEY"]
    if base or key:
        base = base or OPENAI_BASE
        locality: Locality = "local" if _private(base) else "cloud"
        if (said := environ["CLOISON_OPENAI_LOCALITY"]) in {"local", "cloud"}:
            locality = "local" if said == "local" else "cloud"
        found.append(Provider("openai", base, key, locality, _words(environ["CLOISON_OPENAI_MODEL"])))
    base = environ["ANTHROPIC_API_BASE"].rstrip("/")
    if key := environ["ANTHROPIC_API_KEY"]:
        base = base or ANTHROPIC_BASE
        names = _words(environ["CLOISON_ANTHROPIC_MODEL"])
        found.append(Provider("anthropic", base, key, "local" if _private(base) else "cloud", names, "anthropic"))
    return tuple(found)


def _row(provider: Provider, model: str) -> snapshots.Row | None:
    for snapshot in snapshots.current():
        if row := snapshot.rows.get((provider.name, model)):
            return row
    return None


def info(provider: Provider, model: str) -> ModelInfo:
    """The catalogue's row wins over what is known of well-known models, and that over a guess."""
    row, known = _row(provider, model), prices.known(model)
    # Ollama lends names such as `gpt-oss:120b-cloud` to models that run in its cloud, behind the local address.
    away = provider.name == "ollama" and model.endswith(("-cloud", ":cloud"))
    away = away or (provider.wire == "ollama" and model.endswith(("-cloud", ":cloud")))
    locality: Locality = "cloud" if away else provider.locality
    if row and row.locality and not away:
        locality = "local" if row.locality == "local" else "cloud"
    window = int(os.environ.get("CLOISON_CONTEXT_WINDOW") or 0) or (row.context_window if row else None)
    if window is None and known and locality == "cloud":
        window = known.context_window
    window = window or WINDOWS.get(provider.wire if provider.wire == "ollama" else provider.name) or WINDOWS[locality]
    charge: tuple[Decimal | None, Decimal | None, str] = (None, None, "EUR")
    if row and (row.input_price is not None or row.output_price is not None):
        charge = (row.input_price, row.output_price, row.currency)
    elif locality == "local":
        charge = (Decimal(0), Decimal(0), "EUR")
    elif known:
        charge = (known.input_price, known.output_price, prices.CURRENCY)
    guessed = frozenset({"images"} if any(mark in model.lower() for mark in VISION) else ())
    abilities = (row.abilities if row else None) or (known.abilities if known else guessed)
    if provider.wire in DEAF:
        abilities -= {"audio"}
    return ModelInfo(
        f"{provider.name}/{model}",
        model,
        provider.name,
        locality,
        window,
        country=(row.country if row else "") or provider.country,
        abilities=abilities | {"text"},
        input_price=charge[0],
        output_price=charge[1],
        currency=charge[2],
    )


def title_of(model: ModelInfo) -> str:
    """What people read: the catalogue's own words, or the provider's name for it."""
    for snapshot in snapshots.current():
        if (row := snapshot.rows.get((model.provider, model.name))) and row.title:
            return row.title
    return model.name


def healths(models: Sequence[ModelInfo]) -> dict[str, Health]:
    """By model's id: whether its provider's circuit is open, or else what it answered when it was last asked for its list."""
    named = {provider.name: provider for provider in providers()}
    keys = {model.id: health.key_of(named[model.provider]) for model in models if model.provider in named}
    shut = health.common().shut_now(tuple(set(keys.values())))
    return {model.id: "down" if keys.get(model.id) in shut else _listed_as(model, named) for model in models}


def _listed_as(model: ModelInfo, named: Mapping[str, Provider]) -> Health:
    if model.provider == BUILTIN:
        return "ok"
    provider = named.get(model.provider)
    known = _listed.get((provider.base, provider.key)) if provider else None
    return "unknown" if known is None else "down" if known.error else "ok"


def available() -> tuple[ModelInfo, ...]:
    """The models known without asking anyone; the built-in one only where nothing else is configured, or it is the default.

    A provider whose list has never been asked counts with the placeholder `<provider>/default`.
    """
    configured = providers()
    if not configured:
        return (BUILTIN_MODEL,)
    named = (BUILTIN_MODEL,) if os.environ.get("CLOISON_MODEL") == BUILTIN else ()
    return named + tuple(info(p, name) for p in configured for name in (p.models or _remembered(p) or ("default",)))


async def load() -> tuple[ModelInfo, ...]:
    """As `available`, but providers without configured names are asked for theirs. One that is down contributes nothing.

    Raises `ProviderUnavailable` or `NoPermittedModel` if that leaves no model.
    """
    await snapshots.refresh()
    configured = providers()
    unknown = [p for p in configured if not p.models and not _remembered(p)]
    failures = [error for error in await asyncio.gather(*(_ask(p) for p in unknown)) if error]
    models = tuple(model for model in available() if not model.id.endswith("/default"))
    if not models:
        if any(p.name == "ollama" for p in configured):
            raise NoPermittedModel(_("The local model does not answer, and no other is configured."))
        raise failures[0] if failures else NoPermittedModel(_("The provider lists no model that can chat."))
    return models


def provider_of(model: ModelInfo) -> Provider:
    """Raises `NoPermittedModel` if its configuration has gone."""
    for provider in providers():
        if provider.name == model.provider:
            return provider
    raise NoPermittedModel(_("This model is no longer configured."))


def forget() -> None:
    """Ask all providers for their lists again, and the database for its accounts."""
    _listed.clear()
    snapshots.forget()


async def _ask(provider: Provider) -> ProviderUnavailable | None:
    place = (provider.base, provider.key)
    known = _listed.get(place)
    if known and known.error and time.monotonic() < known.until:
        return known.error
    try:
        names = await discovery.listed(provider)
    except ProviderError as error:
        failure = ProviderUnavailable(
            format_lazy(_("The list of models of {provider} cannot be read: {why}"), provider=provider.name, why=error.detail)
        )
        _listed[place] = _Listed(time.monotonic() + REMEMBER_FAILURE, error=failure)
        return failure
    _listed[place] = _Listed(time.monotonic() + REMEMBER, usable(provider, names))
    return None


def usable(provider: Provider, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a provider's names that can chat, the preferred ones first."""
    found = [name for name in names if not any(word in name.lower() for word in NOT_CHAT)]
    if provider.base == OPENAI_BASE:
        found.sort(key=lambda name: (name not in PREFERRED, name))
    return tuple(found)


def _remembered(provider: Provider) -> tuple[str, ...]:
    known = _listed.get((provider.base, provider.key))
    return known.names if known and time.monotonic() < known.until else ()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _address(base: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(urlsplit(base).hostname or "")
    except ValueError:
        return None


def _private(base: str) -> bool:
    """Whether what is sent there stays in the house. A name says nothing, so only `localhost` is believed."""
    if (address := _address(base)) is not None:
        return address.is_loopback or address.is_private
    host = urlsplit(base).hostname or ""
    return host == "localhost" or host.endswith(".localhost")


def _public(base: str) -> bool:
    """Whether an Ollama is surely elsewhere. Names such as `ollama` in a compose file are the house's own."""
    if (address := _address(base)) is not None:
        return not (address.is_loopback or address.is_private)
    host = urlsplit(base).hostname or ""
    return host == "ollama.com" or host.endswith(".ollama.com")
