"""Every text that people read has a French one, and the compiled catalogue is the one of its source."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from django.test import Client
from django.utils import translation
from django.utils.functional import Promise

from core.errors import AppError
from tests.cluster import ROOT
from tests.people import House

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


def below(kind: type[AppError]) -> Iterator[type[AppError]]:
    for each in kind.__subclasses__():
        yield each
        yield from below(each)


def sources() -> Iterator[tuple[Path, str]]:
    """Our files with Python, each with its module's name."""
    for root, places in (
        (ROOT / "platform", ("*/**/*.py",)),
        (ROOT, ("tenants/**/*.py", "documents/**/*.py", "assistants/**/*.py")),
    ):
        for path in (path for place in places for path in root.glob(place) if "migrations" not in path.parts):
            yield path, ".".join(path.relative_to(root).with_suffix("").parts)


def every_error() -> set[type[AppError]]:
    for path, module in sources():
        if re.search(r"^    title(:| =)", path.read_text(encoding="utf-8"), re.MULTILINE):
            importlib.import_module(module)
    return {AppError, *below(AppError)}


def test_every_error_has_a_french_title() -> None:
    errors = every_error()
    assert len(errors) > 80

    for error in errors:
        assert isinstance(error.title, Promise), error
        with translation.override("en"):
            english = str(error.title)
        with translation.override("fr"):
            assert str(error.title) != english, error


def test_errors_are_told_in_the_language_of_who_asks(acme: House, globex: House) -> None:
    told = []
    for house in (acme, globex):  # People of the one read French, of the other English.
        api = house.person("member").api
        answers = [
            api.get("/api/v1/messages/01930000-0000-7000-8000-00000000ffff/"),
            api.post("/api/v1/conversations/", {"assistant": "x"}, content_type="application/json"),
            Client(headers={"host": house.host, "accept-language": "de, fr;q=0.5"}).get("/api/v1/conversations/"),
        ]
        told.append([tuple(answer.json()[name] for name in ("code", "title", "detail")) for answer in answers])

    assert told[0] == [
        ("not_found", "Introuvable", "Ce message n’existe pas."),
        ("invalid", "Non valable", "Certains champs ne sont pas valables."),
        ("not_authenticated", "Non authentifié", "Non authentifié"),
    ]
    assert told[1] == [
        ("not_found", "Not found", "There is no such message."),
        ("invalid", "Invalid", "Some fields are not valid."),
        ("not_authenticated", "Non authentifié", "Non authentifié"),
    ]


def test_no_error_is_raised_with_words_of_one_language() -> None:
    names = {error.__name__ for error in every_error()}
    bare = []
    for path, module in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names and node.args:
                # What is not `_("…")` by itself, or filled in with `%` or `format_lazy`, must not be a text.
                detail = node.args[0].left if isinstance(node.args[0], ast.BinOp) else node.args[0]
                kind = vars(importlib.import_module(module)).get(node.func.id, AppError)
                if isinstance(detail, ast.Constant | ast.JoinedStr) and issubclass(kind, AppError):
                    bare.append(f"{module}:{node.lineno} {ast.unparse(node)}")

    assert bare == []
