"""Phone numbers: French ones as people write them, others with their country's prefix.

phonenumbers' own matcher takes 12–32 ms for 4 KB of numbers. Here a regular expression proposes, the shape of the groups
decides (a date has two, two and four digits), and phonenumbers' metadata validate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.privacy.findings import PHONE, Hit

if TYPE_CHECKING:
    from phonenumbers import PhoneMetadata

SEP = r"(?: ?[-./_] ?| {1,2})?"
NATIONAL = re.compile(
    rf"[0o](?:(?<![0-9a-z+][0o])|(?<=tel[0o])|(?<=mob[0o])|(?<=port[0o]))(?<![0-9][.,][0o])(?:(?<=0)|(?=[67]))"
    rf"\)?{SEP}[1-9]\)?(?:{SEP}[0-9]){{8}}(?![0-9])"
)
INTERNATIONAL = re.compile(r"(?:\+|00|%2b) ?\(?(?P<rest>[1-9](?:(?:[ ]?[-./_()] ?\(?| {1,2}\(?)?[0-9]){6,16})(?![0-9])")
WITHOUT_PLUS = re.compile(rf"33(?<![0-9a-z+]33)(?<![0-9][.,]33){SEP}[1-9](?:{SEP}[0-9]){{8}}(?![0-9a-z])")
TRUNK = re.compile(r"\( ?0 ?\)")
GROUP = re.compile(r"[0-9]+")

# How the ten digits of a French number are grouped; dates, coordinates and references are grouped otherwise.
SHAPES = {
    (10,), (2, 2, 2, 2, 2), (4, 2, 2, 2), (4, 3, 3), (4, 6), (2, 8), (2, 4, 4), (2, 3, 3, 2), (2, 2, 3, 3), (2, 3, 2, 3),
    (3, 3, 4), (2, 2, 2, 4), (6, 4), (1, 1, 2, 2, 2, 2), (1, 3, 3, 3), (1, 9),
}  # fmt: skip
ONLY_SPACED = {(1, 9), (1, 3, 3, 3), (2, 8), (2, 2, 2, 4), (3, 3, 4), (2, 2, 3, 3), (2, 3, 2, 3), (2, 3, 3, 2)}
LOTTERY = re.compile(r"\b(?:loto|lotto|keno|tirage|euromillions?|numeros gagnants|winning numbers)\b[^\n]{0,30}$")
ABOUT_PHONES = re.compile(
    r"\b(?:tel|telephone|telephoner|phone|mobile|portable|cell|whatsapp|signal|sms|texto|fax|ligne|appele[rz]"
    r"|appelle|joindre|joignable"
    r"|rappele[rz]|rappelle|contacte[rz]|call|text|reach|numero de portable|wa\.me)\b"
)
NOT_A_PHONE = re.compile(
    r"\b(?:commande|cde|order|facture|invoice|colis|suivi|tracking|ref|reference|sku|ean|isbn|issn|article|lot"
    r"|dossier|ticket|serie"
    r"|serial|siren|siret|bordereau|bon|devis|contrat|contract|transaction|imei|gtin|version|build|release|firmware|revision|hash"
    r"|commit|sha|id|identifiant|matricule|timestamp|tirage|loto|keno|parcel|shipment|batch|case|bug|issue|patent"
    r"|brevet|doi|pid)\b"
    r"[^0-9\n]{0,14}$"
)
COORDINATES = re.compile(r"[0-9.]+\s{0,2}[,;/ ]\s{0,2}[-+]?[0-9]{1,3}\.[0-9]{3,}")
TESTS = re.compile(
    r"33639980[0-9]{3}|33639981[0-9]{3}|33639982[0-9]{3}|3363998[0-9]{4}|447700900[0-9]{3}|614915701[0-9]{2}"
    r"|1[2-9][0-9]{2}55501[0-9]{2}"
)
OVERSEAS = ("33", "262", "590", "594", "596", "508")


@lru_cache(maxsize=1)
def _codes() -> frozenset[str]:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))


def _general_lengths(metadata: PhoneMetadata) -> tuple[int, ...]:
    general = metadata.general_desc
    return tuple(general.possible_length) if general is not None else ()


@lru_cache(maxsize=512)
def _national(code: str) -> tuple[re.Pattern[str], frozenset[int]]:
    """Every valid national number behind a country's prefix, and their lengths, from phonenumbers' metadata."""
    from phonenumbers import PhoneMetadata
    from phonenumbers.phonenumberutil import region_codes_for_country_code

    patterns: list[str] = []
    possible: set[int] = set()
    for region in region_codes_for_country_code(int(code)):
        if region == "001":
            metadata = PhoneMetadata.metadata_for_nongeo_region(int(code))
        else:
            metadata = PhoneMetadata.metadata_for_region(region)
        if metadata is None:
            continue
        sorts = [metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.premium_rate, metadata.shared_cost]
        sorts += [metadata.personal_number, metadata.voip, metadata.pager, metadata.uan, metadata.voicemail]
        for sort in sorts:
            if sort is not None and sort.national_number_pattern and sort.national_number_pattern != "NA":
                possible.update(sort.possible_length or _general_lengths(metadata))
                patterns.append(sort.national_number_pattern)
    joined = "|".join(dict.fromkeys(patterns)) or "(?!)"
    return re.compile(f"(?:{joined})$".replace(r"\d", "[0-9]")), frozenset(possible)


def warm() -> None:
    """Compile every country's grammar (half a second), for a process that would rather not do so within a turn."""
    for code in _codes():
        _national(code)


