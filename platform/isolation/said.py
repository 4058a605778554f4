"""A sentence in every language of the product at once: for what is stored today and read by others tomorrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext


class Said(str):
    """A text in the language that was active when it was said, with the others in `by_language`."""

    __slots__ = ("by_language",)
    by_language: dict[str, str]

    def __mod__(self, values: Mapping[str, Any]) -> Said:
        """`%`-formatting in each language; values that are themselves said are taken in that language."""
        return _joined(
            str.__mod__(self, values),
            {
                code: text % {name: in_language(value, code) for name, value in values.items()}
                for code, text in self.by_language.items()
            },
        )


def _joined(text: str, by_language: dict[str, str]) -> Said:
    made = Said(text)
    made.by_language = by_language
    return made


def say(message: str) -> Said:
    """The message's translations. Modules import it as `_`, so that `scripts/messages` finds their texts."""
    by_language = {}
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            by_language[code] = gettext(message)
    return _joined(gettext(message), by_language)


def in_language(value: Any, code: str) -> Any:
    """The value itself, or what it says in that language."""
    return value.by_language.get(code, str(value)) if isinstance(value, Said) else value


def all_languages(value: str) -> dict[str, str]:
    """Language code → text, the same for each where nothing was translated."""
    return {code: str(in_language(value, code)) for code, _name in settings.LANGUAGES}
