"""Phone numbers: French ones as people write them, others with their country's prefix.

phonenumbers' own matcher takes 12–32 ms for 4 KB of numbers. Here a regular expression proposes, the shape of the groups
decides (a date has two, two and four digits), and phonenumbers' metadata validate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from gateway.privacy.dialling import code_of, is_french, is_possible, is_valid
from gateway.privacy.findings import PHONE, Hit
from gateway.privacy.telephony import (
    ABOUT_PHONES,
    LETTERS,
    NEVER_A_PHONE,
    NOT_A_PHONE,
    NUMBERED,
    SMALL_WORDS,
    about_phones,
    called,
    is_called_otherwise,
    line,
)

SEP = r"[ ./_\t\n-]{0,3}+"  # As few choices as can be: it stands between all digits.
NATIONAL = re.compile(
    rf"[0o](?<![0-9+].)(?:(?<![a-z].)|(?<=tel.)|(?<=mob.)|(?<=port.)|(?<=able.)|(?<=bile.)|(?<=phone.)|(?<=gsm.)|(?<=fixe.)|(?<==3d.)|(?<=%3[ad].))"
    rf"(?:(?<![0-9][.,].)|(?<=[0-9]{{9}},.)|(?<=[0-9][ .-][0-9]{{2}},.))(?:(?<=0)|(?=[67]))"  # No decimals, but a list.
    rf"(?: ?[)\]])?{SEP}[1-9](?: ?[)\]])?(?:{SEP}[0-9]){{8}}(?![0-9])"
)
INTERNATIONAL = re.compile(
    r"(?:\+(?<![0-9a-z]\+)|00(?<![0-9a-z_]00)|%2b) ?\(?(?P<rest>[1-9](?:(?:[ ]?[-./_()\]] ?\(?| {1,2}\(?)?[0-9]){6,16})(?![0-9])"
)
WITHOUT_PLUS = re.compile(rf"33(?<![0-9a-z+]33)(?<![0-9][.,]33)\)?{SEP}(?:\(0\))?{SEP}[1-9](?:{SEP}[0-9]){{8}}(?![0-9a-z])")
NOT_COUNTED = re.compile(r"(?! ?[%€$£°]|[.,][0-9]| ?(?:euros?|eur|usd|dollars?|habitants?|people|km|m2|k)\b)")
TRUNK = re.compile(r"\( ?0 ?\)")
GROUP = re.compile(r"[0-9]+")

# How the ten digits of a French number are grouped; dates, coordinates and references are grouped otherwise.
SHAPES = {
    (10,), (2, 2, 2, 2, 2), (4, 2, 2, 2), (4, 3, 3), (4, 6), (2, 8), (2, 4, 4), (2, 3, 3, 2), (2, 2, 3, 3), (2, 3, 2, 3),
    (3, 3, 4), (2, 2, 2, 4), (6, 4), (1, 1, 2, 2, 2, 2), (1, 3, 3, 3), (1, 9), (1, 3, 2, 2, 2), (5, 5),
}  # fmt: skip
ONLY_SPACED = {
    (5, 5),
    (1, 9),
    (1, 3, 2, 2, 2),
    (1, 3, 3, 3),
    (2, 8),
    (2, 2, 2, 4),
    (3, 3, 4),
    (2, 2, 3, 3),
    (2, 3, 2, 3),
    (2, 3, 3, 2),
}
LOTTERY = frozenset("bingo combinaison grille loto lotto keno tirage euromillion euromillions gagnants winning".split())
NAMES = LOTTERY | NOT_A_PHONE | NEVER_A_PHONE | NUMBERED
FILE = re.compile(r"\.(?:jpe?g|png|gif|webp|pdf|docx?|xlsx?|pptx?|html?|php|zip|mp[34]|txt|csv|log|json|xml)\b")
PAGE = re.compile(r"://[^\s?#\"'<>]*[/_-]$")
REFERENCE = re.compile(r"[a-z]{2}[0-9]{1,4} $|[0-9][-/_]$|[a-z][0-9]*[-_]$|[0-9][a-z]+-$")
ANOTHER = re.compile(r"(?:(?<![0-9])0[1-9][0-9]{8}|33[0-9]{9}|[ ._-][0-9]{2}[ ._-][0-9]{2}[ ._-][0-9]{2})[/_-]$")
COORDINATE_BEFORE = re.compile(r"[0-9]\.[0-9]{2,}[,;/ ]{1,3}$")
PAIRS = re.compile(r"[0o][1-9]([ ._/-])[0-9]{2}\1[0-9]{2}\1[0-9]{2}\1[0-9]{2}")
MOBILE_PAIRS = re.compile(r"0[67]([ ._/-])[0-9]{2}(?:\1[0-9]{2}){3}")  # Another number, with nothing but a space between.
FRANCE_AND_MORE = frozenset({"33 ", "33.", "33-"})
BLANKS = frozenset({"", " ", "\n", "\t", ";", ",", "|", '"'})
NOT_SEPARATORS = frozenset("0123456789()]o")
# Mobile numbers with rarer marks between the pairs, or the letter O for a zero.
ODD_PAIRS = re.compile(r"[0o][67](?<![0-9a-z][0o][67])([ .:'|*,-]|, )[0-9o]{2}(?:\1[0-9o]{2}){3}(?!\1?[0-9a-z])")
DATE_AFTER = re.compile(r"/[0-9]{4}")
DECIMALS = re.compile(r"\.[0-9]{1,6}(?![0-9])")
COORDINATES = re.compile(r"[0-9.]+\s{0,2}[,;/ ]\s{0,2}[-+]?[0-9]{1,3}\.[0-9]{3,}")


def is_ean(digits: str) -> bool:
    """Whether the check digit is that of a product's number."""
    return (sum(map(int, digits[-1::-2])) + 3 * sum(map(int, digits[-2::-2]))) % 10 == 0


