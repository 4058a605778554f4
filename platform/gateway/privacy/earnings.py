"""What somebody earns, said with a verb: `je gagne 3200 euros par mois`, `she is paid £54,000`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.privacy.findings import VALUE, Hit

# Looked for before anything else: most texts hold none of them.
STEMS = ("gagn", "touch", "percoi", "percev", "paye", "paid", "remuner", "earn", "mak", "emarge")
VERB = re.compile(
    r"\b(?:gagn(?:e|es|ons|ez|ent|ait|ais|aient|erai|era)|touch(?:e|es|ons|ez|ent|ait|ais|aient|erai|era)"
    r"|perc(?:ois|oit|oivent|evait|evais|evons)|emarge|earn(?:s|ed|ing)?|mak(?:e|es|ing)"
    r"|(?:suis|es|est|etais|etait|sera|serai|sont|am|are|is|was|were|be|being|get|gets|got|'m|'s|'re)"
    r" (?:(?:bien|mal|seulement|only|just|actuellement|currently) )?(?:payee?s?|remuneree?s?|paid))\b"
)
SUBJECT = re.compile(
    r"(?:\b(?:je|j'|tu|il|elle|on|ils|elles|qui|i|he|she|they|we|you|who)"
    r"|\b(?:mon|ma|mes|ton|ta|son|sa|notre|votre|leur|my|our|your|his|her|their) [a-z-]{2,20}(?: [a-z]{2,20})?)"
    r"(?: ?(?:n'|ne|n'en|en|y|actuellement|currently|now|only|just|aussi|also|both|would|will|should|used to))? ?$"
)
NAMED = re.compile(r"(?<![\w'])[A-ZÀ-Þ][\w-]{1,20} $")
FIGURE = re.compile(
    r"(?:[ a-z']{0,24} )?(?P<before>[€$£] ?)?"
    r"(?P<figure>[0-9]{1,3}(?:[ .,'][0-9]{3})+(?:[.,][0-9]{2})?(?![0-9])|[0-9]{1,7}(?:[.,][0-9]{1,2})?(?![0-9.,]))"
    r"(?P<unit> ?(?:k ?(?:€|\$|£|euros?|eur|usd|gbp|chf)?(?![a-z])|€|\$|£"
    r"|(?:euro|eur|dollar|usd|pound|livre|gbp|chf|franc)s?\b))?"
    r"(?P<period>(?P<gap>[ a-z]{0,12}?)(?: ?/ ?(?:mois|an|h|heure|jour|month|year|hour|mo|yr)\b|\b(?:net|brut|nets|bruts|gross"
    r"|par mois"
    r"|par an|par jour|par heure|par semaine|de l'heure|mensuels?|annuels?|a month|a year|an hour|a week|a day|per month"
    r"|per year|per annum|per hour|per day|per week|monthly|annually|yearly)\b))?"
)


def detect(text: str, bare: str, tokens: frozenset[str]) -> Iterator[Hit]:
    if not any(token.startswith(STEMS) for token in tokens):
        return
    for verb in VERB.finditer(bare):
        figure = FIGURE.match(bare, verb.end())
        if figure is None:
            continue
        money = figure["before"] is not None or figure["unit"] is not None
        if not money and (not figure["period"] or figure["gap"].strip() or len(figure["figure"]) < 3):
            continue  # 10 minutes par jour
        start = max(0, verb.start() - 60)
        somebody = SUBJECT.search(bare, start, verb.start()) or NAMED.search(text, start, verb.start())
        if not somebody or not (figure["period"] or _is_large(figure)):
            continue
        begin = figure.start("before") if figure["before"] else figure.start("figure")
        yield Hit(VALUE, begin, figure.end("unit") if figure["unit"] else figure.end("figure"), "amount")


def _is_large(figure: re.Match[str]) -> bool:
    """Nobody says a wage of 50 € without its hour or day; 50 € are won or saved."""
    return "k" in (figure["unit"] or "") or len(re.sub(r"[.,][0-9]{2}$|[^0-9]", "", figure["figure"])) > 3
