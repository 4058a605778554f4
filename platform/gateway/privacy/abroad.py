"""Numbers as other countries write them at home: `(212) 555-0187`; beside a word about telephones, `020 7946 0958`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.privacy.dialling import is_valid
from gateway.privacy.findings import PHONE, Hit
from gateway.privacy.telephony import ABOUT_PHONES, NOT_A_PHONE, about_phones, is_called_otherwise

# Each begins with a letter of its own: most of a text is passed over quickly. The first group stands before it.
AMERICAN = (
    ("(", re.compile(r"\((?<![0-9a-z]\()[2-9][0-9]{2}\) ?[2-9][0-9]{2}[-. ][0-9]{4}(?![0-9a-z]|[-.][0-9a-z])")),
    ("-", re.compile(r"-(?<=[2-9][0-9]{2}-)(?<![0-9a-z][0-9]{3}-)[2-9][0-9]{2}-[0-9]{4}(?![0-9a-z]|[-./_][0-9a-z])")),
    (".", re.compile(r"\.(?<=[2-9][0-9]{2}\.)(?<![0-9a-z][0-9]{3}\.)[2-9][0-9]{2}\.[0-9]{4}(?![0-9a-z]|[-./_][0-9a-z])")),
)
COUNTRY = re.compile(r"(?:(?<![0-9a-z#_/.-])|(?<![0-9a-z#_/.-])1[-. ])$")
BRITISH = re.compile(r"07(?<![0-9a-z+/.#_-]07)[0-9]{3} [0-9]{3} ?[0-9]{3}(?![0-9a-z]|[ -./_][0-9])")
SPOKEN_OF = re.compile(
    r"(?<![0-9a-z+/.#_-])(?:\(?0[1-9][0-9]{1,4}\)?(?:[ /-][0-9]{6,8}|(?:[ -][0-9]{3,4}){1,2}(?:[ -][0-9]{2,4})?)"
    r"|0[1-9][0-9]{8,10}|[2-9][0-9]{2}[ .-]?[2-9][0-9]{2}[ .-]?[0-9]{4})(?![0-9a-z]|[-./_][0-9])"
)
INVENTED = re.compile(r"[2-9][0-9]{2}555[0-9]{4}")  # In films and in examples.
OTHERS = NOT_A_PHONE | frozenset("part piece model modele item".split())


def detect(bare: str, tokens: frozenset[str]) -> Iterator[Hit]:
    for sign, pattern in AMERICAN:
        for found in pattern.finditer(bare) if sign in bare else ():
            start = found.start() - (0 if sign == "(" else 3)
            before = COUNTRY.search(bare, max(0, start - 3), start)
            digits = _digits(bare[start : found.end()])
            if before is not None and _is_american(digits) and not is_called_otherwise(bare, before.start(), OTHERS):
                yield Hit(PHONE, before.start(), found.end(), "+1")
    for found in BRITISH.finditer(bare):
        if is_valid("44", _digits(found[0])[1:]) and not is_called_otherwise(bare, found.start(), OTHERS):
            yield Hit(PHONE, found.start(), found.end(), "+44")
    if tokens.isdisjoint(ABOUT_PHONES):
        return
    for found in SPOKEN_OF.finditer(bare):
        code = _country(_digits(found[0]))
        if code and about_phones(bare, *found.span()) and not is_called_otherwise(bare, found.start(), OTHERS):
            yield Hit(PHONE, found.start(), found.end(), f"+{code}")


def _digits(written: str) -> str:
    return "".join([letter for letter in written if letter.isdigit()])


def _country(digits: str) -> str:
    if digits[0] != "0":
        return "1" if _is_american(digits) else ""
    return next((code for code in ("44", "49") if is_valid(code, digits[1:])), "")


def _is_american(digits: str) -> bool:
    return is_valid("1", digits) or INVENTED.fullmatch(digits) is not None