GROUPS_BEFORE = re.compile(r"(?<![0-9a-z])(?:[0-9a-z]{2}[0-9]{2}|[0-9]{1,3})[ ._/-]$")
INSIDE = re.compile(r"(?:^|[^0-9a-z_:/.-])[0-9]{1,4}[ ._/\t-]$|[0-9]-$")
MORE = re.compile(r"([ ._/\t-])[0-9]{2}(?![0-9:/h%])(?! ?(?:rue|avenue|av|bd|boulevard|ans|euros?|h|min|place|allee|chemin)\b)")


def _part_of_more(bare: str, start: int, end: int, inner: str) -> bool:
    """Whether the digits go on before or after, separated as they are inside: then it is a longer number."""
    before, mobile = bare[max(0, start - 15) : start], bare.startswith(("06", "07"), start)
    if before[-2:-1].isdigit() and before[-1] in " ._/-\t" and before[-1] in (inner or " ") and INSIDE.search(before[-12:]):
        return not (mobile and MOBILE_PAIRS.fullmatch(before[:-1]))
    after = MORE.match(bare, end)
    if after is None or not inner or after[1] not in inner:
        return False
    return not (mobile and MOBILE_PAIRS.fullmatch(bare, end + 1, end + 15))


def _judge_pairs(bare: str, start: int, end: int, separator: str) -> bool:
    """06 39 98 12 34, with one and the same mark between."""
    digits = bare[start:end].replace(separator, "").replace("o", "0")
    mobile = digits[1] in "67"
    if not is_french(digits) or (separator != " " and bare[end : end + 1] == "_") or _part_of_more(bare, start, end, separator):
        return False
    words = LETTERS.findall(line(bare, start))
    if not words:
        return mobile or not _is_list(digits)
    if NAMES.isdisjoint(words) and (mobile or not _is_list(digits)):
        return True
    if not LOTTERY.isdisjoint(words):
        return False
    if mobile:
        if not _is_named_otherwise(bare, start):
            return True
    elif _is_list(digits) and ABOUT_PHONES.isdisjoint(words):
        return False
    return not is_called_otherwise(bare, start) or not ABOUT_PHONES.isdisjoint(words)


def _is_odd_mobile(written: str, shape: tuple[int, ...]) -> bool:
    """067 788 99 00, or 06 7 7 8 8 9 9 0 0: in any groups, with spaces alone; but 06 12 2026 14 is a day and an hour."""
    if not written.startswith(("06", "07")) or set(written) - NOT_SEPARATORS != {" "} or ")" in written:
        return False
    return (min(shape) > 1 and shape[:3] != (2, 2, 4)) or shape == (2, *(1,) * 8)


