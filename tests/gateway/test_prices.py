"""What well-known models cost: as the installed package's own table says, read without the package."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway import catalogue, prices, snapshots
from gateway.types import Provider
from tests.gateway.conftest import ROOT


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    spec = importlib.util.find_spec("litellm")
    assert spec and spec.submodule_search_locations
    rows: dict[str, Any] = json.loads((Path(spec.submodule_search_locations[0]) / prices.FILE).read_text(encoding="utf-8"))
    return rows


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4.1-mini", "gpt-4.1-mini"),
        ("gpt-5", "gpt-5"),
        ("openai/gpt-4o-mini", "gpt-4o-mini"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5-20991231", "claude-haiku-4-5"),
        ("anthropic/claude-opus-4-5", "claude-opus-4-5"),
        ("mistral-large-latest", "mistral/mistral-large-latest"),
        ("gemini/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
    ],
)
def test_a_known_models_prices_are_the_tables(table: dict[str, Any], name: str, row: str) -> None:
    known, told = prices.known(name), table[row]

    assert known is not None
    assert known.input_price > 0 and known.output_price > 0
    assert float(known.input_price) == pytest.approx(told["input_cost_per_token"] * 1e6)
    assert float(known.output_price) == pytest.approx(told["output_cost_per_token"] * 1e6)
    assert known.context_window == told["max_input_tokens"]
    assert ("images" in known.abilities) is bool(told.get("supports_vision"))
    assert ("audio" in known.abilities) is bool(told.get("supports_audio_input"))


def test_what_the_table_lacks_is_ours_or_unknown(table: dict[str, Any]) -> None:
    assert not set(prices.OURS) & set(table)  # What it has it says itself.
    ours = prices.known("claude-opus-4-20250514")
    assert ours is not None and (ours.input_price, ours.output_price) == (Decimal(15), Decimal(75))
    for nobodys in ("gpt-4o-of-somebody-else", "text-embedding-3-small", "llama3.2", "sample_spec", ""):
        assert prices.known(nobodys) is None


def test_a_row_of_the_catalogue_wins_and_a_local_model_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Provider("blue", "https://llm.example.org/v1", "", "cloud", ())
    row = snapshots.Row("", "", "", None, frozenset(), Decimal("1.5"), Decimal(6), "EUR")

    published = catalogue.info(cloud, "gpt-4o")
    local = catalogue.info(Provider("house", "http://127.0.0.1:9/v1", "", "local", ()), "gpt-4o")
    monkeypatch.setattr(catalogue, "_row", lambda provider, name: row)
    own = catalogue.info(cloud, "gpt-4o")

    assert (published.input_price, published.currency) == (prices.published()["gpt-4o"].input_price, "USD")
    assert (own.input_price, own.output_price, own.currency) == (Decimal("1.5"), Decimal(6), "EUR")
    assert (local.input_price, local.output_price) == (0, 0)


def test_reading_the_table_is_quick_and_loads_nothing_of_the_package() -> None:
    code = f"""
import sys, time
sys.path[:0] = [{str(ROOT / "platform")!r}]
from gateway import prices
begun = time.process_time()
assert len(prices.published()) > 1000
print(time.process_time() - begun, [name for name in sys.modules if name.startswith("litellm")])
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    seconds, loaded = done.stdout.split(maxsplit=1)
    assert loaded.strip() == "[]"
    assert float(seconds) < 0.3  # On a busy machine; some 0.06 on an idle one.