def code_of(digits: str) -> str | None:
    """The country's prefix: no prefix begins another."""
    codes = _codes()
    return next((digits[:length] for length in (1, 2, 3) if digits[:length] in codes), None)


def is_valid(code: str, rest: str) -> bool:
    """Whether `rest` is a number of the country, with or without the 0 that one dials at home."""
    pattern, possible = _national(code)
    if len(rest) in possible and pattern.match(rest):
        return True
    if rest[:1] == "0" and len(rest) - 1 in possible and pattern.match(rest, 1):
        return True
    return len(rest) in {9, 10} and TESTS.fullmatch(code + rest.removeprefix("0")) is not None


@lru_cache(maxsize=1)
def _french_pattern() -> re.Pattern[str]:
    return re.compile("|".join(_national(code)[0].pattern for code in OVERSEAS))


def _french(national: str) -> bool:
    """Ten digits that begin with 0."""
    return _french_pattern().match(national, 1) is not None or TESTS.fullmatch("33" + national[1:]) is not None


def _line(text: str, start: int, width: int = 40) -> str:
    """What stands before, on the same line."""
    before = text[max(0, start - width) : start]
    return before[before.rfind("\n") + 1 :]


INSIDE = re.compile(r"(?:^|[^0-9a-z_:/.-])[0-9]{1,4}[ ._/-]$|[0-9]-$")
MORE = re.compile(r"([ ._/-])[0-9]{2}(?![0-9:/h%])(?! ?(?:rue|avenue|av|bd|boulevard|ans|euros?|h|min|place|allee|chemin)\b)")


def _part_of_more(bare: str, start: int, end: int, inner: str) -> bool:
    """Whether the digits go on before or after, separated as they are inside: then it is a longer number."""
    before = bare[max(0, start - 12) : start]
    if before and before[-1] in " ._/-" and before[-1] in (inner or " ") and INSIDE.search(before):
        return True
    after = MORE.match(bare, end)
    return after is not None and bool(inner) and after[1] in inner


