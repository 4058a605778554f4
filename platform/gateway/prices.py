"""What well-known models cost and can do, where no row of the catalogue says otherwise. As published in November 2025.

Prices are US dollars for a million tokens. A provider may have changed them since: a row of the catalogue wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Known:
    input_price: Decimal
    output_price: Decimal
    context_window: int  # tokens
    abilities: frozenset[str]


def _known(input_price: str, output_price: str, window: int, *abilities: str) -> Known:
    return Known(Decimal(input_price), Decimal(output_price), window, frozenset({"text", *abilities}))


# By the beginning of the name; of several that fit, the longest counts.
KNOWN: dict[str, Known] = {
    "gpt-4.1": _known("2", "8", 1_047_576, "images", "tools", "structured"),
    "gpt-4.1-mini": _known("0.4", "1.6", 1_047_576, "images", "tools", "structured"),
    "gpt-4.1-nano": _known("0.1", "0.4", 1_047_576, "images", "tools", "structured"),
    "gpt-4o": _known("2.5", "10", 128_000, "images", "tools", "structured"),
    "gpt-4o-mini": _known("0.15", "0.6", 128_000, "images", "tools", "structured"),
    "gpt-5": _known("1.25", "10", 400_000, "images", "tools", "thinking", "structured"),
    "gpt-5-mini": _known("0.25", "2", 400_000, "images", "tools", "thinking", "structured"),
    "gpt-5-nano": _known("0.05", "0.4", 400_000, "images", "tools", "thinking", "structured"),
    "claude-opus-4": _known("15", "75", 200_000, "images", "tools", "thinking"),
    "claude-sonnet-4": _known("3", "15", 200_000, "images", "tools", "thinking"),
    "claude-haiku-4-5": _known("1", "5", 200_000, "images", "tools", "thinking"),
    "claude-3-5-haiku": _known("0.8", "4", 200_000, "images", "tools"),
    "mistral-large": _known("2", "6", 128_000, "tools", "structured"),
    "mistral-medium": _known("0.4", "2", 128_000, "images", "tools", "structured"),
    "mistral-small": _known("0.1", "0.3", 128_000, "images", "tools", "structured"),
}


def known(model: str) -> Known | None:
    """What is known of a model by its provider's name for it."""
    fitting = [beginning for beginning in KNOWN if model.startswith(beginning)]
    return KNOWN[max(fitting, key=len)] if fitting else None
