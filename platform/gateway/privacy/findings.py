"""What a detector says: where, what kind, how heavy. Never the value itself."""

from __future__ import annotations

import re
from typing import NamedTuple

EMAIL = "email"
PHONE = "phone"
CARD = "card"
IBAN = "iban"
NIR = "nir"
SECRET = "secret"  # noqa: S105
WORD = "word"  # A sensitive word alone.
VALUE = "value"  # The secret-looking value, or the amount, beside a sensitive word.
NAME = "name"
SIREN = "siren"
SIRET = "siret"
VAT = "vat"
UNREAD = "unread"  # What has no text: a picture, a sound. Said by `verdict.judge`, of a whole part.
KINDS = (EMAIL, PHONE, CARD, IBAN, NIR, SECRET, VALUE, WORD, NAME, SIREN, SIRET, VAT, UNREAD)


PLACEHOLDER = re.compile(r"ANON_[A-Z]{1,24}[0-9]{0,3}_[0-9]{4}")  # As `pseudonyms` writes them: nobody's data.


class Hit(NamedTuple):
    """A place in the plain text."""

    kind: str
    start: int
    end: int
    note: str = ""


class Finding(NamedTuple):
    """`start` and `end` count code points of the original text. `note` says which sort, never the value."""

    kind: str
    start: int
    end: int
    weight: float
    note: str = ""
