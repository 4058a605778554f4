"""Passages for an answer: what search finds, unless nothing of it has to do with the question."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TypeVar

from accounts.models import User
from documents import search as searching
from documents.models import Folder
from documents.search import LONGEST_QUERY, Citation, Hit

__all__ = ["Citation", "RAGService", "strict"]

# A passage that holds less of the question's words than this, and means something else, supports no answer.
ENOUGH_WORDS = 0.34
ENOUGH_MEANING = 0.45  # cosine
LENIENT = 0.5
NEAR_BEST = 0.5  # Beside a relevant passage, one that scores half of the best may help too.


T = TypeVar("T", Citation, Hit)


class RAGService:
    """Retrieval for a turn. Synchronous: asynchronous code goes through `isolation.in_thread`."""

    def retrieve(self, *, user: User, query: str, folders: Sequence[uuid.UUID] | None, top_k: int) -> list[Citation]:
        """The passages that may support an answer, best first; none where the documents do not speak of the question.

        These are for a language model; one that cannot judge by itself whether a passage answers gets the `strict` ones.
        `folders` are exclusive: of those that are gone or not this person's, nothing is found.
        """
        query = query.strip()[:LONGEST_QUERY]
        if not query:
            return []
        if folders is not None:
            folders = list(Folder.objects.visible_to(user).filter(public_id__in=folders).values_list("public_id", flat=True))
            if not folders:
                return []
        hits = searching.rank(user=user, query=query, folders=folders, top_k=top_k)
        return searching.citations(user, supporting(hits, LENIENT))


def strict(found: list[Citation]) -> list[Citation]:
    """Those of what `retrieve` found that a model may use that only quotes."""
    return supporting(found, 1.0)


def supporting(found: list[T], share: float) -> list[T]:
    """What is relevant to a reader who wants `share` of what a strict one does, and what scores near the best of it."""
    if not any(is_relevant(each, share) for each in found):
        return []
    enough = NEAR_BEST * share * max(each.score for each in found)
    return [each for each in found if each.score >= enough or is_relevant(each, share)]


def is_relevant(found: Citation | Hit, share: float = 1.0) -> bool:
    """Whether a passage holds enough of the question's words or of its meaning: `share` of what a strict reader wants."""
    return found.coverage >= share * ENOUGH_WORDS or found.meaning >= share * ENOUGH_MEANING
