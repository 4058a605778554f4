"""The model that is always there: it quotes the sentences that answer, and says that it does no more than that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

from django.conf import settings

from gateway import language as languages
from gateway import tokens
from gateway.clients.extract import Found, Similarity, best_sentences
from gateway.types import ChatEvent, ChatRequest, Finish, TextDelta, Usage

GROUP = re.compile(r"(?:\S+\s*){1,3}")  # words that are shown at once

TEXTS = {
    "fr": {
        "one": "Voici ce que disent les documents :",
        "quote": "«\u202f{text}\u202f»\u00a0[{number}]",
        "none": "Les documents consultés ne donnent pas de réponse à cette question.",
        "nothing": "Aucun document accessible ne correspond à cette question : je ne peux donc pas y répondre.",
        "about": "*Je suis le modèle de démonstration intégré : je cite des phrases des documents, je ne rédige pas."
        " Pour connecter un modèle de langue, définissez OLLAMA_API_BASE ou OPENAI_API_BASE.*",
    },
    "en": {
        "one": "Here is what the documents say:",
        "quote": "“{text}” [{number}]",
        "none": "The documents do not answer this question.",
        "nothing": "No document you can read matches this question, so I cannot answer it.",
        "about": "*I am the built-in demonstration model: I quote sentences from documents, I do not write. To connect a language"
        " model, set OLLAMA_API_BASE or OPENAI_API_BASE.*",
    },
}


@dataclass(frozen=True, slots=True)
class BuiltinClient:
    """Needs no network and no weights. `similarity` (by the question's language) lets a sentence answer in other words."""

    similarity: Callable[[str], Similarity | None] = lambda language: None

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Quotations with their passages' numbers, or a plain statement that there is no answer (`grounded` is False)."""
        question = request.question or next((m.content for m in reversed(request.messages) if m.role == "user"), "")
        spoken = request.language or languages.of_question(question, _default(request))
        # Words of each passage are stemmed: tens of milliseconds that other streams of this loop must not wait for.
        found = await asyncio.to_thread(_select, question, request, spoken, self.similarity(spoken))
        text = _compose(found, spoken, bool(request.passages), {each.number: each.title for each in request.passages})
        if request.so_far:
            # Its own words end where they ended before. What another model began it cannot go on with: it quotes beside it.
            text = text[len(request.so_far) :] if text.startswith(request.so_far) else f"\n\n{text}"
        pace = settings.CLOISON_BUILTIN_PACE_MS / 1000
        for group in GROUP.findall(text):
            yield TextDelta(group)
            await asyncio.sleep(pace)
        read = tokens.estimate(question) + sum(tokens.estimate(passage.text) for passage in request.passages)
        yield Usage(read, tokens.estimate(text), estimated=True)
        yield Finish("stop", grounded=bool(found))


def _default(request: ChatRequest) -> str:
    """When the question does not tell, the best passage's language is the likeliest."""
    return next((passage.language for passage in request.passages if passage.language), "en")


def _select(question: str, request: ChatRequest, spoken: str, similarity: Similarity | None) -> list[Found]:
    return best_sentences(question, request.passages, language=spoken, similarity=similarity)


def _compose(found: list[Found], spoken: str, had_passages: bool, titles: Mapping[int, str]) -> str:
    """What has a negative number, an attached file, is named instead."""
    say = TEXTS.get(spoken, TEXTS["en"])
    if found:
        quotes = [say["quote"].format(text=each.sentence.quotable, number=each.number) for each in found]
        for number, title in titles.items():
            if number < 0:
                quotes = [quote.replace(f"[{number}]", f"({title})") for quote in quotes]
        parts = [say["one"], *quotes]
    else:
        parts = [say["none" if had_passages else "nothing"]]
    return "\n\n".join([*parts, say["about"]])
