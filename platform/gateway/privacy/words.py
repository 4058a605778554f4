"""Sensitive words, and what stands beside them: a secret-looking value, or an amount."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from gateway.privacy.columns import cells_below
from gateway.privacy.findings import VALUE, WORD, Hit
from gateway.privacy.identifiers import is_identifier
from gateway.privacy.vocabulary import (
    ALL_WORDS,
    AMOUNT_WORDS,
    CODE_WORDS,
    KEY_WORDS,
    MONEY_WORDS,
    ONLY_WITH_VALUE,
    PASSWORDS,
    PHRASES,
    SECRET_WORDS,
    TOKENS,
)

AMOUNT = re.compile(
    r"(?:(?:[€$£]|\b(?:eur|usd|gbp|chf)) ?[0-9][0-9 .,']{0,14}(?:[0-9]|\b)(?: ?[km]\b)?"
    r"|(?<![0-9a-z])[0-9](?:[ .,']?[0-9]){0,11} ?(?:k ?(?:€|\$|£|eur|usd|gbp|chf)|k\b|m€|€|\$|£|(?:euro|eur|dollar|usd|livre"
    r"|pound|gbp|chf|franc)s?\b))"
)
BARE_AMOUNT = re.compile(
    r"[ a-z'\"*]{0,24}?(?: ?\([a-z /]{1,16}\) ?)?"
    r"(?:[:=;|]|\bde|\best de|\bis|\bof|\best|\ba)?[ \t\"'*]{0,3}(?<![0-9a-z])([1-9][0-9]{0,2}(?:[ .,'][0-9]{3})+"
    r"|[1-9][0-9]{3,6})(?:[.,][0-9]{2})?"
    r"(?![0-9a-z%/-])( ?(?:net|brut|gross|annuel|mensuel|par mois|par an|a month|a year|per year|per month|monthly|/mois))?"
    r"(?! ?(?:employe|salarie|personne|people|staff|worker|agent|entreprise|compan|poste|ligne|row|record|caracter|character"
    r"|collaborat|foyer|menage|candidat|repon|respond|heure|hour|jour|day|household|token))"
)
FIGURE = re.compile(
    r"(?:[€$£] ?)?[1-9][0-9]{0,2}(?:[ .,']?[0-9]{3})+(?:[.,][0-9]{1,2})?(?: ?(?:€|\$|£|k|eur|usd))?"
    r"|[0-9]{2,3} ?k ?(?:€|\$|£|eur)?"
)
RATE = re.compile(
    r"(?<![0-9a-z_.,])[0-9]{1,5}(?:[.,][0-9]{1,2})?(?: ?/ ?| (?:per|an?|par|de l') ?)"
    r"(?:h|hr|heure|hour|jour|day|mois|month|an|year|yr)\b"
)
# A law's income is nobody's: `le revenu est inférieur ou égal à 30 000 €`
LIMITS = re.compile(
    r"\b(?:inferieure?s?|superieure?s?|exced|plafond|seuil|abattement|tranche|bareme|entre|between"
    r"|less than|below|above|up to|threshold|bracket|limit)"
)
NOT_MONEY = frozenset(
    "form formulaire article art page section code line ligne year annee since depuis room salle poste version".split()
)
# With cents, so money even without its sign: gross 3,120.55, net 2,480.10
CENTS = re.compile(
    r"(?<![0-9a-z_.,])(?!(?:19|20)[0-9]{2}\.)(?:[0-9]{1,3}(?:[ .,'][0-9]{3})+|[0-9]{3,6})[.,][0-9]{2}"
    r"(?![0-9a-z%]|[.,][0-9]| ?(?:h|heures?|hours?|points?)\b)"
)
FILLERS = """alarme porte immeuble coffre portillon parking residence hall local velo cave ascenseur batiment bureau au
garage du de des la le les pour ce cet cette mon ma mes son sa votre notre nos nouveau nouvelle provisoire
temporaire admin administrateur root wifi wi-fi vpn compte serveur base session messagerie boite mail
utilisateur actuel actuelle ci-dessous suivant suivante for the my your our his her new old temporary current
server account database db user email prod production test staging api access acces ssh bancaire carte
imprimante site portail intranet ordinateur pc telephone router routeur box laptop printer master initial
bleue bleu visa par defaut default suite below here of to value is was est etait sera reste devient now
maintenant that not pas c'est authentification authentication auth identification connexion rafraichissement
refresh securite security jwt oauth utilise set changed reset has been have ete change defini modifie sim et
key cle code app application bot service client proxy redis postgres mysql gmail outlook csrf sso still
toujours encore currently actuellement github gitlab aws azure secret secrete""".split()
BETWEEN = re.compile(
    r"'?s?(?: \([^)\n]{0,24}\))?(?:[ _-](?:d'[a-z]{4,20}|(?:d'|l')?(?:"
    + "|".join(map(re.escape, FILLERS))
    + r"))(?![a-z0-9*@#$!&])){0,7}(?: \([^)\n]{0,24}\))?"
    r"[*`\"']{0,3}+(?:\s{0,3}(?P<link>:=|=>|->|→|[:=,;|])\s{0,3}|[ \t]{0,4})(?:(?:est|is|c'est|was|sera) )?[\"'«`“( *]{0,4}"
)
# Any words, then "is" or a colon: only a value that is plainly one counts there.
BRIDGE = re.compile(
    r"(?P<words>(?:,? [a-z'-][a-z0-9'-]{0,19}| [0-9]{1,2}(?= )|'[a-z-]{1,20}){1,8}?)"
    r"(?:,? (?:est|is|was|sera|c'est|c'etait|etait) :?"
    r"| ?(?P<link>[-=]>|→|[:=])| ?(?=[(«\"])) ?[\"'«`“( ]{0,3}"
)
STRONG = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])(?:(?=.*[^A-Za-z0-9.:/-])|(?=.*[a-z])(?=.*[A-Z])).{6,}")
OWNER = re.compile(r" (?:de|du|des|d'|pour|sur|of|for|to|on|from)\b")
# What a few words after `password` may speak of that is not the password: `mot de passe, ticket : INC12345`.
ABOUT_ELSE = frozenset(
    "expire expires expiry expired version date ref reference ticket case numero number id request demande erreur"
    " error algorithm algorithme hash format length longueur page url lien link type file fichier exemple example"
    " field champ name nom user username policy politique regle rule validator level niveau table column colonne"
    " line ligne limit limite max min size taille depuis since valable until before avant apres after build count"
    " total code commit branch step etape essai essais tentative attempts not pas jamais never".split()
)
SEPARATORS = frozenset(" :=>→,\"'«`“(*;|\t")
WHOLE_LINE = re.compile(r"[ \t>*`\"'-]{0,4}[^\s]{4,64}[ \t]*(?:\n|$)")
SAY_LITTLE = frozenset({"pass", "cle", "clef", "pw"})
WITH_DIGIT = re.compile(r"(?=[^\s\"']*[a-zA-Z])(?=[^\s\"']*[0-9])[\w!@#$%^&*+?.-]{6,64}(?![\w(/])")
DECIMAL = re.compile(r"[.,][0-9]{2}(?![0-9])")
YEAR = re.compile(r"(?:19|20)[0-9]{2}")
DATE = re.compile(r"[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,4}")
SHORTER = re.compile(r"(?=[^\s\"']*[a-zA-Z])(?=(?:[^\s0-9]*[0-9]){2})[\w!@#$%^&*+?.-]{6,64}(?![\w(/])")
SHORT = re.compile(
    r"(?=[^\s\"']*[a-zA-Z])(?=(?:[^\s0-9]*[0-9]){2})[\w!@#$%^&*+?.-]{8,64}(?![\w(/])"
)  # After a word that says little.
LEAST = {"pass": SHORTER, "pw": WITH_DIGIT, "cle": SHORT, "clef": SHORT}
LINKED = re.compile(r"\b(?:est|is|was|c'est|sera|etait|to)\b")
VALUES = re.compile(r"[^\s\"'«»`“”<>,;]{3,80}")
# Passwords so common that they need not look like one.
COMMON = frozenset(
    "azerty qwerty azertyuiop qwertyuiop letmein motdepasse password iloveyou jetaime soleil doudou loulou"
    " chouchou marseille bonjour"
    " welcome monkey dragon football baseball princess princesse sunshine superman batman starwars shadow master trustno nicolas"
    " abcdef abcdefgh admin root toor secret monmotdepasse bienvenue coucou chocolat".split()
)
PAIRED = frozenset({"identifiant", "login", "credential"})  # A name, then its password.
PHRASE = re.compile(r"[^\s\"»”]+(?: [^\s\"»”]+){2,23}")
TECHNICAL = re.compile(
    r"(?:sha|md|rsa|aes|rfc|iso|utf|base|argon|bcrypt|oauth|erc|x|ed|rs|hs|es|wpa|ipv|http|tls|ssl|saml|oidc|fido"
    r"|web|cve|gpt|claude|llama|v|jwt|jws|pkcs"
    r"|windows|win|python|php|java|node|art|article|annexe|chapitre|page|p|h|covid|n|t|s|q|iphone|pixel|b|office"
    r"|microsoft|chap|step|user|level|niveau)"
    r"[-_.]?[0-9]{1,5}[a-z]{0,2}(?:[-_.][0-9a-z]{1,4})?"
    r"|0x[0-9a-f]{1,8}|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}|[0-9]{1,2}[h:][0-9]{0,2}|v?[0-9]+(?:\.[0-9]+)+"
    r"|[0-9]+(?:[.,][0-9]+)?[a-z%°€$£]{1,3}|[0-9]+[-/][0-9]+[a-z%]*"
    r"|[0-9]{1,3}(?:er|e|eme|st|nd|rd|th)|[0-9,.]+k?|[0-9]+-[a-z]{2,20}|[a-z]{2,20}-[0-9]{1,2}|1password|[&?;].*"
    r"|https?:.*|www\..*|\.{0,2}/.*|\.?[a-z_][a-z0-9_.=]*[\[(].*|\$\(.*|[^\s]*\]\(.*"
    r"|[a-z]+(?:_[a-z]+)*_password[0-9]?|password[0-9]?_[a-z_]+"
)
COUNTED = re.compile(
    r" ?(?:caractere|character|char|digit|chiffre|lettre|letter|symbol|jour|day|mois|month|minute|heure|hour|fois"
    r"|time|second|an|year)s?\b"
)
DOOR = re.compile(r"[#*]?(?=[0-9a-z#*]*[0-9]{3}|[0-9]{2}[a-z])[0-9]{0,8}[a-z]?[0-9]{0,8}[a-z]?[#*]?")  # 3591#, 7412A, A4512
GROUPED = re.compile(r"[0-9a-z]{3,8}(?:-[0-9a-z]{3,8}){1,11}")
SPACED_CODE = re.compile(
    r"(?:[0-9]{3}[ -][0-9]{3}|[0-9]{2} [0-9]{2}(?: ?[A-Z])?|[0-9](?:[ .-][0-9]){3,5})(?![0-9a-zA-Z]|[ .,/-][0-9])"
)
ENCLOSED = re.compile(r"s? ?\(([^\s()\"',;]{4,64})\)")  # mon ancien mdp (Cactus!8)
QUOTED = re.compile(r"(?<=[\"«“])(?=[^\"»”\n]{0,30}[0-9])(?=[^\"»”\n]{0,30}[^\W\d])([^\s\"»”]+(?: [^\s\"»”]+){1,5})(?=[\"»”])")
REVERSED = re.compile(
    r"(?<![^\s\"'«(`:])([^\s\"'«»`(]{6,64}) ?[\"'»`]? (?:est|is|=|c'est|comme|as|etait|was|en|a good|a strong|a safe|a secure) "
    r"(?:le |la |mon |ma |my |the "
    r"|son |his |her |our |notre |votre |your |un |a ){0,2}"
    r"(?:nouveau |nouvelle |ancien |vieux |bon |vrai |new |old |good |strong |safe |secure )?(?:[A-Z]\w{2,15} )?$"
)
# c'est Cactus8 le mot de passe
TYPED = re.compile(
    r"(?:c'est|mets|tape[zr]?|entre[zr]?|saisi[sr]|saisissez|utilise[zr]?|use|try|enter|type) [\"'«`]?"
    r"([^\s\"'«»`(,]{6,64})[\"'»`]?,? "
    r"(?:le|la|mon|ma|ton|son|notre|votre|the|my|your|our|his|her) $",
    re.IGNORECASE,
)


# 4471B (digicode), 9021, mon code PIN
REMARKED = re.compile(
    r"(?<![^\s\"'«(`:])([^\s\"'«»`(,]{4,64})[\"'»`]?(?: \(|, c'est |, |, that's |, it's )"
    r"(?:le |la |mon |ma |son |my |the |his |her |notre )?$"
)


@lru_cache(maxsize=256)
def vocabulary(extra: frozenset[str], never: frozenset[str]) -> dict[str, list[str]]:
    """All words in force by the first token of each: what a text must hold for anything more to be looked at."""
    words = (ALL_WORDS | extra) - never
    by_first: dict[str, list[str]] = {}
    for word in words:
        if first := TOKENS.search(word):
            by_first.setdefault(first[0], []).append(word)
    return by_first


@lru_cache(maxsize=1024)
def _finder(words: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(
        r"(?<![a-z0-9])(?:"
        + "|".join(re.escape(word).replace(r"\ ", "[ _-]{1,2}") for word in longest_first)
        + r")(?=s?(?![a-z0-9])|(?<=token)s)"
    )


def detect(text: str, bare: str, tokens: frozenset[str], extra: frozenset[str], never: frozenset[str]) -> Iterator[Hit]:
    """Raises nothing. `tokens` are those of `bare`; `extra` and `never` are bare: in lower case, without accents."""
    words = vocabulary(extra, never)
    there = {token for token in tokens if token in words}
    there |= {token[:-1] for token in tokens if token[-1] == "s" and token[:-1] in words}
    if not there:
        return
    candidates = frozenset(word for first in there for word in words[first])
    for found in _finder(candidates).finditer(bare):
        word = re.sub("[ _-]{1,2}", " ", found[0])
        value = _secret(text, bare, found, word) if word in SECRET_WORDS else None
        values = [value] if value is not None else []
        if not values and word in AMOUNT_WORDS and not _is_harmless(bare, found, word):
            values = _amounts(bare, found, word)
        if not values and "\n" in bare:
            values = _below(text, bare, found, word)
        yield from values
        if values or word not in ONLY_WITH_VALUE:
            yield Hit(WORD, found.start(), found.end(), "extra" if word in extra and word not in ALL_WORDS else "")


def _is_harmless(bare: str, found: re.Match[str], word: str) -> bool:
    """Whether it is called so and about no person; or somebody pays: `le client paie 1 200 €`, not `la paie : 1 200 €`."""
    if HARMLESS.match(bare, found.start()):
        return True
    before = BEFORE.search(bare, max(0, found.start() - 24), found.start()) if word == "paie" else None
    return before is not None and before[1] not in ARTICLES


def _below(text: str, bare: str, found: re.Match[str], word: str) -> list[Hit]:
    """What a table has under the word. After four cells that are none it is no such table."""
    money, secret = word in MONEY_WORDS, word in SECRET_WORDS
    values: list[Hit] = []
    others = 0
    for start, end in cells_below(bare, found.start(), found.end() + (bare[found.end() : found.end() + 1] == "s")):
        if money:
            is_one = FIGURE.fullmatch(bare, start, end) is not None
        else:
            written = text[start:end]
            drawn = secret and " " not in written and any(letter.isdigit() for letter in written)
            is_one = drawn and _is_value(written, bare[start:end], word, True, 0, "")
        if is_one:
            values.append(Hit(VALUE, start, end, "amount" if money else "secret"))
        else:
            others += 1
            if others > 3:
                break
    return values


BEFORE = re.compile(r"([a-z']+) $")
ARTICLES = frozenset(
    "la ma sa ta de une leur notre votre cette chaque en premiere derniere logiciel service gestionnaire".split()
)
HARMLESS = re.compile(
    r"diagnos(?:tics?|is) (?:de performance|energetique|reseau|immobilier|technique|systeme|auto|electrique|gaz|amiante|plomb|seo"
    r"|informatique|de panne|tool|mode|of the)"
)
SETTING = re.compile(r"[a-z][a-z_]{1,20}=[a-z]{1,12}\W*|[a-z][a-z_]{1,20}=[0-9]{1,6}\W*")  # mode=fast, retries=3


def _secret(text: str, bare: str, found: re.Match[str], word: str) -> Hit | None:
    ahead, after = bare[max(0, found.start() - 2) : found.start()], bare[found.end() : found.end() + 1]
    if word == "token" and after == "s":
        return None  # What a model counts: tokens=100
    if after == "." and bare[found.end() + 1 : found.end() + 2].isalpha():
        return None  # token.expires_in
    if after not in {":", "="} and (after in {"-", "/"} or ahead[-1:] == "/" or (ahead[-1:] == "-" and ahead != "--")):
        return None  # Words of an address: /mon-token-2024
    enclosed = ENCLOSED.match(text, found.end())
    if enclosed is not None and _stands_out(enclosed[1]) and _is_value(enclosed[1], enclosed[1].lower(), word, True, 0, ""):
        return Hit(VALUE, enclosed.start(1), enclosed.end(1), "secret")
    between = BETWEEN.match(bare, found.end())
    if between is not None:
        hit, over = _beside(text, bare, word, found.end(), between)
        if hit is not None or over:
            return hit
    bridge = BRIDGE.match(bare, found.end(), found.end() + 90)
    if bridge is not None:
        spoken = not set(bridge[0][-2:]) & set("(«")  # Only "is" or a colon.
        for start, end in _candidates(text, bridge.end(), 0):
            if _is_plain(text[start:end], bridge, word, spoken) and _is_value(
                text[start:end], bare[start:end], word, True, 0, bare[end : end + 14]
            ):
                return Hit(VALUE, start, end, "secret")
    from_here = max(0, found.start() - 110)
    before = REVERSED.search(text, from_here, found.start()) or TYPED.search(text, from_here, found.start())
    if before is not None and _is_value(before[1], before[1].lower(), word, True, 0, ""):
        return Hit(VALUE, before.start(1), before.end(1), "secret")
    before = REMARKED.search(text, max(0, found.start() - 80), found.start())
    if before is not None and _is_remarked(before[1], word):
        return Hit(VALUE, before.start(1), before.end(1), "secret")
    return None


def _stands_out(written: str) -> bool:
    digits = sum(letter.isdecimal() for letter in written)
    return STRONG.fullmatch(written) is not None or (len(written) > 5 and 1 < digits < len(written))


def _is_remarked(written: str, word: str) -> bool:
    """Before a comma or a bracket, only what is plainly one: 30 euros (code PIN perdu)."""
    if word in CODE_WORDS and DOOR.fullmatch(written.lower()):
        return 4 <= sum(letter.isdigit() for letter in written) <= 8 and written[:2] not in {"19", "20"}
    return STRONG.fullmatch(written) is not None and _is_value(written, written.lower(), word, True, 0, "")


def _beside(text: str, bare: str, word: str, start: int, between: re.Match[str]) -> tuple[Hit | None, bool]:
    """What stands beside the word, but for fillers; and whether there is nothing more to look for."""
    here, sign = between.end(), between["link"]
    last = text[here - 1]
    if "\n" in text[start:here]:
        apart = WHOLE_LINE.match(text, here) is not None
    else:
        apart = bare[start : start + 1] in {">", "|"} or (here > start and last in SEPARATORS)
    link = sign not in {None, ",", ";", "|"} or LINKED.search(bare, start, here) is not None
    phrase = PHRASE.match(text, here) if word in PHRASES and sign not in {None, ",", ";", "|"} else None
    if phrase is not None:
        return Hit(VALUE, phrase.start(), phrase.end(), "secret"), True
    quoted = QUOTED.match(text, here) if link else None
    if quoted is not None:
        return Hit(VALUE, quoted.start(1), quoted.end(1), "secret"), True
    if word in SAY_LITTLE and (not (sign in {":", "="} or (link and word == "pw")) or not LEAST[word].match(text, here)):
        return None, True
    code = SPACED_CODE.match(text, here) if apart and word in CODE_WORDS and (link or word != "pin") else None
    if code is not None and not COUNTED.match(bare, code.end()):
        return Hit(VALUE, code.start(), code.end(), "secret"), True
    furthest = 2 if word in PAIRED and sign in {":", "=", "=>", "->", "→"} else 0
    for nth, (begin, end) in enumerate(_candidates(text, here, furthest) if apart else ()):
        if _is_value(text[begin:end], bare[begin:end], word, link, nth, bare[end : end + 14]):
            return Hit(VALUE, begin, end, "secret"), True
    return None, False


def _is_plain(written: str, bridge: re.Match[str], word: str, spoken: bool) -> bool:
    """Whether a value stands out even though words stand between; less will do where they say whose it is: `de l'ordi`."""
    if STRONG.fullmatch(written):
        return True
    between = bridge["words"].replace(",", " ").split()
    called = bridge["link"] is not None and len(between) <= 3 and ABOUT_ELSE.isdisjoint(between)  # mdp facebook : juju2007
    if not (called or OWNER.match(bridge["words"])) or not spoken:
        return False
    digits = sum(letter.isdecimal() for letter in written)
    if word in CODE_WORDS and DOOR.fullmatch(written.lower()) is not None:
        return True
    if word in KEY_WORDS and GROUPED.fullmatch(written.lower()) is not None:
        return True
    return digits > 1 and len(written) > 5 and (digits < len(written) or called)


def _candidates(text: str, here: int, furthest: int) -> Iterator[tuple[int, int]]:
    """The next pieces of the same line, without the punctuation after them."""
    for nth, value in enumerate(VALUES.finditer(text, here, here + 120)):
        if nth > furthest or "\n" in text[here : value.start()] or text[value.start() - 1] == "<":
            return  # <secret> stands for one.
        end = value.end()
        while text[value.start() - 1] == "*" and text[end - 1] == "*":
            end -= 1  # In bold.
        while end > value.start() and text[end - 1] in ".:?)":
            end -= 1
        yield value.start(), end


def _is_value(written: str, bare: str, word: str, link: bool, nth: int, after: str) -> bool:
    digits = sum(letter in "0123456789" for letter in written)
    if word in CODE_WORDS and DOOR.fullmatch(bare):
        return 3 <= digits <= 8 and not COUNTED.match(after) and (link or not YEAR.fullmatch(bare))
    if word in KEY_WORDS and digits > 3 and len(bare) > 8 and GROUPED.fullmatch(bare) and not DATE.fullmatch(bare):
        return True
    if digits == len(written):
        if COUNTED.match(after) or nth or after[:1] == "%":
            return False
        if word in CODE_WORDS:
            return 3 <= digits <= 8
        return (
            (link or (word in PASSWORDS and 6 <= digits <= 12))
            and 4 <= digits <= 20
            and word not in {"pass", "token", "jeton", "secret", "identifiant", "bearer", "login"}
            and not (digits == 4 and written[:2] in {"19", "20"})
        )
    if SETTING.fullmatch(bare) or is_identifier(written):
        return False
    if word in PAIRED and not (link and (nth or STRONG.fullmatch(written))):
        return False  # A name alone: identifiant : 45871-B
    if TECHNICAL.fullmatch(bare) or ("@" in bare[1:] and "." in bare.rsplit("@", 1)[1]):
        return False
    if bare in COMMON and link and nth == 0 and word != bare:
        return True
    letters = [letter for letter in written if letter.isalpha()]
    inside = written.strip("()[]{}.!?:")
    symbols = sum(not letter.isalnum() for letter in inside)
    mixed_case = any(letter.islower() for letter in letters) and any(letter.isupper() for letter in written[1:])
    if len(inside) < (4 if link and digits > 1 and len(letters) > 1 else 5):
        return False
    if re.fullmatch(r"\W*(?:\$\{.*|\$[a-z_]+|<.*|\{\{.*|%[a-z]+%|x{3,}.*|\*+.*|\.{2,}.*|_+|\[.*\])\W*", bare):
        return False
    if digits and letters:
        return link or nth == 0
    if symbols and letters and link:
        odd = set(inside) & set("!@#$%^&*+=?~|\\")
        return bool(odd) and "/" not in inside and not inside.endswith("=")
    return link and mixed_case and nth == 0 and not written.isupper() and len(written) >= 8 and _camel_is_random(written)


def _camel_is_random(written: str) -> bool:
    """More changes of case than words joined would have."""
    changes = sum(one.islower() != other.islower() for one, other in pairwise(written))
    return changes >= 5 and "_" not in written


def _amounts(bare: str, found: re.Match[str], word: str) -> list[Hit]:
    """Amounts within the same line, sixty characters after the word; if there are none, the last of thirty-six before it."""
    money = word in MONEY_WORDS
    end = bare.find("\n", found.end(), found.end() + 60)
    end = end if end >= 0 else found.end() + 60
    if word in {"revenu", "income"} and LIMITS.search(bare, max(0, found.start() - 40), end):
        return []
    amounts = [Hit(VALUE, one.start(), one.end(), "amount") for one in AMOUNT.finditer(bare, found.end(), end)]
    if money and not amounts:
        amounts = [Hit(VALUE, one.start(), one.end(), "amount") for one in RATE.finditer(bare, found.end(), end)]
        amounts += [Hit(VALUE, one.start(), one.end(), "amount") for one in CENTS.finditer(bare, found.end(), end)]
    if money:
        number = BARE_AMOUNT.match(bare, found.end(), end)
        if number is not None and NOT_MONEY.isdisjoint(TOKENS.findall(bare, found.end(), number.start(1))):
            year = YEAR.fullmatch(number[1]) is not None and not DECIMAL.match(bare, number.end(1))
            if number[2] or not year:
                amounts.append(Hit(VALUE, number.start(1), number.end(1), "amount"))
    if amounts:
        return amounts
    start = max(0, found.start() - 36)
    start = max(start, bare.rfind("\n", start, found.start()) + 1)
    before = list(AMOUNT.finditer(bare, start, found.start()))
    if before and not re.search(r"[.!?;] ", bare[before[-1].end() : found.start()]):
        return [Hit(VALUE, before[-1].start(), before[-1].end(), "amount")]
    return []