def _judge_national(bare: str, found: re.Match[str]) -> bool:
    written = found[0]
    groups = GROUP.findall(written.replace("o", "0"))
    digits = "".join(groups)
    shape = tuple(map(len, groups))
    if shape not in SHAPES and len(shape) != 10:
        return False
    inner = written.strip("()").replace("o", "")
    separators = set(inner) - set("0123456789()")
    if shape == (1,) * 10:
        return digits[1] in "67" and separators == {" "} and not _part_of_more(bare, found.start(), found.end(), " ")
    if shape not in SHAPES or (shape in ONLY_SPACED and separators - set(" ") and ")" not in written and shape != (2, 8)):
        return False
    if shape == (2, 8) and "." in separators:  # 01.23456789
        return False
    if not _french(digits):
        return False
    if shape == (10,) and bare[found.end() : found.end() + 1].isalpha():
        return False
    if _part_of_more(bare, found.start(), found.end(), "".join(separators)):
        return False
    if (shape == (10,) or separators <= {".", "-", "_"}) and bare[found.end() : found.end() + 1] in {"_"}:
        return False
    before = _line(bare, found.start())
    plain_form = shape != (2, 2, 2, 2, 2) or "." in separators or digits[1] not in "67"
    if LOTTERY.search(before):
        return False
    return not (plain_form and NOT_A_PHONE.search(before) and not ABOUT_PHONES.search(before))


def _foreign(bare: str, found: re.Match[str]) -> Hit | None:
    """The longest run of whole groups that is a valid number."""
    start, first = found.start(), found.start("rest")
    if bare[start - 1 : start] == "(" and ")" in found[0]:
        start -= 1
    written = found["rest"]
    trunk = TRUNK.search(written)
    if trunk is not None:
        written = written[: trunk.start()] + " " * (trunk.end() - trunk.start()) + written[trunk.end() :]
    groups = [(group[0], group.end()) for group in GROUP.finditer(written)]
    zeroes = bare[start : start + 3].lstrip("(").startswith("00")
    every = "".join([group for group, _ in groups])
    code = code_of(every)
    if code is None:
        return None
    size = len(every)
    for count in range(len(groups), 0, -1):
        digits = every[:size]
        size -= len(groups[count - 1][0])
        if not is_valid(code, digits[len(code) :]):
            continue
        end = first + groups[count - 1][1]
        if count == len(groups) and bare[end : end + 1].isalpha() and len(groups) == 1:
            return None
        if zeroes and code != "33" and len(groups) == 1 and not ABOUT_PHONES.search(_line(bare, start)):
            return None  # A reference padded with zeroes.
        if written.count(".") == 1 and not {" ", "-", "/"} & set(written) and COORDINATES.match(bare, first):
            return None
        return Hit(PHONE, start, end, f"+{code}")
    return None


def detect(bare: str) -> Iterator[Hit]:
    if "+" in bare or "00" in bare or "%2b" in bare:
        at = 0
        while (found := INTERNATIONAL.search(bare, at)) is not None:
            before = bare[found.start() - 1 : found.start()]
            hit = None if found[0][0] != "%" and before.isalnum() else _foreign(bare, found)
            at = hit.end if hit else found.start("rest") + 1
            if hit:
                yield hit
    for found in NATIONAL.finditer(bare):
        if _judge_national(bare, found):
            start = found.start()
            opened = bare[start - 1 : start] == "(" and ")" in found[0]
            yield Hit(PHONE, start - opened, found.end(), "fr")
    if "33" in bare:
        for found in WITHOUT_PLUS.finditer(bare):
            groups = tuple(map(len, GROUP.findall(found[0])))
            about = ABOUT_PHONES.search(_line(bare, found.start()))
            if (groups == (2, 1, 2, 2, 2, 2) or about) and _french("0" + "".join(GROUP.findall(found[0]))[2:]):
                yield Hit(PHONE, found.start(), found.end(), "+33")


def normalise(written: str) -> str:
    """One spelling for one number: digits with the country's prefix."""
    digits = "".join(GROUP.findall(TRUNK.sub(" ", written.lower().replace("o", "0"))))
    if digits.startswith("00"):
        digits = digits[2:]
    elif digits.startswith("0"):
        digits = "33" + digits[1:]
    return "33" + digits[3:] if digits.startswith("330") else digits
