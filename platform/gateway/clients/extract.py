"""Finds the sentences of passages that answer a question, by the words they share and what those words are worth."""

from __future__ import annotations

import functools
import math
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.clients import sentences
from gateway.clients.sentences import Sentence
from gateway.types import Passage

Similarity = Callable[[str, Sequence[str]], Sequence[float]]

MOST = 4  # sentences of an answer
LONGEST = 600  # characters of a quotation
ANSWERS = 0.42  # of the question's weight that a sentence and what stands around it must carry
ALONE = 0.28  # of that, what the sentence itself must carry
ALIKE = 0.45  # similarity by meaning that stands in for shared words
NEAR_BEST = 0.72  # of the best score, for a sentence to be quoted beside it
SAME = 0.75  # share of words in common that makes two sentences one
AROUND = 0.4  # weight of a word that stands in the heading, the title or the sentence before, and not in the sentence
KIN = 0.75  # weight of a word that only begins alike: résilier, résiliation
KIN_LENGTH = 5

STEMMERS = {"fr": "french", "de": "german", "es": "spanish", "it": "italian", "pt": "portuguese", "nl": "dutch"}
_local = threading.local()

WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
CITATION = re.compile(r"\[\d{1,3}\]")
STOP = frozenset(
    "a ai as au aux avec avoir c ce ces cet cette ceux chez comme d dans de des doit dois donc du elle elles en entre"
    " es est et etre eu eux fait faire faut il ils j je l la le les leur leurs lui m ma mais me mes moi mon n ne nos"
    " notre nous on ont or ou par pas peut peux plus pour puis qu que quel quelle quelles quels qui quoi s sa sans se"
    " ses si son sont sur t ta te tes toi ton tu un une vos votre vous y combien comment pourquoi quand ete sera"
    " existe dire dit dis explique donne document documents selon a an and any are as at be been but by can could did"
    " do does for from get had has have how i if in into is it its may me much many my need no not of on one or our"
    " shall should so some than that the their them then there these they this those to us was we were what when where"
    " which who whom whose why will with would you your tell give explain say says according please long".split()
)
# What a question asks for shows in the sentence that answers it, whatever its words.
QUANTITY = re.compile(
    r"\b(?:combien|quels? (?:est|sont) l[ea]s? (?:montants?|prix|tarifs?|taux|durées?|délais?|nombres?|préavis)"
    r"|quelle (?:est la )?durée|how (?:many|much|long|often|old|far|big|large|high)"
    r"|what (?:is|are) the (?:price|cost|rate|amount|number|duration|limit|deadline)s?)\b",
    re.IGNORECASE,
)
MOMENT = re.compile(r"\b(?:quand|quelle (?:date|heure|année)|when|what (?:date|time|year|day))\b", re.IGNORECASE)
NUMBER = re.compile(
    r"\d|\b(?:un|une|deux|trois|quatre|cinq|six|sept|huit|neuf|dix|onze|douze|quinze|vingt|trente|cent|mille"
    r"|one|two|three|four|five|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|hundred|thousand)\b",
    re.IGNORECASE,
)
WHEN = re.compile(
    r"\d|\b(?:janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre|lundi|mardi|mercredi|jeudi|vendredi"
    r"|samedi|dimanche|january|february|march|april|june|july|august|september|october|november|december|monday|tuesday|wednesday"
    r"|thursday|friday|saturday|sunday)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A sentence that answers, and the number of its passage."""

    number: int
    sentence: Sentence
    score: float


@dataclass(slots=True)
class _Candidate:
    order: int
    passage: Passage
    sentence: Sentence
    terms: frozenset[str]
    around: frozenset[str]
    alone: float = 0.0
    score: float = 0.0


def best_sentences(
    question: str, passages: Sequence[Passage], *, language: str, similarity: Similarity | None = None
) -> list[Found]:
    """One to four sentences in reading order; empty when none answers. `similarity` gives each sentence's likeness by meaning."""
    wanted = terms(question, language)
    if not wanted or not passages:
        return []
    candidates = _candidates(passages, language)
    worth = _worth(wanted, candidates)
    total = sum(worth.values())
    asks_quantity, asks_moment = bool(QUANTITY.search(question)), bool(MOMENT.search(question))
    for candidate in candidates:
        own = {word: _match(word, candidate.terms) for word in wanted}
        near = {word: _match(word, candidate.around) for word in wanted}
        candidate.alone = sum(worth[word] * own[word] for word in wanted) / total
        candidate.score = sum(worth[word] * max(own[word], AROUND * near[word]) for word in wanted) / total
        if candidate.alone and (
            (asks_quantity and NUMBER.search(candidate.sentence.text)) or (asks_moment and WHEN.search(candidate.sentence.text))
        ):
            candidate.score += 0.15
            candidate.alone += 0.08
        # The end of a sentence whose start is in another chunk reads badly.
        if candidate.sentence.start == 0 and candidate.sentence.text[:1].islower():
            candidate.score *= 0.85
    if similarity is not None:
        _add_meaning(question, candidates, similarity)
    answering = [c for c in candidates if c.score >= ANSWERS and c.alone >= ALONE]
    return _choose(answering)


def terms(text: str, language: str) -> frozenset[str]:
    """Stemmed words without accents and without the small ones."""
    return frozenset(_stem(word, language) for word in _words(text))


def _words(text: str) -> list[str]:
    return [word for word in WORD.findall(fold(text)) if word not in STOP and (len(word) > 1 or word.isdigit())]


def fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe"))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


@functools.lru_cache(maxsize=50_000)
def _stem(word: str, language: str) -> str:
    if word[0].isdigit():
        return word
    # The stemmer keeps the word it works on: one for each thread.
    stemmers = _local.__dict__
    if language not in stemmers:
        import snowballstemmer

        stemmers[language] = snowballstemmer.stemmer(STEMMERS.get(language, "english"))
    return str(stemmers[language].stemWord(word))


def _candidates(passages: Sequence[Passage], language: str) -> list[_Candidate]:
    found: list[_Candidate] = []
    for passage in passages:
        title = terms(re.sub(r"\.\w{2,5}$", "", passage.title).replace("_", " ").replace("-", " "), language)
        heading: frozenset[str] = frozenset()
        before: frozenset[str] = frozenset()
        header: frozenset[str] = frozenset()  # the first row of the table that a row belongs to
        for sentence in sentences.split(passage.text):
            words = terms(sentence.text, language)
            header = (header or words) if "|" in sentence.text else frozenset()
            if sentence.heading and len(words) < 8 and not any(mark in sentence.text for mark in ".;:"):
                heading, before = words, frozenset()
                continue
            quotable = len(words) >= 2 and len(sentence.text) <= LONGEST and not CITATION.search(sentence.text)
            if quotable and not sentence.text.rstrip().endswith("?"):
                found.append(_Candidate(len(found), passage, sentence, words, title | heading | header | before))
            before = words
    return found


def _worth(wanted: frozenset[str], candidates: Sequence[_Candidate]) -> dict[str, float]:
    """Rare words are worth more. A word that stands nowhere is worth as much as the rarest: its absence must show."""
    count = Counter(word for candidate in candidates for word in wanted if _match(word, candidate.terms))
    size = len(candidates) + 1
    return {word: math.log(1 + size / (1 + count[word])) for word in wanted}


def _match(word: str, words: frozenset[str]) -> float:
    if word in words:
        return 1.0
    if len(word) >= KIN_LENGTH and not word[0].isdigit():
        start = word[: max(KIN_LENGTH, len(word) - 3)]
        for other in words:
            if len(other) >= KIN_LENGTH and (
                other.startswith(start) or word.startswith(other[: max(KIN_LENGTH, len(other) - 3)])
            ):
                return KIN
    return 0.0


def _add_meaning(question: str, candidates: list[_Candidate], similarity: Similarity) -> None:
    """Let likeness by meaning count as much as shared words, for the candidates worth the computation."""
    worthy = sorted(candidates, key=lambda c: (-c.score, c.order))[:16]
    for candidate, alike in zip(worthy, similarity(question, [c.sentence.quotable for c in worthy]), strict=True):
        if alike >= ALIKE:
            candidate.alone = max(candidate.alone, ALONE)
        candidate.score = max(candidate.score, 0.6 * candidate.score + 0.55 * alike)


def _choose(answering: list[_Candidate]) -> list[Found]:
    ranked = sorted(answering, key=lambda c: (-c.score, c.order))
    chosen: list[_Candidate] = []
    for candidate in ranked:
        if len(chosen) == MOST or candidate.score < NEAR_BEST * ranked[0].score:
            break
        if not any(_same(candidate, other) for other in chosen):
            chosen.append(candidate)
    chosen.sort(key=lambda c: c.order)
    return [Found(c.passage.number, c.sentence, c.score) for c in chosen]


def _same(one: _Candidate, other: _Candidate) -> bool:
    both = len(one.terms & other.terms)
    return both >= SAME * min(len(one.terms), len(other.terms))
