"""Numbers as other countries write them at home: `(212) 555-0187`; beside a word about telephones, `020 7946 0958`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.privacy.dialling import is_valid
from gateway.privacy.findings import PHONE, Hit
from gateway.privacy.telephony import ABOUT_PHONES, NOT_A_PHONE, about_phones, called

# Each begins with a letter of its own: most of a text is passed over quickly.
AMERICAN = (
    re.compile(r"\((?<![0-9a-z]\()[2-9][0-9]{2}\) ?[2-9][0-9]{2}[-. ][0-9]{4}(?![0-9a-z]|[-.][0-9])"),
    re.compile(r"-(?<=[2-9][0-9]{2}-)(?<![0-9a-z#_/.-][0-9]{3}-)[2-9][0-9]{2}-[0-9]{4}(?![0-9a-z]|[-./_][0-9a-z])"),
)
SPOKEN_OF = re.compile(
    r"(?<![0-9a-z+/.#_-])(?:\(?0[1-9][0-9]{1,4}\)?(?:[ -][0-9]{6}|(?:[ -][0-9]{3,4}){1,2}(?:[ -][0-9]{2,4})?)|0[1-9][0-9]{8,9}"
    r"|[2-9][0-9]{2}[ .-]?[2-9][0-9]{2}[ .-]?[0-9]{4})(?![0-9a-z]|[-./_][0-9])"
)
INVENTED = re.compile(r"[2-9][0-9]{2}555[0-9]{4}")  # In films and in examples.


def detect(bare: str, tokens: frozenset[str]) -> Iterator[Hit]:
    for pattern, sign in zip(AMERICAN, "(-", strict=True):
        if sign in bare:
            for found in pattern.finditer(bare):
                start = found.start() - (3 if sign == "-" else 0)
                if _is_american(_digits(bare[start : found.end()])) and NOT_A_PHONE.isdisjoint(called(bare, start)):
                    yield Hit(PHONE, start, found.end(), "+1")
    if tokens.isdisjoint(ABOUT_PHONES):
        return
    for found in SPOKEN_OF.finditer(bare):
        digits = _digits(found[0])
        known = is_valid("44", digits[1:]) if digits[0] == "0" else _is_american(digits)
        if known and about_phones(bare, *found.span()) and NOT_A_PHONE.isdisjoint(called(bare, found.start())):
            yield Hit(PHONE, found.start(), found.end(), "+44" if digits[0] == "0" else "+1")


def _digits(written: str) -> str:
    return "".join([letter for letter in written if letter.isdigit()])


def _is_american(digits: str) -> bool:
    return is_valid("1", digits) or INVENTED.fullmatch(digits) is not None