def _judge_national(bare: str, found: re.Match[str]) -> bool:
    written, (start, end) = found[0], found.span()
    if PAIRS.fullmatch(written):  # Most are written so.
        return _judge_pairs(bare, start, end, written[2])
    groups = GROUP.findall(written.replace("o", "0"))
    shape, digits = tuple(map(len, groups)), "".join(groups)
    single = shape == (1,) * 10  # 0 6 1 2 3 4 5 6 7 8
    if shape not in SHAPES and not single and not _is_odd_mobile(written, shape):
        return False
    if not is_french(digits):
        return False
    separators = set(written) - NOT_SEPARATORS
    if single:
        plausible = digits[1] in "67" or (len(set(digits)) > 3 and digits != "0123456789")
        return plausible and len(separators) == 1 and not _part_of_more(bare, start, end, "".join(separators))
    if shape in ONLY_SPACED and separators - {" "} and ")" not in written and (shape != (2, 8) or "." in separators):
        return False  # 01.23456789
    if "\n" in separators and not (
        shape == (2, 2, 2, 2, 2) and digits[1] in "67" and len(separators - {" "}) == 1 and "\n\n" not in written
    ):
        return False
    if shape == (5, 5) and (digits[1] not in "67" or digits[4] == digits[9] == "0") and not about_phones(bare, start, end):
        return False  # Two postal codes.
    if "\t" in separators and (shape != (2, 2, 2, 2, 2) or digits[1] not in "67"):
        return False  # Columns of a table.
    after = bare[end : end + 1]
    if after == "_" and " " not in separators and not about_phones(bare, start):
        return False
    if shape != (2, 2, 2, 2, 2) and after.isalpha():
        return False
    near = bare[max(0, start - 13) : start]
    if shape != (2, 2, 2, 2, 2) and REFERENCE.search(near) and not (ANOTHER.search(near) or about_phones(bare, start)):
        return False
    if separators and _part_of_more(bare, start, end, "".join(separators)):
        return False
    before = LETTERS.findall(line(bare, start))
    if "/" in separators and DATE_AFTER.match(bare, end):
        return False  # du 01/07/76-30/06/1977
    if shape == (10,) and (DECIMALS.match(bare, end) or bare[start - 1 : start] in {"$", "€", "£"}):
        return False
    if written == "0123456789" and not about_phones(bare, start, end):
        return False
    if bare[start - 1 : start] == "#" and digits[1] not in "67":
        return not ABOUT_PHONES.isdisjoint(before)
    if not before:
        return True
    if not LOTTERY.isdisjoint(before):
        return False
    if shape == (2, 2, 2, 2, 2) and "." not in separators and digits[1] in "67" and not _is_named_otherwise(bare, start):
        return True
    return not is_called_otherwise(bare, start) or not ABOUT_PHONES.isdisjoint(before)


def _is_list(digits: str) -> bool:
    """05 10 15 20 25"""
    pairs = [int(digits[at : at + 2]) for at in range(0, 10, 2)]
    steps = {after - before for before, after in pairwise(pairs)}
    return len(steps) == 1 and abs(steps.pop()) <= 10


def _is_address(bare: str, start: int, end: int) -> bool:
    """Whether the digits name a file or a page: `photo-06-78-12-34-56.jpg`, `https://exemple.fr/p/0678123456`."""
    if bare.startswith(".", end) and FILE.match(bare, end):
        return True
    return bare.startswith(("/", "-", "_", "="), start - 1) and PAGE.search(bare, max(0, start - 120), start) is not None


def _judge_odd(bare: str, found: re.Match[str]) -> bool:
    if not is_french("".join(GROUP.findall(found[0].replace("o", "0")))):
        return False
    if found[1] in {" ", ".", "-"}:
        return "o" in found[0][1:]  # All others have been judged.
    if "," in found[1] and not about_phones(bare, *found.span()) and (" " in found[1] or found[0] != bare.strip()):
        return False  # A list: of departments, for instance.
    return bare[found.start() - 1 : found.start()] != found[1]


def _is_named_otherwise(bare: str, start: int) -> bool:
    """Whether the very word before the number says what it is: `référence : 06 12 34 56 78`."""
    words = [word for word in called(bare, start) if word not in SMALL_WORDS]
    return bool(words) and words[-1] in NEVER_A_PHONE


