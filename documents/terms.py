"""Text → the terms that the text leg matches: words without accents, stemmed in their language, small words left out."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

ALGORITHMS = {
    "fr": "french",
    "en": "english",
    "de": "german",
    "es": "spanish",
    "it": "italian",
    "pt": "portuguese",
    "nl": "dutch",
}
WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
ELISION = re.compile(r"\b(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu)['’]", re.I)
LONGEST_TERM = 60  # characters

STOP = {
    "en": "a an and are as at be but by can did do does for from had has have how i if in into is it its me my no not of"
    " on or our so such that the their them then there these they this to us was we were what when where which who"
    " why will with would you your",
    "fr": "a ai au aux avec avoir c ce ces cet cette ceux combien comme comment d dans de des doit donc du elle elles en"
    " es est et etre eu il ils j je l la le les leur leurs lui m ma mais me mes moi mon n ne nos notre nous on ont"
    " ou par pas peut pour pourquoi qu quand que quel quelle quelles quels qui s sa sans se sera ses si son sont sur"
    " t ta te tes toi ton tu un une vos votre vous y",
    "de": "aber als am an auch auf aus bei bin bis das dass dem den der des die doch du durch ein eine einem einen einer"
    " eines er es fur hat ich ihr im in ist ja kann mit nach nicht noch nur oder sich sie sind so und uns vom von"
    " vor wann war warum was wenn wer wie wir wird wo zu zum zur",
    "es": "a al como con cual cuando de del donde el ella en es esta este la las lo los mas no o para pero por que quien"
    " se si sin sobre son su sus un una y",
    "it": "a ai al alla che chi come con da dei del della di dove e gli i il in la le lo ma nel nella non o per quando"
    " quanto se si sono su un una",
    "pt": "a ao aos as com como da das de do dos e ela ele em entre mas na nas no nos o onde os ou para pela pelo por"
    " quando que se sem seu sua um uma",
    "nl": "aan als bij dan dat de den der die dit een en er het hij hoe ik in is je kan maar met na naar niet nog of om"
    " onder ook op over te tot uit van voor waar waarom wanneer was wat we wie wij zijn zo",
}
_local = threading.local()


@cache
def stop_words(language: str) -> frozenset[str]:
    return frozenset(STOP.get(language, "").split())


def fold(text: str) -> str:
    """Lower case without accents: `Préavis` and `preavis` are one word."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe").replace("æ", "ae").replace("ß", "ss"))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _stemmer(language: str) -> Any:
    """A stemmer of this thread's own: they keep the word they work on."""
    stemmers: dict[str, Any] = _local.__dict__.setdefault("stemmers", {})
    if language not in stemmers:
        import snowballstemmer

        stemmers[language] = (snowballstemmer.stemmer(ALGORITHMS.get(language, "english")), {})
    return stemmers[language]


def stems(text: str, language: str) -> list[str]:
    """The text's stems in order, small words left out."""
    if language == "fr":
        text = ELISION.sub(" ", text)
    stemmer, known = _stemmer(language)
    stop = stop_words(language)
    if len(known) > 50_000:
        known.clear()
    found: list[str] = []
    for match in WORD.finditer(text):
        # Stemmed with its accents, which the rules read; folded after, so that a question may leave them out.
        word = match[0].lower()
        stem = known.get(word)
        if stem is None:
            folded = fold(word)
            if len(word) > LONGEST_TERM or folded in stop or (len(word) == 1 and not word.isdigit()):
                stem = ""
            else:
                stem = fold(stemmer.stemWord(word))
            known[word] = stem
        if stem:
            found.append(stem)
    return found


def chunk_terms(text: str, language: str) -> Counter[str]:
    """How often each term stands in a chunk. A term carries its language: `fr:preavi`."""
    return Counter(f"{language}:{stem}" for stem in stems(text, language))


def query_terms(text: str, languages: Iterable[str]) -> list[str]:
    """The distinct terms of a question in each language that it may be in, at most 64."""
    return list(dict.fromkeys(f"{language}:{stem}" for language in languages for stem in stems(text, language)))[:64]
