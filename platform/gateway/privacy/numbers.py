"""Numbers with check digits: bank cards, IBAN, French social security numbers, and (off by default) companies' numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from gateway.privacy.findings import CARD, IBAN, NIR, SIREN, SIRET, VAT, Hit

# No decimals; but in 4111111111111111,4242424242424242 the comma parts two.
ALONE = r"(?:(?<![0-9][.,].)|(?<=[0-9]{4},.)|(?<=[0-9][ .-][0-9]{2},.))"
S = r"[ \t./_-]{1,3}+"
S0 = r"[ ./_-]{0,3}+"  # As few choices as can be: it stands between all digits.
CARDS = re.compile(
    r"[2-6](?<![0-9].)(?:(?<![a-z].)|(?<=carte.)|(?<=card.)|(?<=cb.)|(?<=visa.)|(?<=amex.))"
    rf"{ALONE}"
    r"(?=(?:[ \t./_,\n-]{0,3}+[0-9]){11})(?:"  # What most numbers fail.
    r"[0-9]{11,18}"
    rf"|[0-9]{{3}}(?:(?:{S}|\n)[0-9]{{4}}){{3}}(?:{S}[0-9]{{3}}(?![0-9]))?"
    rf"|(?<=3)[47][0-9]{{2}}{S}[0-9]{{6}}{S}[0-9]{{5}}|(?<=3)[47][0-9]{{2}}(?:{S}[0-9]{{4}}){{2}}{S}[0-9]{{3}}"
    rf"|(?<=3)[0689][0-9]{{2}}{S}[0-9]{{6}}{S}[0-9]{{4}}|(?<=3)[0689][0-9]{{2}}(?:{S}[0-9]{{4}}){{2}}{S}[0-9]{{2}}"
    rf"|[0-9]{{4}}(?:{S}[0-9]{{5}}){{2}}{S}[0-9]"
    rf"|(?<=[45])[0-9]{{2}}(?:{S}[0-9]{{3}}){{4}}{S}[0-9]|(?<=3)[47][0-9](?:{S}[0-9]{{3}}){{4}}"
    rf"|[0-9](?:{S}[0-9]{{2}}){{7}}|(?: [0-9]){{15}}|[0-9]{{7}}{S}[0-9]{{8}}|[0-9]{{5}}{S}[0-9]{{10}}"
    rf"|[0-9]{{5}}{S}[0-9]{{6}}{S}[0-9]{{4}}|[0-9]{{3}}{S}[0-9]{{12}}|[0-9]{{7}}(?:{S}[0-9]{{4}}){{2}}"
    rf"|(?<![0-9],[0-9])[0-9]{{3}}(?:,[0-9]{{4}}){{3}}(?!,[0-9])|(?<=[45])[0-9]{{3,7}}(?:{S}[0-9]{{4,8}}){{1,3}}(?:{S}[0-9]{{2,3}})?"
    r")(?![0-9a-z])"
)
LOOSE_CARDS = re.compile(rf"[2-6](?<![0-9a-z].){ALONE}(?:{S0}[0-9]){{13,15}}(?![0-9a-z])")  # Grouped in any way.
BRANDS = (
    ("visa", re.compile(r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})")),
    ("mastercard", re.compile(r"(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}")),
    ("amex", re.compile(r"3[47][0-9]{13}")),
    ("diners", re.compile(r"3(?:0[0-5]|095|6[0-9]|[89][0-9])[0-9]{11}")),
    ("discover", re.compile(r"6(?:011|5[0-9]{2}|4[4-9][0-9])[0-9]{12}(?:[0-9]{3})?")),
    ("jcb", re.compile(r"35(?:2[89]|[3-8][0-9])[0-9]{12}|2131[0-9]{11}")),
    ("unionpay", re.compile(r"62[0-9]{14,17}")),
    ("mir", re.compile(r"220[0-4][0-9]{12}")),
    ("maestro", re.compile(r"(?:50|5[6-8]|6[0-9])[0-9]{10}(?:[0-9]{4})?")),
    ("maestro", re.compile(r"(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{8,15}")),
)
ABOUT_CARDS = re.compile(r"\b(?:carte|cb|card|visa|mastercard|amex|diners|paiement|payment|credit|debit|pan)\b")
ABOUT_OTHERS = re.compile(
    r"\b(?:imei|siret|siren|ean|gtin|isbn|commande|order|colis|suivi|tracking|ref|reference|serie|serial|sku|hash"
    r"|commit|timestamp"
    r"|id|uid|facture|invoice|iccid|upc|ean13|dossier|ticket|transaction|mandat|rum|ics)\b"
    r"(?:[ :#=.°\"'/-]|\b(?:no|n|num|numero|number|nr|de|du|d|la|le|l|client"
    r"|est|is|was|id|code|colis|interne|externe|suivi)\b){0,12}$"
)
NIRS = re.compile(
    rf"[1-478](?<![0-9a-z].){ALONE}{S0}[0-9]{{2}}{S0}[0-9]{{2}}{S0}(?:[0-9]{S0}[0-9]"
    rf"|2{S0}[ab]){S0}[0-9]{{3}}{S0}[0-9]{{3}}"
    rf"(?P<key>{S0}\(?(?:[|,/] ?)?(?:cle|key)? ?:? ?[0-9]{{2}}\)?)?(?![0-9a-z])"
)
LOOSE = re.compile(rf"[12](?<![0-9a-z].){ALONE}(?:{S0}[0-9]){{14}}(?![0-9a-z])")  # Grouped in any way.
THREES = re.compile(  # Or fours, or fives.
    rf"[12](?<![0-9a-z].){ALONE}[0-9]{{2}}(?:(?:{S}[0-9]{{3}}){{4}}|[0-9](?:{S}[0-9]{{4}}){{2}}{S}[0-9]{{3}}"
    rf"|[0-9]{{2}}(?:{S}[0-9]{{5}}){{2}})(?![0-9a-z]|[ ._/-][0-9])"
)
NIR_HINTS = frozenset("nir secu securite social insee ameli vitale assure assuree immatriculation nss ssn ss".split())
CARD_HINTS = frozenset("carte cartes card cards cb visa mastercard".split())
ABOUT_NIR = re.compile(
    r"\b(?:nir|secu|securite sociale|social security|insee|ameli|vitale|assure|assuree|n ?° ?ss|nss|immatriculation"
    r"|numero ss|ssn)\b"
)
NOT_KEYLESS = re.compile(
    r"\b(?:isbn|ean|gtin|commande|order|timestamp|colis|suivi|tracking|ref|reference|serie|sku)\b[^0-9\n]{0,14}$"
)
IBANS = re.compile(r"[a-z](?:(?<![0-9a-z].)|(?<=iban.)) ?[a-z][ ._/-]{0,3}[0-9][ ._/-]?[0-9](?=[ \t._/-]{0,3}[0-9a-z])")
COUNTRIES = frozenset(
    "ad ae al ao at az ba be bf bg bh bi bj br by cg ch ci cm cr cv cy cz de dj dk do dz ee eg es fi fk fo fr ga gb ge gi"
    " gl gr gt hn hr hu ie il iq is it jo kw kz lb lc li lt lu lv ly ma mc md me mg mk ml mn mr mt mu mz ne ni nl no om pk"
    " pl ps pt qa ro rs ru sa sc sd se si sk sm sn so st sv tg tl tn tr ua va vg xk ye".split()
)
# Countries that number accounts so without being in the register.
UNREGISTERED = dict.fromkeys("bf bj ci ml ne sn tg".split(), "2!a22!n") | dict.fromkeys("cg cm ga mg".split(), "23!n")
UNREGISTERED |= {"ma": "24!n", "dz": "22!n", "ao": "21!n", "cv": "21!n", "mz": "21!n"}
STRUCTURE = re.compile(r"([0-9]+)!?([nac])")
CLASSES = {"n": "[0-9]", "a": "[a-z]", "c": "[0-9a-z]"}
COMPANY = re.compile(rf"(?<![0-9a-z])(?:[0-9]{{3}}{S0}[0-9]{{3}}{S0}[0-9]{{3}})(?P<nic>{S0}[0-9]{{3}} ?[0-9]{{2}})?(?![0-9a-z])")
FRENCH_VAT = re.compile(r"(?<![0-9a-z])fr ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}(?![0-9a-z])")
NOT_ALNUM = re.compile(r"[^0-9a-z]")
LETTER_VALUES = {ord(letter): str(int(letter, 36)) for letter in "abcdefghijklmnopqrstuvwxyz"}
ODD = {str(digit): sum(divmod(2 * digit, 10)) for digit in range(10)}


def compact(written: str) -> str:
    """Letters and digits alone."""
    joined = written.replace(" ", "")
    return joined if joined.isalnum() else NOT_ALNUM.sub("", joined)


def luhn(digits: str) -> bool:
    """As stdnum.luhn, six times faster."""
    return (sum(map(int, digits[-1::-2])) + sum(map(ODD.__getitem__, digits[-2::-2]))) % 10 == 0


def brand_of(digits: str) -> str | None:
    """Whose card it is; None if it is none."""
    if not luhn(digits):  # Nine of ten end here.
        return None
    return next((name for name, pattern in BRANDS if pattern.fullmatch(digits)), None)


def _before(bare: str, start: int, width: int = 40) -> str:
    before = bare[max(0, start - width) : start]
    return before[before.rfind("\n") + 1 :]


GROUP_BEFORE = re.compile(r"(?<![0-9a-z])([0-9a-z]*[0-9][0-9a-z]*)[ ._/-]$")
IBAN_BEFORE = re.compile(r"[a-z]{2}[0-9]{2}[0-9a-z ._/-]{1,30}$")
ACCOUNT_BEFORE = re.compile(r"[a-z]{2}[0-9]{2}[ ._/-]{0,3}[a-z]{4}[ ._/-]{1,3}$")  # A British IBAN, whose key is wrong.
DATE_BEFORE = re.compile(r"[0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{2,4} $")
REFERENCE = re.compile(r"[0-9][-_/]$")
ANOTHER = re.compile(r"(?:[0-9]{13}|[0-9]{4}(?:[ .-][0-9]{4}){3} ?)[-_/] ?$")
MORE = re.compile(r"[ ._-]{1,2}[0-9]")
GROUP_AFTER = re.compile(r"[ ._-][0-9]{4}(?![0-9])")


def cards(bare: str, tokens: frozenset[str]) -> Iterator[Hit]:
    at = 0
    while (found := CARDS.search(bare, at)) is not None:
        # Within 12/06/2026 4970 one may begin.
        at = found.start() + 1 if bare[found.start() - 1 : found.start()] in {"/", "-", "."} else found.end()
        for hit in _card(bare, found):
            at = hit.end
            yield hit
    if not tokens.isdisjoint(CARD_HINTS):
        for found in LOOSE_CARDS.finditer(bare):
            if ABOUT_CARDS.search(_before(bare, found.start())):
                yield from _card(bare, found)


def _card(bare: str, found: re.Match[str]) -> Iterator[Hit]:
    written = found[0]
    digits = compact(written)
    start, end = found.span()
    brand = brand_of(digits)
    if brand is None and len(digits) == 19 and len(written) > 19:
        # Groups of four and three more, which may be the code on the back.
        end -= len(written) - len(written[:-3].rstrip(" ._/-"))
        digits = digits[:16]
        brand = brand_of(digits)
    if brand is None:
        return
    if not _is_something_else(bare, start, end, digits):
        yield Hit(CARD, start, end, brand)


def _is_something_else(bare: str, start: int, end: int, digits: str) -> bool:
    before = _before(bare, start)
    about_cards = ABOUT_CARDS.search(before) is not None
    if len(digits) == 12 and not about_cards:
        return True
    if ABOUT_OTHERS.search(before) and not about_cards:
        return True
    joined = end - start == len(digits)
    if len(digits) == 13 and not about_cards and _is_ean(digits):
        return True
    if len(digits) == 14 and not about_cards and joined and luhn(digits[:9]) and digits[9:11] == "00":
        return True  # A SIRET, whose first establishments are numbered 00012, 00020…
    if joined:
        return REFERENCE.search(before) is not None and not ANOTHER.search(before)
    group = None if ANOTHER.search(before) else GROUP_BEFORE.search(before)
    if ACCOUNT_BEFORE.search(before):
        return True
    size = len(bare[start:end]) - len(bare[start:end].lstrip("0123456789"))
    if size <= 2:  # A list of small numbers?
        rare = digits[0] not in "45" and not about_cards
        return rare or group is not None or MORE.match(bare, end) is not None
    if group is not None and (size > 4 or len(group[1]) == size) and not DATE_BEFORE.search(before):
        return True
    return size == 4 and GROUP_AFTER.match(bare, end) is not None


def _is_ean(digits: str) -> bool:
    return (sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))) % 10 == 0


def ibans(bare: str) -> Iterator[Hit]:
    for found in IBANS.finditer(bare):
        country = compact(found[0])[:2]
        whole = _iban(country) if country in COUNTRIES else None
        match = whole.match(bare, found.start()) if whole is not None else None
        if match is None:
            continue
        value = compact(match[0])
        if int((value[4:] + value[:4]).translate(LETTER_VALUES)) % 97 == 1:
            yield Hit(IBAN, match.start(), match.end(), country.upper())


@lru_cache(maxsize=1024)
def _iban(country: str) -> re.Pattern[str] | None:
    """The whole number of that country, in any grouping, from stdnum's register."""
    from stdnum import numdb

    parts = numdb.get("iban").info(country.upper() + "00")
    structure = UNREGISTERED.get(country) or (parts[0][1].get("bban") if parts else None)
    if not structure:
        return None
    body = "".join(rf"(?:[ \t._/\n-]{{0,3}}{CLASSES[sort]})" * int(count) for count, sort in STRUCTURE.findall(structure))
    return re.compile(rf"{country[0]} ?{country[1]}[ ._/-]{{0,3}}[0-9][ ._/-]?[0-9]{body}(?![0-9a-z])")


