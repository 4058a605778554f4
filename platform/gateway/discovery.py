"""Which models a provider lists, and whether a model server runs on this machine (asked only when an operator looks)."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core import outgoing
from gateway.errors import ProviderInvalid, ProviderRejected, ProviderUnavailable
from gateway.types import Provider

PATIENCE = 0.5  # seconds for each
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d{1,9})\r\n", re.IGNORECASE)
MOST = 256 * 1024  # bytes read of an answer
MOST_LISTED = 4 * 1024 * 1024  # bytes of a provider's list
MOST_MODELS = 2000
ANTHROPIC_VERSION = "2023-06-01"


@dataclass(frozen=True, slots=True)
class LocalServer:
    """`setting` is the line of environment that connects it."""

    name: str
    address: str
    setting: str
    models: tuple[str, ...]


async def local_servers(*, ollama: int = 11434, llamacpp: int = 8080) -> tuple[LocalServer, ...]:
    """Who answers on this machine at the usual ports; at most half a second."""
    tags, models = await asyncio.gather(_get(ollama, "/api/tags"), _get(llamacpp, "/v1/models"))
    found = []
    if isinstance(tags.get("models"), list):
        address = f"http://127.0.0.1:{ollama}"
        found.append(LocalServer("Ollama", address, f"OLLAMA_API_BASE={address}", _names(tags["models"], "name")))
    rows = models.get("data")
    # Port 8080 is anyone's: only what calls itself llama.cpp is taken for it.
    if isinstance(rows, list) and any(isinstance(row, dict) and row.get("owned_by") == "llamacpp" for row in rows):
        address = f"http://127.0.0.1:{llamacpp}/v1"
        found.append(LocalServer("llama.cpp", address, f"OPENAI_API_BASE={address}", _names(rows, "id")))
    return tuple(found)


async def listed(provider: Provider) -> tuple[str, ...]:
    """The names of a provider's models, in its own order. Raises `ProviderError`, and says nothing of the key.

    Its errors are remembered (`gateway.catalogue`), and put into words for whoever meets them: their details are lazy.
    """
    base, headers, rows_of, name_of = provider.base, {"Accept": "application/json"}, "data", "id"
    match provider.wire:
        case "ollama":
            url, rows_of, name_of = f"{base}/api/tags", "models", "name"
        case "anthropic":
            url = f"{base}/v1/models?limit=1000"
            headers |= {"x-api-key": provider.key, "anthropic-version": ANTHROPIC_VERSION}
        case _:
            url = f"{base}/models"
    if provider.key and provider.wire != "anthropic":
        headers["Authorization"] = f"Bearer {provider.key}"
    try:
        answer = await outgoing.fetch(url, headers=headers, allow_private=provider.local_network, most=MOST_LISTED)
        if answer.status in {401, 403}:
            raise ProviderRejected(_("The model's provider refused our key."))
        if answer.status != 200:
            raise ProviderUnavailable(
                format_lazy(_("The provider's list of models answers with status {status}."), status=answer.status)
            )
        names = tuple(str(row[name_of]) for row in json.loads(answer.body)[rows_of])
    except outgoing.Unreachable as error:
        raise ProviderUnavailable(
            format_lazy(_("Nobody answers at the model's address ({why})."), why=type(error.__cause__).__name__)
        ) from error
    except outgoing.AddressNotAllowed as error:
        raise ProviderRejected(error.detail, reason=error.code) from error
    except (ValueError, KeyError, TypeError, RecursionError, outgoing.BodyTooLarge) as error:
        raise ProviderInvalid(_("The provider's list of models cannot be read.")) from error
    return names[:MOST_MODELS]


def _names(rows: list[Any], key: str) -> tuple[str, ...]:
    return tuple(str(row[key]) for row in rows if isinstance(row, dict) and key in row)


async def _get(port: int, path: str) -> dict[str, Any]:
    """The JSON object there, or an empty one. HTTP/1.0 by hand: loading an HTTP library for this would be dear."""
    writer = None
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            body = await reader.readexactly(min(int(length[1]), MOST)) if length else await reader.read(MOST)
        value = json.loads(body) if b" 200 " in head.split(b"\r\n", 1)[0] + b" " else {}
    except (OSError, EOFError, ValueError, TimeoutError, RecursionError, asyncio.LimitOverrunError):
        return {}
    finally:
        if writer is not None:
            writer.close()
    return value if isinstance(value, dict) else {}
