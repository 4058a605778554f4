"""Placeholders in the place of personal values, and the way back, also in a stream.

A placeholder is `ANON_EMAIL_0001`: capitals and underscores, which models copy unchanged; always four digits, so that it
ends where it ends whatever follows; and so rare in ordinary text that what looks like one is itself replaced.
A second spelling of the same value is `ANON_EMAIL2_0001`: a model sees one address by its number, and each spelling
returns as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.privacy import emails, findings, phones
from gateway.privacy.errors import TooManyValues
from gateway.privacy.findings import Finding
from gateway.privacy.plain import plain
from gateway.privacy.policy import DEFAULT, PrivacyPolicy
from gateway.privacy.verdict import findings_of

MOST = 9999
LITERAL = "TEXT"  # What looked like a placeholder in the person's own text.
LABELS = {
    findings.EMAIL: "EMAIL",
    findings.PHONE: "PHONE",
    findings.CARD: "CARD",
    findings.IBAN: "IBAN",
    findings.NIR: "NIR",
    findings.SECRET: "SECRET",
    findings.VALUE: "VALUE",
    findings.NAME: "PERSON",
    findings.SIREN: "COMPANY",
    findings.SIRET: "COMPANY",
    findings.VAT: "COMPANY",
}
# Models escape underscores in Markdown, change case, and put a space or a dash.
_GAP = r"\\{0,2}[_ -]"
SHAPE = re.compile(rf"anon{_GAP}([a-z]{{1,24}})([0-9]{{0,3}}){_GAP}([0-9]{{4}})", re.IGNORECASE | re.ASCII)
_TAIL = 64  # Longer than any placeholder.


def _beginning() -> re.Pattern[str]:
    """What may still become a placeholder, at the end of a text."""
    steps = ["a", "n", "o", "n", r"\\", r"\\", "[_ -]", "[a-z]{1,24}", "[0-9]{1,3}", r"\\", r"\\", "[_ -]", "[0-9]{1,3}"]
    optional = {4, 5, 8, 9, 10}
    pattern = ""
    for at in range(len(steps) - 1, -1, -1):
        # After each step the text may end, or go on; an optional step may be passed over.
        rest = rf"(?:\Z|{pattern})" if pattern else r"\Z"
        step = steps[at] + rest
        pattern = f"(?:{step}|{pattern})" if at in optional else step
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


BEGINNING = _beginning()


@dataclass(frozen=True, slots=True)
class Replacement:
    """`start` and `end` are in the original, `masked_start` and `masked_end` in the masked text."""

    kind: str
    placeholder: str
    start: int
    end: int
    masked_start: int
    masked_end: int


@dataclass(frozen=True, slots=True)
class Masked:
    text: str
    replacements: tuple[Replacement, ...]


def normalise(kind: str, written: str) -> str:
    """What two spellings of one value have in common."""
    bare = plain(written).bare
    if kind == findings.EMAIL:
        return emails.normalise(bare)
    if kind == findings.PHONE:
        return phones.normalise(bare)
    if kind in {findings.CARD, findings.IBAN, findings.NIR, findings.SIREN, findings.SIRET, findings.VAT}:
        return re.sub("[^0-9a-z]", "", bare.replace("cle", "").replace("key", "") if kind == findings.NIR else bare)
    return " ".join(bare.split()) if kind == findings.NAME else written


class Vault:
    """The placeholders of one conversation. Its JSON holds the values: keep it as the messages are kept."""

    def __init__(self) -> None:
        self._originals: dict[str, str] = {}  # Placeholder to spelling, in order of appearance.
        self._numbers: dict[tuple[str, str], int] = {}  # Label and normal form to number.
        self._placeholders: dict[tuple[str, int, str], str] = {}  # Label, number and spelling to placeholder.
        self._last: dict[str, int] = {}
        self._spellings: dict[tuple[str, int], int] = {}

    def __len__(self) -> int:
        return len(self._originals)

    def placeholder(self, kind: str, written: str) -> str:
        """The same for the same value, whatever its spelling, but for the mark of the spelling. Raises `TooManyValues`."""
        return self._assign(label_of(kind), normalise(kind, written), written)

    def _assign(self, label: str, normal: str, written: str) -> str:
        number = self._numbers.get((label, normal))
        if number is None:
            number = self._last.get(label, 0) + 1
            if number > MOST:
                raise TooManyValues
            self._last[label] = self._numbers[label, normal] = number
        known = self._placeholders.get((label, number, written))
        if known is not None:
            return known
        nth = self._spellings.get((label, number), 0) + 1
        if nth > 999:
            raise TooManyValues
        self._spellings[label, number] = nth
        placeholder = f"ANON_{label}{nth if nth > 1 else ''}_{number:04}"
        self._placeholders[label, number, written] = placeholder
        self._originals[placeholder] = written
        return placeholder

    def original(self, label: str, nth: str, number: str) -> str | None:
        return self._originals.get(f"ANON_{label.upper()}{nth}_{number}")

    def to_json(self) -> dict[str, Any]:
        normals = {(label, number): normal for (label, normal), number in self._numbers.items()}
        values = [
            {"label": label, "number": number, "normal": normals[label, number], "written": written}
            for label, number, written in self._placeholders
        ]
        return {"version": 1, "values": values}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Vault:
        """Of what `to_json` gave. Raises `ValueError` for anything else."""
        vault = cls()
        if data.get("version") != 1:
            raise ValueError("not a vault of version 1")
        for value in data["values"]:
            vault._last[value["label"]] = max(vault._last.get(value["label"], 0), value["number"])
            vault._numbers[value["label"], value["normal"]] = value["number"]
            vault._assign(value["label"], value["normal"], value["written"])
        return vault


def label_of(kind: str) -> str:
    return LABELS.get(kind) or kind.replace("_", "").upper()[:24]


def mask(text: str, vault: Vault, policy: PrivacyPolicy = DEFAULT) -> Masked:
    """Every value found becomes a placeholder of `vault`; sensitive words alone stay, for they say nothing about anybody.

    `restore(mask(text).text)` is `text`. Raises `TooManyValues` and `PatternTooSlow`.
    """
    pieces: list[str] = []
    replacements: list[Replacement] = []
    at = length = 0
    for kind, start, end in _spans(text, findings_of(text, policy)):
        written = text[start:end]
        placeholder = vault._assign(LITERAL, written, written) if kind == LITERAL else vault.placeholder(kind, written)
        length += start - at
        replacements.append(Replacement(kind.lower(), placeholder, start, end, length, length + len(placeholder)))
        pieces += (text[at:start], placeholder)
        length += len(placeholder)
        at = end
    pieces.append(text[at:])
    return Masked("".join(pieces), tuple(replacements))


def _spans(text: str, found: Iterable[Finding]) -> list[tuple[str, int, int]]:
    """What is to be replaced, in order; what overlaps is one span, of the heavier kind."""
    spans = [(one.start, one.end, one.weight, one.kind) for one in found if one.kind != findings.WORD]
    spans += [(shape.start(), shape.end(), -1.0, LITERAL) for shape in SHAPE.finditer(text)]
    merged: list[tuple[int, int, float, str]] = []
    for span in sorted(spans):
        if merged and span[0] < merged[-1][1]:
            before = merged.pop()
            heavier = max(before, span, key=lambda one: one[2])
            merged.append((before[0], max(before[1], span[1]), heavier[2], heavier[3]))
        else:
            merged.append(span)
    return [(kind, start, end) for start, end, _, kind in merged]


class Restorer:
    """Puts the values back into an answer that arrives in pieces.

    `feed` gives out all that cannot be the beginning of a placeholder; `finish` gives the rest, once.
    A placeholder that the vault does not know stays as it is.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._held = ""

    def feed(self, delta: str) -> str:
        if not self._vault:
            return delta
        text = self._held + delta
        done: list[str] = []
        at = 0
        for shape in SHAPE.finditer(text):
            done += (text[at : shape.start()], self._original(shape))
            at = shape.end()
        begins = BEGINNING.search(text, max(at, len(text) - _TAIL))
        cut = begins.start() if begins else len(text)
        done.append(text[at:cut])
        self._held = text[cut:]
        return "".join(done)

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held

    def _original(self, shape: re.Match[str]) -> str:
        original = self._vault.original(shape[1], shape[2], shape[3])
        return shape[0] if original is None else original


def restore(text: str, vault: Vault) -> str:
    """The whole at once."""
    restorer = Restorer(vault)
    return restorer.feed(text) + restorer.finish()
