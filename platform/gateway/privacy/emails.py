"""E-mail addresses, also as people write them against robots: `jean [at] exemple [point] fr`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.privacy.findings import EMAIL, Hit

OPEN, CLOSE = r"[\[({<]", r"[\])}>]"
# What stands for the at sign. Each is looked for only where its letters are: most of a text is passed over quickly.
BRACKETED = re.compile(rf"{OPEN} ?(?:at|arobase|arobas|arrobase|a|chez|@) ?{CLOSE}")
SIGNS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("@",), re.compile("@")),
    (("[", "(", "{", "<"), BRACKETED),
    (("|at|", '"at"', "|arobase|", '"arobase"'), re.compile(r"[|\"](?:at|arobase)[|\"]")),
    (("%40", "&#64;", "&commat;"), re.compile(r"&#64;|&commat;|%40")),
    (("_at_", "-at-", "_arobase_", "-arobase-"), re.compile(r"[_-](?:at|arobase)[_-]")),
    (
        (" at ", " chez ", "arobas", "arrobas"),
        re.compile(
            r"(?:arobase|arobas|arrobase|at|chez)(?![a-z0-9_-])(?<![a-z0-9_-]at)(?<![\[({<]at)(?<![a-z0-9_-]chez)(?<![\[({<]chez)"
        ),
    ),
    (
        (" a ",),
        re.compile(r"(?<=[a-z0-9] )a(?= [a-z0-9-]{2,40}(?:\.| point | dot )(?:fr|com|org|net|eu|be|ch|ca|io|lu)(?![a-z0-9-]))"),
    ),
)
AT = re.compile("|".join(f"(?:{pattern.pattern})" for _, pattern in SIGNS))
DOT = (
    rf"(?: ?\. ?(?=[a-z0-9-]+)| ?{OPEN} ?(?:dot|point|punkt|\.) ?{CLOSE} ?| ?[_-](?:dot|point)[_-] ?| (?:dot|point) "
    r"| (?:tiret|dash|hyphen) |&(?:period|#46);)"
)
LOCAL = re.compile(
    r"(?<![\w.+-])([\w+%'&-](?:[\w.+%'&-]{0,62}[\w+&-])?"
    rf"(?:(?: ?{OPEN} ?(?:dot|point) ?{CLOSE} ?| (?:dot|point|underscore|tiret|tiret bas|dash) )[\w+-]{{1,40}}){{0,3}})[\"»]? ?$"
)
NOT_LOCAL = re.compile(r"[/=?|{}`&]")
BACKWARDS = re.compile(r"[\w.+%'&!#$*/=?^`{|}~-]{1,64}")  # A plain local part, read from the at sign.
DOMAIN = re.compile(
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?(?:\.|,(?=(?:fr|com|org|net|io|eu|be|ch|ca|uk|de|es|it)(?![\w.])))){1,8}(?:xn--[a-z0-9-]{2,40}"
    r"|[^\W\d_]{2,24})(?![\w-]*@)(?![^\W_]|-)"
)
LINE_BREAK = re.compile(r"=?\r?\n")  # Wrapped by a mailer.
SPACED_DOMAIN = re.compile(rf" ?[\"«]?((?:[^\W_](?:[\w-]{{0,61}}[^\W_])?{DOT}){{1,4}}([^\W\d_]{{2,24}}))(?![\w-])")
SPELLED_DOT = re.compile(rf"(?<![a-z0-9])(?:dot|point|punkt)(?![a-z0-9])|{OPEN} ?\. ?{CLOSE}")
FILES = frozenset(
    "png jpg jpeg gif svg webp avif ico bmp tiff css scss less js mjs cjs ts tsx jsx json yaml yml toml html htm"
    " xml txt pdf doc docx"
    " xls xlsx csv exe dll woff woff2 ttf otf mp3 mp4 wav gz tgz tar whl jar war deb rpm log lock php local".split()
)
# Endings that are plausible where the at sign and the dot are spelled out in words.
ENDINGS = frozenset(
    "fr com org net eu info io be ch ca de uk us es it pt nl lu mc re gp mq ai app dev biz tech pro gouv edu gov"
    " co me tv paris bzh alsace"
    " corsica asso email cloud online site name int".split()
)
NOT_PEOPLE = frozenset(
    "you look looking looks us me it is be are was meet available hosted see find site arrive arrived live living"
    " work working works chat"
    " here there check visit stay buy sold good best join more us website page store shop only shopping report"
    " posted read rdv arrive".split()
)
JOINED_NAME = re.compile(
    r"[a-z]{1,30}(?:[._][a-z0-9]{2,30}){1,3}|[a-z]{4,30}[0-9]{1,4}"
)  # One writes so of a mailbox, not of a person.
GREETINGS = frozenset(
    "hello bonjour salut hi hey coucou bonsoir cc via merci thanks dear cher chere follow suivez avec with par by".split()
)
# What is nothing but mail: "tom chez gmail point com".
MAILBOXES = re.compile(r"(?:gmail|googlemail|hotmail|outlook|icloud|yahoo|protonmail|proton|gmx|laposte|wanadoo)\b")
ABOUT_MAIL = re.compile(r"\b(?:e-?mails?|mails?|mel|courriel|adresse|address)\b[^\n.!?]{0,40}$")
IN_ADDRESS = re.compile(r"://[^\s/@?#]{0,100}$")  # Before the host of https://name:password@host is no mailbox.
SPELLED = re.compile(rf"[|\"]|{OPEN} ?(?:at|arobas|arobase|arrobase|a|chez|@)|&#|&comm|%40|aro|arr")


def detect(bare: str) -> Iterator[Hit]:
    for letters, pattern in SIGNS:
        if not any(letter in bare for letter in letters):
            continue
        for found in pattern.finditer(bare):
            hit = _plain(bare, found) if found[0] == "@" else None
            if hit is None:
                hit = _spelled(bare, found)
            if hit is not None:
                yield hit


def _plain(bare: str, found: re.Match[str]) -> Hit | None:
    at = found.start()
    if bare[at - 1 : at] == "\\":
        at -= 1  # Escaped, as in Markdown.
    local = BACKWARDS.match(bare[max(0, at - 64) : at][::-1])
    domain = DOMAIN.match(bare, found.end())
    if domain is None and (broken := LINE_BREAK.match(bare, found.end())) is not None:
        domain = DOMAIN.match(bare, broken.end())
        if domain is not None and domain[0].rsplit(".", 1)[-1] not in ENDINGS:
            return None
    if local is None or domain is None:
        return None
    start = at - local.end()
    while start < at and bare[start] in ".'&!#$*/=?^`{|}~-%":  # Punctuation before an address is not its own.
        start += 1
    cut = NOT_LOCAL.search(local[0])  # …?to=jean@exemple.fr
    start = max(start, at - cut.start()) if cut else start
    if start >= at or bare[at - 1] == "." or (start and bare[start - 1] == "@"):
        return None
    if domain[0].rsplit(".", 1)[-1] in FILES or (
        "://" in bare[max(0, start - 120) : start] and IN_ADDRESS.search(bare, max(0, start - 120), start)
    ):
        return None
    after = bare[domain.end() : domain.end() + 2]
    if bare[start:at] in {"git", "hg", "svn"} and (after[:1] in {":", "/"}):
        return None  # A repository's address.
    return Hit(EMAIL, start, domain.end())


def _spelled(bare: str, found: re.Match[str]) -> Hit | None:
    sign, at = found[0], found.start()
    local = LOCAL.search(bare[max(0, at - 110) : at])
    domain = SPACED_DOMAIN.match(bare, found.end())
    if local is None or domain is None:
        return None
    name, ending = local[1], domain[2]
    written_dot = "." in domain[1] and not SPELLED_DOT.search(domain[1])
    if ending in FILES or not any(letter.isalnum() for letter in name):
        return None
    if sign == "@":
        before, after = bare[at - 1] == " ", bare[found.end() : found.end() + 1] == " "
        if ending not in ENDINGS or name in NOT_PEOPLE:
            return None
        if before and not after and not _is_called_mail(bare, at, name):
            return None  # "hello @jean.fr" is a mention.
        if before == after and not before and "." in domain[1] and not re.search(r" \.|\. |[\[({<]", domain[1]):
            return None  # Not spelled out, so it was judged as it is.
    elif sign in {"chez", "a"}:
        dictated = not written_dot and MAILBOXES.match(domain[1]) is not None
        dictated = dictated or (not written_dot and ABOUT_MAIL.search(bare, max(0, at - 60), at) is not None)
        if ending not in ENDINGS or not (JOINED_NAME.fullmatch(name) or dictated):
            return None
    elif sign == "at":
        like_address = any(mark in name for mark in "._") or name[-1].isdigit()
        if ending not in ENDINGS or name in NOT_PEOPLE or (written_dot and not like_address):
            return None
    elif not SPELLED.match(sign) and ending not in ENDINGS:
        return None
    start = max(0, at - 110) + local.start(1)
    return Hit(EMAIL, start, domain.end(), "spelled out")


def _is_called_mail(bare: str, at: int, name: str) -> bool:
    if JOINED_NAME.fullmatch(name) or name[-1].isdigit():
        return True
    if bare[bare.rfind("\n", 0, at) + 1 : at].strip() == name and name not in GREETINGS:
        return True
    return ABOUT_MAIL.search(bare, max(0, at - 60), at) is not None


_AT_ANY = re.compile(rf"\s*(?:{AT.pattern})\s*")
_DOT_ANY = re.compile(
    rf"\s*{OPEN}\s*(?:dot|point|punkt|\.)\s*{CLOSE}\s*|[_-](?:dot|point)[_-]|\s+(?:dot|point)\s+|&(?:period|#46);|\s*[.,]\s*"
)


_DASH = re.compile(r"\s+(?:tiret|dash|hyphen)\s+")
_UNDERSCORE = re.compile(r"\s+(?:underscore|tiret bas)\s+")


def normalise(written: str) -> str:
    written = _DASH.sub("-", _UNDERSCORE.sub("_", written.lower()))
    return _DOT_ANY.sub(".", _AT_ANY.sub("@", written, count=1))
