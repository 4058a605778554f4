"""Every text that people read has a French one, and the compiled catalogue is the one of its source."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from types import ModuleType

import pytest

from tests.cluster import ROOT

FRENCH = ROOT / "locale" / "fr" / "LC_MESSAGES" / "django.po"


@pytest.fixture(scope="module")
def messages() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("messages_script", str(ROOT / "scripts" / "messages"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("messages_script", loader))  # type: ignore[arg-type]
    loader.exec_module(module)
    return module


def test_every_text_has_a_french_one(messages: ModuleType) -> None:
    there = {key for key, value in messages.read_po(FRENCH).items() if value}

    assert sorted(messages.used() - there) == []


def test_the_compiled_catalogue_is_up_to_date(messages: ModuleType) -> None:
    assert FRENCH.with_suffix(".mo").read_bytes() == messages.compile_mo(messages.read_po(FRENCH)), "run scripts/messages"
