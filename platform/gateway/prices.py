"""What well-known models cost and can do, where no row of the catalogue says otherwise.

From the table that the installed litellm brings along, as old as that release; of litellm nothing but this file is read. Models
that it does not have may stand in `OURS`. Prices are US dollars for a million tokens; a provider may have changed them since,
so a row of the catalogue wins.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

CURRENCY = "USD"
MILLION = 1_000_000
PACKAGE = "litellm"
FILE = "model_prices_and_context_window_backup.json"
CHAT = {"chat", "responses", "completion"}
ABILITIES = {
    "supports_vision": "images",
    "supports_audio_input": "audio",
    "supports_function_calling": "tools",
    "supports_reasoning": "thinking",
    "supports_response_schema": "structured",
}
# Makers whose own service calls a model by its bare name, which the table has behind the maker's.
MAKERS = {
    "mistral": ("mistral-", "ministral-", "magistral-", "codestral-", "devstral-", "pixtral-", "open-mi"),
    "gemini": ("gemini-",),
    "xai": ("grok-",),
}
VERSION = re.compile(r"[-@](?:latest|\d{4}-\d{2}-\d{2}|\d{8}|\d{4})$")


@dataclass(frozen=True, slots=True)
class Known:
    """`context_window` is in tokens, None where nobody said."""

    input_price: Decimal
    output_price: Decimal
    context_window: int | None
    abilities: frozenset[str]


def _known(input_price: str, output_price: str, window: int, *abilities: str) -> Known:
    return Known(Decimal(input_price), Decimal(output_price), window, frozenset({"text", *abilities}))


# As published in November 2025; by name without its version.
OURS: dict[str, Known] = {
    "claude-opus-4": _known("15", "75", 200_000, "images", "tools", "thinking"),
    "claude-opus-4-1": _known("15", "75", 200_000, "images", "tools", "thinking"),
    "claude-sonnet-4": _known("3", "15", 200_000, "images", "tools", "thinking"),
    "claude-3-5-haiku": _known("0.8", "4", 200_000, "images", "tools"),
}


def known(model: str) -> Known | None:
    """What is known of a model by its provider's name for it, or litellm's (`vendor/name`)."""
    table = published()
    bare = VERSION.sub("", model)
    for name in dict.fromkeys((model, bare)):
        for spelled in (name, *_spellings(name)):
            if found := table.get(spelled):
                return found
    return OURS.get(bare.removeprefix("anthropic/"))


@cache
def published() -> Mapping[str, Known]:
    """The table of the installed package, read once (some 30 ms); empty where it cannot be read."""
    spec = importlib.util.find_spec(PACKAGE)  # Finds it, and loads nothing of it.
    if spec is None or not spec.submodule_search_locations:
        return {}
    try:
        rows = json.loads((Path(spec.submodule_search_locations[0]) / FILE).read_bytes(), parse_float=Decimal)
        found = {name: entry for name, row in rows.items() if (entry := _entry(row))}
    except (OSError, ValueError, AttributeError, TypeError, ArithmeticError):
        logger.warning("published prices cannot be read")
        return {}
    # Under the maker's name some stand bare: "openai/gpt-4o" is "gpt-4o".
    makers = {f"{rows[name].get('litellm_provider')}/{name}": entry for name, entry in found.items() if "/" not in name}
    return makers | found


def _entry(row: Mapping[str, Any]) -> Known | None:
    """None for what is no model to chat with, or has no price."""
    asked, answered = row.get("input_cost_per_token"), row.get("output_cost_per_token")
    if row.get("mode") not in CHAT or not asked or not answered:
        return None
    window = row.get("max_input_tokens") or row.get("max_tokens")
    return Known(
        _for_a_million(asked),
        _for_a_million(answered),
        window if isinstance(window, int) else None,
        _shared(frozenset({"text", *(ours for theirs, ours in ABILITIES.items() if row.get(theirs) is True)})),
    )


def _for_a_million(price: Decimal | int) -> Decimal:
    return round(Decimal(price) * MILLION, 6).normalize()


@cache
def _shared(abilities: frozenset[str]) -> frozenset[str]:
    """One set for all of the thousands of models that can do the same."""
    return abilities


def _spellings(name: str) -> list[str]:
    return [f"{maker}/{name}" for maker, beginnings in MAKERS.items() if name.startswith(beginnings)]
