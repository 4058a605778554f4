"""Which models this installation may use, from its environment.

`OPENAI_API_KEY` / `OPENAI_API_BASE` (+ `CLOISON_OPENAI_MODEL`, names by comma), `OLLAMA_API_BASE` (+ `CLOISON_OLLAMA_MODEL`),
`CLOISON_MODEL` (the default among them), `CLOISON_CONTEXT_WINDOW` (tokens), `CLOISON_OPENAI_LOCALITY` (local or cloud).
Where no name is given, the provider's own list is asked, once a minute at most.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from urllib.parse import urlsplit

from gateway.errors import NoPermittedModel, ProviderUnavailable
from gateway.types import Locality, ModelInfo, Provider

BUILTIN = "builtin"
OPENAI_BASE = "https://api.openai.com/v1"
REMEMBER = 60.0  # seconds that a provider's list of models is good for
PREFERRED = ("gpt-4.1-mini", "gpt-4o-mini")  # of OpenAI's own long list, which has no order
NOT_CHAT = ("embed", "whisper", "tts", "dall-e", "moderation", "rerank", "transcribe", "image", "audio", "realtime", "sora")
WINDOWS = {"ollama": 4096, "local": 8192, "cloud": 32768}  # tokens; Ollama cuts what is longer without a word


BUILTIN_MODEL = ModelInfo(BUILTIN, "Cloison demonstration model", BUILTIN, "local", 1_000_000)

_listed: dict[str, tuple[float, tuple[str, ...]]] = {}


def providers() -> tuple[Provider, ...]:
    """What is configured, the local one first."""
    environ = os.environ
    found = []
    if base := environ.get("OLLAMA_API_BASE", "").strip().rstrip("/"):
        base = base if base.endswith("/v1") else f"{base}/v1"
        names = _words(environ.get("CLOISON_OLLAMA_MODEL", ""))
        found.append(Provider("ollama", base, "", "cloud" if _public(base) else "local", names))
    base = environ.get("OPENAI_API_BASE", "").strip().rstrip("/")
    key = environ.get("OPENAI_API_KEY", "").strip()
    if base or key:
        base = base or OPENAI_BASE
        locality: Locality = "local" if _private(base) else "cloud"
        if (said := environ.get("CLOISON_OPENAI_LOCALITY", "")) in {"local", "cloud"}:
            locality = "local" if said == "local" else "cloud"
        found.append(Provider("openai", base, key, locality, _words(environ.get("CLOISON_OPENAI_MODEL", ""))))
    return tuple(found)


def info(provider: Provider, model: str) -> ModelInfo:
    # Ollama lends names such as `gpt-oss:120b-cloud` to models that run in its cloud, behind the local address.
    away = provider.name == "ollama" and model.endswith(("-cloud", ":cloud"))
    locality: Locality = "cloud" if away else provider.locality
    window = int(os.environ.get("CLOISON_CONTEXT_WINDOW") or WINDOWS.get(provider.name) or WINDOWS[locality])
    return ModelInfo(f"{provider.name}/{model}", model, provider.name, locality, window, country=provider.country)


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
    configured = providers()
    unknown = [p for p in configured if not p.models and not _remembered(p)]
    failures = [error for error in await asyncio.gather(*(_ask(p) for p in unknown)) if error]
    models = tuple(model for model in available() if not model.id.endswith("/default"))
    if not models:
        if any(p.name == "ollama" for p in configured):
            raise NoPermittedModel("The local model does not answer, and no other is configured.")
        raise failures[0] if failures else NoPermittedModel("The provider lists no model that can chat.")
    return models


def provider_of(model: ModelInfo) -> Provider:
    """Raises `NoPermittedModel` if its configuration has gone."""
    for provider in providers():
        if provider.name == model.provider:
            return provider
    raise NoPermittedModel("This model is no longer configured.")


def forget() -> None:
    """Ask all providers for their lists again."""
    _listed.clear()


async def _ask(provider: Provider) -> ProviderUnavailable | None:
    from gateway.clients.openai import OpenAIClient
    from gateway.errors import ProviderError

    try:
        names = await OpenAIClient(provider.base, provider.key).models()
    except ProviderError as error:
        return ProviderUnavailable(f"The list of models of {provider.name} cannot be read: {error}")
    usable = [name for name in names if not any(word in name.lower() for word in NOT_CHAT)]
    if provider.base == OPENAI_BASE:
        usable.sort(key=lambda name: (name not in PREFERRED, name))
    _listed[provider.base] = (time.monotonic() + REMEMBER, tuple(usable))
    return None


def _remembered(provider: Provider) -> tuple[str, ...]:
    until, names = _listed.get(provider.base, (0.0, ()))
    return names if time.monotonic() < until else ()


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
