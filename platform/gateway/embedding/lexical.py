"""Without any weights: feature hashing of words and their pieces. Finds what shares words, knows no meaning, and says so."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.embedding.multilingual import windows_at

if TYPE_CHECKING:
    from gateway.types import Vectors

WORD = re.compile(r"[^\W_]+")
PIECE = 4  # characters
PIECE_WEIGHT = 0.7
WINDOW = 1_200  # characters


@dataclass(frozen=True, slots=True)
class Lexical:
    model_id: int = 3
    name: str = "lexical only (feature hashing)"
    dimensions: int = 384
    languages: frozenset[str] = frozenset()

    def windows(self, text: str) -> list[tuple[int, int]]:
        """Spans of at most 1,200 characters that follow one another without a gap."""
        return windows_at(text, [match.end() for match in re.finditer(r"[.!?]\s+|\n", text)], WINDOW)

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy

        vectors = numpy.zeros((len(texts), self.dimensions), dtype=numpy.float32)
        for row, text in enumerate(texts):
            for feature, weight in _features(text):
                code = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "big")
                vectors[row, code % self.dimensions] += weight if code >> 63 else -weight
            if not vectors[row].any():
                vectors[row, 0] = 1.0  # A vector must have a direction.
        vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def _features(text: str) -> Iterator[tuple[str, float]]:
    """Words, and the pieces that their inflections share, with weights that grow slowly with repetition."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    folded = "".join(character for character in decomposed if not unicodedata.combining(character))
    for word, count in Counter(WORD.findall(folded)).items():
        weight = float(1 + count) ** 0.5 * (1.0 if len(word) > 3 else 0.3)
        yield word, weight
        for at in range(len(word) - PIECE + 1):
            yield "#" + word[at : at + PIECE], weight * PIECE_WEIGHT
