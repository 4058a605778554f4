"""Spans are exact, nothing is lost, and a chunk is a passage that a person would quote."""

from __future__ import annotations

import random
import time
from itertools import pairwise

import pytest

from documents import languages
from documents.chunking import PER_TOKEN, TARGET, Chunk, chunk
from documents.parsing.elements import Element, Line, Parsed, TextBuilder

WORDS = "préavis contrat 😀 délai supplier notice période œuvre amount 12,5 mois customs warehouse".split()


def built(*parts: tuple[str, str]) -> Parsed:
    builder = TextBuilder()
    for kind, text in parts:
        builder.add(text, kind, 1, 1 if kind == "title" else 0)  # type: ignore[arg-type]
    return builder.finish()


def paragraph(generator: random.Random, sentences: int) -> str:
    return " ".join(" ".join(generator.choices(WORDS, k=generator.randint(3, 30))).capitalize() + "." for _ in range(sentences))


def cut(parsed: Parsed) -> list[Chunk]:
    return list(chunk(parsed, language="fr"))


@pytest.mark.parametrize("seed", range(5))
def test_every_span_is_exact_and_nothing_is_lost(seed: int) -> None:
    generator = random.Random(seed)
    parts = [
        (generator.choice(["text", "text", "list", "title"]), paragraph(generator, generator.randint(1, 9))) for _ in range(40)
    ]
    parsed = built(*parts)

    chunks = cut(parsed)

    covered: set[int] = set()
    for part in chunks:
        assert parsed.text[part.start : part.end] == part.text
        assert len(part.text) <= TARGET * PER_TOKEN * 1.3
        covered.update(range(part.start, part.end))
    assert not [i for i, c in enumerate(parsed.text) if not c.isspace() and i not in covered]
    assert all(a.start < b.start for a, b in pairwise(chunks))


def test_a_heading_opens_its_chunk() -> None:
    body = "La durée du travail est fixée par cet article et dure ce que dure un article de ce genre. " * 4
    parsed = built(("title", "Article 1. Durée"), ("text", body), ("title", "Article 2. Congés"), ("text", body))

    chunks = cut(parsed)

    assert [c.heading for c in chunks] == ["Article 1. Durée", "Article 2. Congés"]
    assert all(c.text.startswith(c.heading) for c in chunks)


def test_chunks_end_with_sentences() -> None:
    parsed = built(("text", "This sentence is about the notice period of the contract. " * 60))

    for part in cut(parsed):
        assert part.text.endswith(".")


def test_hostile_text_is_cut_in_time() -> None:
    parsed = built(("text", "a" * 200_000 + "!"), ("text", "x. " * 50_000))
    began = time.monotonic()

    chunks = cut(parsed)

    assert time.monotonic() - began < 10
    assert max(len(c.text) for c in chunks) <= TARGET * PER_TOKEN * 1.3


def test_a_page_ends_its_chunk_unless_a_sentence_runs_on() -> None:
    builder = TextBuilder()
    builder.add("A short first page.", "text", 1)
    builder.add("The second page stops in the middle of", "text", 2)
    builder.add("a sentence that the third page ends.", "text", 3)

    chunks = cut(builder.finish())

    assert [c.pages for c in chunks] == [(1,), (2, 3)]


def test_boxes_follow_the_span_over_pages() -> None:
    text = "First line ends here. Second line is on the next page."
    parsed = Parsed(
        text=text,
        elements=(Element("text", 0, len(text), 1),),
        lines=(Line(0, 21, 1, 10, 700, 200, 712), Line(22, len(text), 2, 10, 30, 220, 42)),
        sizes=((595, 842), (595, 842)),
    )

    [part] = cut(parsed)

    assert part.pages == (1, 2)
    assert [box["rects"] for box in part.boxes] == [[[10, 700, 200, 712]], [[10, 30, 220, 42]]]


def test_a_chunk_in_another_language_says_so() -> None:
    english = "Either party may end this agreement by giving ninety days of written notice to the other party. " * 9
    french = "Chaque salarié acquiert vingt-cinq jours ouvrés de congés payés par an, à prendre avant la fin mai. " * 9

    found = [c.language for c in cut(built(("text", french), ("title", "Annex"), ("text", english)))]

    assert found[0] == "fr"
    assert found[-1] == "en"


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Combien de jours de congés payés par an ?", "fr"),
        ("What is the notice period to end the contract?", "en"),
        ("Quel est le préavis ?", "fr"),
        ("How many days?", "en"),
    ],
)
def test_a_question_is_matched_in_its_language(question: str, language: str) -> None:
    assert languages.of_query(question) == (language,)


def test_an_unclear_question_is_matched_in_several() -> None:
    assert {"en", "fr"} <= set(languages.of_query("notice period"))