def _foreign(bare: str, found: re.Match[str]) -> Hit | None:
    """The longest run of whole groups that is a valid number."""
    start, first = found.start(), found.start("rest")
    if bare[start - 1 : start] in {"(", "["} and (")" in found[0] or "]" in found[0]):
        start -= 1
    if bare[start] == "0" and not bare.startswith("33", first) and GROUPS_BEFORE.search(bare, max(0, start - 12), start):
        return None  # The inside of an account number.
    written = found["rest"]
    if code_of(written[:3]) is None and written[:3].isdigit():
        return None
    if written[:3] in FRANCE_AND_MORE and PAIRS.fullmatch("0" + written[3:]):  # +33 6 39 98 12 34
        if is_french("0" + written[3:].replace(written[4], "")):
            return Hit(PHONE, start, found.end(), "+33")
        return None
    trunk = TRUNK.search(written) if "(" in written else None
    if trunk is not None:
        written = written[: trunk.start()] + " " * (trunk.end() - trunk.start()) + written[trunk.end() :]
    groups = [(group[0], group.end()) for group in GROUP.finditer(written)]
    if bare.startswith("+ ", start) and len(groups) == 1 + written.count(".") < 3 and not about_phones(bare, start):
        return None  # A sum.
    zeroes = bare[start : start + 3].lstrip("(").startswith("00")
    every = "".join([group for group, _ in groups])
    code = code_of(every)
    if code is None:
        return None
    if len(groups[0][0]) < len(code) and len(groups) < len(every):  # 005 823 422
        return None
    if zeroes and len(every) == 8 and len(groups) == 4:  # 00 12 34 56 78
        return None
    size = len(every)
    for count in range(len(groups), 0, -1):
        digits = every[:size]
        size -= len(groups[count - 1][0])
        invented = count == len(groups) and _is_invented(bare, found, code, digits)
        if not 6 <= len(digits) <= 16 or not (invented or _exists(code, digits[len(code) :])):
            continue
        end = first + groups[count - 1][1]
        if count == len(groups) and bare[end : end + 1].isalpha() and len(groups) == 1:
            return None
        if zeroes and code != "33" and len(groups) == 1 and _is_padded(bare, start, code, every):
            return None
        if written.count(".") == 1 and (
            COORDINATES.match(bare, first) or COORDINATE_BEFORE.search(bare, max(0, start - 20), start)
        ):
            return None
        return Hit(PHONE, start, end, f"+{code}")
    return None


def _exists(code: str, rest: str) -> bool:
    # +33 692 … for La Réunion is not right, but it is written.
    return is_valid(code, rest) or (code == "33" and len(rest) == 9 and is_french("0" + rest))


def _is_invented(bare: str, found: re.Match[str], code: str, digits: str) -> bool:
    """With a plus and the right length, a number that was never given out is meant as one: `+1 555 123 4567`."""
    if bare[found.start()] != "+" or not 9 <= len(digits) <= 15 or "." in found[0] or not is_possible(code, digits[len(code) :]):
        return False
    return NOT_COUNTED.match(bare, found.end()) is not None


def _is_padded(bare: str, start: int, code: str, digits: str) -> bool:
    """Whether 00 and digits without a gap are rather a reference padded with zeroes."""
    if about_phones(bare, start):
        return False
    return code in {"1", "7"} or len(digits) < 10 or is_called_otherwise(bare, start) or is_ean("00" + digits)


def detect(bare: str) -> Iterator[Hit]:
    if "+" in bare or "00" in bare or "%2b" in bare:
        at = 0
        while (found := INTERNATIONAL.search(bare, at)) is not None:
            hit = _foreign(bare, found)
            at = hit.end if hit else found.start("rest") + 1
            if hit:
                yield hit
    at = 0
    while (found := NATIONAL.search(bare, at)) is not None:
        start = found.start()
        at = start + 1  # Within 03/1985 06 45 one may begin.
        if _judge_national(bare, found) and not _is_address(bare, start, found.end()):
            at = found.end()
            opened = bare[start - 1 : start] in {"(", "["} and (")" in found[0] or "]" in found[0])
            yield Hit(PHONE, start - opened, found.end(), "fr")
    for found in ODD_PAIRS.finditer(bare):
        if _judge_odd(bare, found):
            yield Hit(PHONE, found.start(), found.end(), "fr")
    if "33" in bare:
        for found in WITHOUT_PLUS.finditer(bare):
            groups = tuple(map(len, GROUP.findall(found[0])))
            about = about_phones(bare, found.start())
            alone = groups == (2, 1, 2, 2, 2, 2) and not _part_of_more(bare, found.start(), found.end(), " ")
            alone = alone or (groups == (11,) and _is_alone(bare, found))
            if (alone or about) and is_french("0" + "".join(GROUP.findall(found[0]))[2:]):
                yield Hit(PHONE, found.start(), found.end(), "+33")


def _is_alone(bare: str, found: re.Match[str]) -> bool:
    """33612345678 between blanks, which nothing calls otherwise: mobile numbers are exported so."""
    start, end = found.span()
    if found[0][2] not in "67" or bare[start - 1 : start] not in BLANKS or bare[end : end + 1] not in BLANKS:
        return False
    return not is_called_otherwise(bare, start)


def normalise(written: str) -> str:
    """One spelling for one number: digits with the country's prefix."""
    digits = "".join(GROUP.findall(TRUNK.sub(" ", written.lower().replace("o", "0"))))
    if digits.startswith("00"):
        digits = digits[2:]
    elif digits.startswith("0"):
        digits = "33" + digits[1:]
    return "33" + digits[3:] if digits.startswith("330") else digits
