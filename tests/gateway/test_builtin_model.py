"""The built-in model quotes what answers, in the question's language, and says plainly when nothing does."""

from __future__ import annotations

import re

import pytest

from gateway.clients import sentences
from gateway.clients.builtin import BuiltinClient
from gateway.types import ChatEvent, ChatMessage, ChatRequest, Finish, Passage, TextDelta, Usage

PASSAGES = (
    Passage(
        1,
        "Télétravail\nLe télétravail est ouvert à tous les salariés ayant plus de six mois d'ancienneté, dans la limite de\n"
        "deux jours par semaine. L'accord écrit du responsable est nécessaire.",
        "reglement.pdf",
        2,
        "fr",
    ),
    Passage(
        2,
        "Rupture du contrat\nEn cas de démission, le préavis est de trois mois pour les cadres et d'un mois pour les autres salariés. "
        "Le salarié adresse une lettre recommandée à M. Durand, au 12 rue des Lilas.",
        "reglement.pdf",
        5,
        "fr",
    ),
    Passage(
        3,
        "Passwords must have at least 14 characters. Backups are kept for 30 days. As shown in [4], backups of passwords are bad.",
        "security.pdf",
        1,
        "en",
    ),
    Passage(
        5,
        "Notes de frais\nDépense | Plafond | Justificatif\nRepas en déplacement, province | 21,10 euros | ticket\n"
        "Nuit d’hôtel, province | 95 euros | facture\nNuit d’hôtel, Paris | 140 euros | facture",
        "frais.md",
        None,
        "fr",
    ),
    Passage(4, "Annual leave is 25 days per year, and unused days expire on 31 May.", "handbook.md", None, "en"),
)


async def ask(question: str, passages: tuple[Passage, ...] = PASSAGES) -> tuple[str, list[ChatEvent]]:
    request = ChatRequest(model="builtin", messages=(ChatMessage("user", question),), passages=passages)
    events = [event async for event in BuiltinClient().stream(request)]
    return "".join(event.text for event in events if isinstance(event, TextDelta)), events


@pytest.mark.parametrize(
    ("question", "expected", "number"),
    [
        ("Quel est le préavis en cas de démission d'un cadre ?", "trois mois", 2),
        ("Combien de jours de télétravail par semaine ?", "deux jours par semaine", 1),
        ("How long are backups kept?", "30 days", 3),
        ("Quel est le plafond pour une nuit d'hôtel à Paris ?", "«\u202fNuit d’hôtel, Paris | 140 euros | facture\u202f»", 5),
        ("How many days of annual leave do I get?", "25 days", 4),
    ],
)
async def test_the_answer_is_a_quotation_with_its_number(question: str, expected: str, number: int) -> None:
    text, events = await ask(question)

    assert expected in text
    assert f"[{number}]" in text
    assert events[-1] == Finish("stop", grounded=True)
    assert isinstance(events[-2], Usage)
    for quote, cited in re.findall(r"[«“]\s?(.+?)\s?[»”] \[(\d)\]", text):
        assert quote in next(p.text for p in PASSAGES if p.number == int(cited)).replace("\n", " ")


async def test_the_answer_speaks_the_questions_language() -> None:
    french, _ = await ask("Combien de jours de télétravail par semaine ?")
    english, _ = await ask("How long are backups kept?")

    assert "modèle de démonstration" in french
    assert "demonstration model" in english
    assert "OLLAMA_API_BASE" in french
    assert "OPENAI_API_BASE" in english


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Qui a gagné la coupe du monde en 1998 ?", "ne donnent pas de réponse"),
        ("Quel est le salaire du directeur ?", "ne donnent pas de réponse"),
        ("What is the capital of Mongolia?", "do not answer"),
        ("Who is the CEO?", "do not answer"),
    ],
)
async def test_without_an_answer_it_says_so_and_cites_nothing(question: str, words: str) -> None:
    text, events = await ask(question)

    assert words in text
    assert not re.search(r"\[\d+\]", text)
    assert events[-1] == Finish("stop", grounded=False)


async def test_without_passages_it_says_so() -> None:
    french, events = await ask("Quel est le préavis ?", ())
    english, _ = await ask("What is the notice period?", ())

    assert "Aucun document" in french
    assert "No document" in english
    assert events[-1] == Finish("stop", grounded=False)


async def test_a_number_in_brackets_in_a_document_is_not_taken_for_a_citation() -> None:
    text, _ = await ask("Why are backups of passwords bad?")

    assert "[4]" not in text


async def test_meaning_finds_what_shares_no_word() -> None:
    request = ChatRequest(model="builtin", messages=(ChatMessage("user", "Puis-je rester chez moi ?"),), passages=PASSAGES[:1])
    by_meaning = BuiltinClient(
        similarity=lambda language: lambda question, texts: [0.9 if "ouvert" in text else 0.1 for text in texts]
    )

    events = [event async for event in by_meaning.stream(request)]

    assert events[-1] == Finish("stop", grounded=True)


def test_sentences_are_exact_pieces_of_the_passage() -> None:
    text = (
        "1. Objet\nLe contrat, conclu avec M. Durand (art. 4), dure 2,5 ans. Il est\nrenouvelable ! « Vraiment ? »\n\n- un point\n"
        "- un autre ; suite\n| a | b |\n"
    )

    found = sentences.split(text)

    assert all(text[each.start : each.end] == each.text for each in found)
    assert [each.quotable for each in found][:3] == [
        "Objet",
        "Le contrat, conclu avec M. Durand (art. 4), dure 2,5 ans.",
        "Il est renouvelable !",
    ]
    left = re.sub(r"[\s\-]|1\.", "", text)
    assert re.sub(r"[\s\-]", "", "".join(each.text for each in found)) == left  # Nothing but bullets and white space is lost.
