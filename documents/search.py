"""Search inside the walls: one round trip per leg, both fused on normalised scores.

The legs are SQL functions (migrations/0003_search.py) that apply the person's rights before they cut.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from django.db import connection
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from documents import languages
from documents.errors import FolderNotFound, InvalidQuery
from documents.fields import literal
from documents.models import Embedding, Folder
from documents.terms import query_terms
from gateway import embedding
from gateway.types import Embedder
from isolation import context

Mode = Literal["hybrid", "vector", "text"]

DEPTH = 200  # hits of each leg that are fused
MOST_RESULTS = 50
LONGEST_QUERY = 2_000  # characters
LEXICAL_MODEL = 3  # Hashed words: they add nearly nothing to BM25.

# How much the vectors say in the sum, by how well their model knows the question's language.
WEIGHT_BEST = 0.5
WEIGHT_MULTILINGUAL = 0.35
WEIGHT_LEXICAL = 0.1
STRANGER = 0.6  # A model that does not know the question's language is believed this much.


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage of a document: `text` is `documents/{document}/text/`[start:end], in code points.

    `box` is the passage on its first page (`{page, width, height, rects}`, in points from the upper left corner), None
    where the format has no pages; `boxes` has all its pages. `coverage` is the share of the question's weight found in it.
    """

    document: uuid.UUID
    title: str
    page: int | None
    pages: tuple[int, ...]
    start: int
    end: int
    box: dict[str, Any] | None
    boxes: tuple[dict[str, Any], ...]
    text: str
    score: float
    scores: dict[str, float | None]
    language: str
    coverage: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "document": str(self.document),
            "title": self.title,
            "page": self.page,
            "pages": list(self.pages),
            "start": self.start,
            "end": self.end,
            "box": self.box,
            "boxes": list(self.boxes),
            "text": self.text,
            "score": self.score,
            "scores": self.scores,
            "language": self.language,
        }

    @property
    def meaning(self) -> float:
        """Cosine to the question, 0 where the vectors did not find it."""
        return self.scores["vector"] or 0.0

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Citation:
        """A passage again, from what `as_json` told of it."""
        rows = {name: told[name] for name in ("title", "page", "start", "end", "box", "text", "score", "scores", "language")}
        return cls(document=uuid.UUID(told["document"]), pages=tuple(told["pages"]), boxes=tuple(told.get("boxes", ())), **rows)


