"""Which language a text is in, among those that search knows."""

from __future__ import annotations

from functools import cache
from typing import Any

KNOWN = ("fr", "en", "de", "es", "it", "pt", "nl")
SHORT = 60  # letters: below this the guess is no better than the document's own language
SURE = 0.9  # probability

# Little words settle what a question of five words is written in, where statistics on letters only guess.
MARKERS = {
    "fr": frozenset(
        "le la les un une des du de et est sont que qui quel quelle quels quelles dans pour avec sur au aux par ce cette ces"
        " il elle nous vous je ne pas combien comment pourquoi où quand peut doit".split()
    ),
    "en": frozenset(
        "the a an of and is are was what which who how when where why does do did can must in for with on to by this these"
        " it we you not many much long".split()
    ),
    "de": frozenset("der die das ein eine und ist sind wie was wer wann wo warum mit für auf nicht den dem des zu von".split()),
    "es": frozenset("el los las una y es son qué cómo cuándo dónde cuánto para con por que del en se su al".split()),
    "it": frozenset("il lo gli una e è sono che come quando dove quanto per con del della di nel si non".split()),
    "pt": frozenset("o os as um uma e é são que como quando onde quanto para com por do da em não ao".split()),
    "nl": frozenset("de het een en is zijn wat wie hoe wanneer waar waarom met voor op niet van te dat".split()),
}


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(KNOWN))
    return identifier


def detect(text: str) -> tuple[str, float]:
    """The likeliest language of a text and its probability; what is too short for a guess is English with 0."""
    sample = text[:4000]
    if not any(character.isalpha() for character in sample):
        return "en", 0.0
    language, probability = _identifier().classify(sample)
    return str(language), float(probability)


def of_document(text: str) -> str:
    """A document's language, from its first pages."""
    return detect(text)[0]


def of_chunk(text: str, inherited: str) -> str:
    """A chunk's language: the document's, unless the chunk is long enough to be surely in another."""
    if sum(character.isalpha() for character in text) < SHORT:
        return inherited
    language, probability = detect(text)
    return language if probability >= SURE else inherited


def of_query(text: str) -> tuple[str, ...]:
    """The languages in which to match a question, the likeliest first; more than one where it is unsure."""
    words = text.lower().replace("'", " ").replace("’", " ").split()
    votes = {language: sum(word.strip("?!.,;:") in markers for word in words) for language, markers in MARKERS.items()}
    best, second = sorted(votes, key=lambda language: -votes[language])[:2]
    if votes[best] >= votes[second] + 2 or (votes[best] and not votes[second]):
        return (best,)
    language, probability = detect(text)
    if probability >= SURE:
        return (language,) if len(words) >= 4 else tuple(dict.fromkeys((language, "en", "fr")))
    return tuple(dict.fromkeys((best if votes[best] else "en", "en", "fr")))
