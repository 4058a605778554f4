"""Names of persons: after a title, or on a list that the caller gives. Masked when masking, without a score by default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from gateway.privacy.findings import NAME, Hit

_CAPITAL = r"(?:(?:d'|l'|O'|Mc|Mac|D'|L')?[A-ZÀ-ÖØ-Þ][\w'’]{1,30}(?:-[A-ZÀ-ÖØ-Þ][\w'’]{1,30}){0,2}|[A-Z]\.)"
TITLED = re.compile(
    r"(?:M\.|MM\.|Mme\.?|Mlle\.?|Monsieur|Madame|Mademoiselle|Mr\.?|Mrs\.?|Ms\.?|Miss|Dr\.?|Docteur|Me|Maître|Pr\.?"
    r"|Professeur|Prof\.?) {1,2}"
    rf"({_CAPITAL}(?: (?:de |du |des |de la |van |von |le |la )?{_CAPITAL}){{0,3}})"
)
ROLES = frozenset("Le La Les Je Vous Nous Il Elle Directeur Directrice Maire Président Présidente Ministre Bonjour Merci".split())


@lru_cache(maxsize=64)
def _listed(names: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(re.escape(name) for name in longest_first) + r")(?!\w)", re.IGNORECASE)


def detect(text: str, names: frozenset[str]) -> Iterator[Hit]:
    for found in TITLED.finditer(text):
        before = text[found.start() - 1 : found.start()]
        if found[1].split(" ", 1)[0] not in ROLES and not before.isalnum():
            yield Hit(NAME, found.start(1), found.end(1), "title")
    if names:
        for found in _listed(names).finditer(text):
            yield Hit(NAME, found.start(), found.end(), "listed")