@dataclass(frozen=True, slots=True)
class TextHit:
    score: float
    coverage: float  # share of the question's inverse document frequency that the chunk holds, 0..1


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found; its row is still to be read."""

    chunk: int
    score: float
    text: TextHit | None
    vector: float | None

    @property
    def coverage(self) -> float:
        return self.text.coverage if self.text else 0.0

    @property
    def meaning(self) -> float:
        return self.vector or 0.0


def search(
    *,
    user: User,
    query: str,
    folders: Sequence[uuid.UUID] | None = None,
    top_k: int = 10,
    mode: Mode = "hybrid",
) -> list[Citation]:
    """The best passages of what `user` may read, best first. `folders` None means everywhere.

    Raises `InvalidQuery`, or `FolderNotFound` for a folder that is not there for this person.
    """
    return citations(user, rank(user=user, query=query, folders=folders, top_k=top_k, mode=mode))


def rank(
    *,
    user: User,
    query: str,
    folders: Sequence[uuid.UUID] | None = None,
    top_k: int = 10,
    mode: Mode = "hybrid",
) -> list[Hit]:
    """As `search`, but for the rows: for who keeps only some of them."""
    query = query.replace("\0", "").strip()
    if not query or len(query) > LONGEST_QUERY:
        raise InvalidQuery(_("A question has 1 to %(most)d characters.") % {"most": LONGEST_QUERY})
    if not 1 <= top_k <= MOST_RESULTS:
        raise InvalidQuery(_("top_k is between 1 and %(most)d.") % {"most": MOST_RESULTS})
    within = None if folders is None else _folder_keys(user, folders)
    spoken = languages.of_query(query)
    text = text_leg(query_terms(query, spoken), within) if mode != "vector" else {}
    vectors = vector_leg(query, spoken[0], within) if mode != "text" else {}
    weight = {"text": 0.0, "vector": 1.0}.get(mode, vector_weight(spoken[0]))
    scores = fuse({chunk: hit.score for chunk, hit in text.items()}, vectors, weight)
    best = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))[:top_k]
    return [Hit(chunk, scores[chunk], text.get(chunk), vectors.get(chunk)) for chunk in best]


def _folder_keys(user: User, folders: Sequence[uuid.UUID]) -> list[int]:
    keys = list(Folder.objects.visible_to(user).filter(public_id__in=folders).values_list("pk", flat=True))
    if len(keys) != len(set(folders)):
        raise FolderNotFound(field="folders")
    return keys


def text_leg(terms: list[str], folders: list[int] | None) -> dict[int, TextHit]:
    """BM25 over the postings: chunk → hit, the best `DEPTH`."""
    if not terms:
        return {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT chunk, score, coverage FROM search_text(%s, %s::bigint[], %s)", [terms, folders, DEPTH])
        return {chunk: TextHit(score, coverage) for chunk, score, coverage in cursor.fetchall()}


def vector_leg(query: str, language: str, folders: list[int] | None) -> dict[int, float]:
    """Cosine similarity: chunk → similarity under the model that embedded the chunk, the best `DEPTH`."""
    found: dict[int, float] = {}
    for model in embedders():
        belief = 1.0 if language in model.languages or model.model_id == LEXICAL_MODEL else STRANGER
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT chunk, score FROM search_vectors(%s::ext.vector, %s, %s::bigint[], %s)",
                [_embedded(context.current().schema, model.model_id, query), model.model_id, folders, DEPTH],
            )
            found |= {chunk: score * belief for chunk, score in cursor.fetchall()}
    best = sorted(found, key=lambda chunk: -found[chunk])[:DEPTH]
    return {chunk: found[chunk] for chunk in best}


@lru_cache(maxsize=256)
def _embedded(schema: str, model_id: int, query: str) -> str:
    """A question as a vector. One that is asked of several models, or asked again, is embedded once.

    Nothing of it passes from tenant to tenant, not even that it was quick: `schema` is part of the key.
    """
    [vector] = embedding.by_id(model_id).embed([query])
    return literal(vector)


def embedders() -> list[Embedder]:
    """The models that embed this installation's chunks, each once."""
    models = {model.model_id: model for model in map(embedding.for_language, languages.KNOWN)}
    return [models[key] for key in sorted(models)]


def vector_weight(language: str) -> float:
    """The vectors' share in the sum, 0..1, for a question in a language."""
    model = embedding.for_language(language)
    if model.model_id == LEXICAL_MODEL:
        return WEIGHT_LEXICAL
    return WEIGHT_BEST if language == "en" else WEIGHT_MULTILINGUAL


def fuse(text: Mapping[int, float], vectors: Mapping[int, float], weight: float) -> dict[int, float]:
    """Min–max each leg to 0..1 and add them, the vectors with `weight`; what a leg did not find counts 0 there."""
    lexical, semantic = normalise(text), normalise(vectors)
    chunks = set(lexical) | set(semantic)
    if weight in {0.0, 1.0}:
        chunks = set(semantic) if weight else set(lexical)
    return {chunk: (1 - weight) * lexical.get(chunk, 0.0) + weight * semantic.get(chunk, 0.0) for chunk in chunks}


def normalise(scores: Mapping[int, float]) -> dict[int, float]:
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high <= low:
        return dict.fromkeys(scores, 1.0)
    return {chunk: (score - low) / (high - low) for chunk, score in scores.items()}


def citations(user: User, hits: Sequence[Hit]) -> list[Citation]:
    """The rows behind the hits, read under the person's own policies: a second lock on the same door."""
    if not hits:
        return []
    rows = Embedding.objects.visible_to(user).filter(pk__in=[hit.chunk for hit in hits]).select_related("document")
    by_key = {row.pk: row for row in rows}
    return [
        Citation(
            document=row.document.public_id,
            title=row.document.title,
            page=row.page,
            pages=tuple(row.pages),
            start=row.start,
            end=row.end,
            box=row.boxes[0] if row.boxes else None,
            boxes=tuple(row.boxes),
            text=row.text,
            score=round(hit.score, 6),
            scores={
                "text": round(hit.text.score, 6) if hit.text else None,
                "vector": round(hit.vector, 6) if hit.vector is not None else None,
            },
            language=row.language,
            coverage=hit.coverage,
        )
        for hit in hits
        if (row := by_key.get(hit.chunk)) is not None
    ]
