"""Which numbers exist, country by country, from phonenumbers' metadata. Loaded at first use."""

from __future__ import annotations

import re
from functools import lru_cache

# Numbers kept for fiction, which the metadata do not know as valid.
TESTS = re.compile(r"3363998[0-9]{4}|447700900[0-9]{3}|614915701[0-9]{2}|1[2-9][0-9]{2}55501[0-9]{2}")
OVERSEAS = ("33", "262", "590", "594", "596", "508")  # Written in the French way: 0692 12 34 56 is of La Réunion.


@lru_cache(maxsize=1)
def _codes() -> frozenset[str]:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))


@lru_cache(maxsize=512)
def _lengths(code: str) -> frozenset[int]:
    """How many digits a national number may have: what most strings fail, before any grammar is compiled."""
    return frozenset(length for general, _ in _grammars(code) for length in general)


@lru_cache(maxsize=512)
def _grammars(code: str) -> tuple[tuple[tuple[int, ...], tuple[str, ...]], ...]:
    """For each region of a country's prefix: the possible lengths, and the patterns of its sorts of numbers."""
    from phonenumbers import PhoneMetadata
    from phonenumbers.phonenumberutil import region_codes_for_country_code

    grammars = []
    for region in region_codes_for_country_code(int(code)):
        if region == "001":
            metadata = PhoneMetadata.metadata_for_nongeo_region(int(code))
        else:
            metadata = PhoneMetadata.metadata_for_region(region)
        if metadata is None or metadata.general_desc is None:
            continue
        sorts = [metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.premium_rate, metadata.shared_cost]
        sorts += [metadata.personal_number, metadata.voip, metadata.pager, metadata.uan, metadata.voicemail]
        patterns = tuple(sort.national_number_pattern for sort in sorts if sort is not None and sort.national_number_pattern)
        grammars.append((tuple(metadata.general_desc.possible_length), patterns))
    return tuple(grammars)


@lru_cache(maxsize=512)
def _pattern(code: str) -> re.Pattern[str]:
    patterns = dict.fromkeys(pattern for _, sorts in _grammars(code) for pattern in sorts if pattern != "NA")
    return re.compile(f"(?:{'|'.join(patterns) or '(?!)'})$".replace(r"\d", "[0-9]"))


def warm() -> None:
    """Compile every country's grammar (half a second), for a process that would rather not do so within a turn."""
    for code in _codes():
        _pattern(code)
    _french_pattern()


def code_of(digits: str) -> str | None:
    """The country's prefix: no prefix begins another."""
    codes = _codes()
    for length in (2, 1, 3):
        if digits[:length] in codes:
            return digits[:length]
    return None


def is_valid(code: str, rest: str) -> bool:
    """Whether `rest` is a number of the country, with or without the 0 that one dials at home."""
    lengths = _lengths(code)
    if len(rest) in lengths and _pattern(code).match(rest):
        return True
    if rest[:1] == "0" and len(rest) - 1 in lengths and _pattern(code).match(rest, 1):
        return True
    return len(rest) in {9, 10} and TESTS.fullmatch(code + rest.removeprefix("0")) is not None


@lru_cache(maxsize=1)
def _french_pattern() -> re.Pattern[str]:
    return re.compile("|".join(_pattern(code).pattern for code in OVERSEAS))


def is_french(national: str) -> bool:
    """Ten digits that begin with 0: a number of the plan, given out or not, because people invent `07 12 34 56 78`."""
    return national[1] in "1234567" or _french_pattern().match(national, 1) is not None


def is_possible(code: str, rest: str) -> bool:
    """Whether a number of the country may have so many digits."""
    return len(rest.removeprefix("0")) in _lengths(code)