def nirs(bare: str, tokens: frozenset[str]) -> Iterator[Hit]:
    for found in NIRS.finditer(bare):
        value = compact(found[0].replace("cle", "").replace("key", ""))
        if _is_nir(value):
            if value[0] not in "12" and not ABOUT_NIR.search(_before(bare, found.start(), 60)):
                continue  # Numbers given for a time; cards and telephones' serial numbers begin so, too.
            if len(value) == 13 and not _is_keyless(bare, found):
                continue
            yield Hit(NIR, found.start(), found.end(), "" if len(value) == 15 else "no key")
    for found in (THREES if tokens.isdisjoint(NIR_HINTS) else LOOSE).finditer(bare):
        written = found[0]
        before = _before(bare, found.start(), 60)
        if _is_nir(compact(written)) and (
            (THREES.fullmatch(written) and not GROUP_BEFORE.search(before))
            or (ABOUT_NIR.search(before) and not IBAN_BEFORE.search(before))
        ):
            yield Hit(NIR, found.start(), found.end())


def _is_nir(value: str) -> bool:
    month, department = int(value[3:5]), value[5:7]
    if not (1 <= month <= 12 or 20 <= month <= 42 or 50 <= month <= 99) or department == "00":
        return False
    if value[7:10] == "000" or value[10:13] == "000":
        return False
    if len(value) == 13:
        return month <= 12 and value[0] in "12"
    number = value[:13]
    if not number.isdigit():
        number = number.replace("2a", "19").replace("2b", "18")
        if not number.isdigit():
            return False
    if 97 - int(number) % 97 != int(value[13:]):  # Nearly all that is none ends here.
        return False
    from stdnum.fr import nir

    return bool(nir.is_valid(value.upper()))


def _is_keyless(bare: str, found: re.Match[str]) -> bool:
    """Thirteen digits have nothing to check: they must look the part, or be called by their name."""
    before = _before(bare, found.start(), 60)
    if ABOUT_NIR.search(before):
        return True
    groups = re.findall(r"[0-9ab]+", found[0])
    return [len(group) for group in groups] == [1, 2, 2, 2, 3, 3] and not NOT_KEYLESS.search(before)


def companies(bare: str) -> Iterator[Hit]:
    """SIREN, SIRET and French VAT numbers: a company's, so off by default."""
    for found in FRENCH_VAT.finditer(bare):
        value = compact(found[0])
        if luhn(value[4:]) and (12 + 3 * (int(value[4:]) % 97)) % 97 == int(value[2:4]):
            yield Hit(VAT, found.start(), found.end())
    for found in COMPANY.finditer(bare):
        value = compact(found[0])
        if luhn(value[:9]) and luhn(value):
            yield Hit(SIRET if len(value) == 14 else SIREN, found.start(), found.end())
