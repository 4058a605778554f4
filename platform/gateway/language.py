"""Which language a question is in: five words do, where statistics on letters only guess."""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile(r"[^\W\d_]+")

MARKERS = {
    "fr": frozenset(
        "le la les un une des du de et est sont que qui quoi quel quelle quels quelles dans pour avec sur au aux par ce"
        " cette ces son sa ses il elle nous vous je j tu ne pas n c d l qu s y en ou où combien comment pourquoi quand"
        " faut doit peut puis dois ai as avez ont être avoir faire fait mon ma mes notre nos votre vos leur leurs se si"
        " plus moins jours jour mois entre sans après avant sous chez donne résume explique montre bonjour merci"
        " explication réponse sujet".split()
    ),
    "en": frozenset(
        "the a an of and is are was were what which who whom whose how when where why does do did can could should must"
        " may might will would in for with on to by this these that those it its we you i my our your their not no many"
        " much long has have had be been at from as if or there any get give explain show tell list hello hi thanks please"
        " about between without after before under days day month months year years me us".split()
    ),
    "de": frozenset(
        "der die das ein eine einen und ist sind wie was wer wann wo warum mit für auf nicht den dem zu von wird ich wir"
        " viele".split()
    ),
    "es": frozenset(
        "el los las una y son qué cómo cuándo dónde cuánto cuántos cuál para con por del en se su al es no está hay tiene".split()
    ),
    "it": frozenset("il lo gli una e è sono che come quando dove quanto quanti per con della di nel si non qual ha".split()),
    "pt": frozenset("o os uma e é são que como quando onde quanto quantos para com por do da em não ao qual tem".split()),
    "nl": frozenset("de het een en zijn wat wie hoe wanneer waar waarom met voor op niet van te dat hoeveel".split()),
}
LETTERS = {"fr": "éèêëàâçîïôûùœ«»", "de": "äöüß", "es": "ñ¿¡áíóú", "it": "ìòù", "pt": "ãõ", "nl": ""}
# Endings that French has and English has not, and the other way round: for questions of two or three bare nouns.
ENDINGS = {
    "fr": tuple(
        "eur eurs eux euse aux elle ité ités ée ées és er oir ette ure ures age ence ance aire aires ois ie ique iques".split()
    ),
    "en": tuple("ing ings ness ship ful less ly ght ck th wn ew ay ys ity ty cy ry my gy ed ee ow sh ss".split()),
}


def of_question(text: str, default: str = "en") -> str:
    """The likeliest language of a question; `default` when nothing tells."""
    words = [word.lower() for word in WORD.findall(unicodedata.normalize("NFC", text))]
    scores = {language: float(sum(word in marks for word in words)) for language, marks in MARKERS.items()}
    for language, letters in LETTERS.items():
        scores[language] += 0.75 * sum(any(letter in word for letter in letters) for word in words)
    for language, endings in ENDINGS.items():
        scores[language] += 0.2 * sum(len(word) > 4 and word.endswith(endings) for word in words)
    best = max(scores.values())
    if best <= 0:
        return default
    # A tie goes to the default, if it is among the best.
    winners = [language for language, score in scores.items() if score >= best - 1e-9]
    return default if default in winners else winners[0]
