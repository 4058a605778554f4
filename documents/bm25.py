"""BM25 as it is stored: the part that depends on a chunk is computed once, in the worker, as a small integer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

K1 = 1.5
B = 0.75
USUAL_LENGTH = 110  # terms of an ordinary chunk: fixed, so that a stored impact stays right as the tenant's texts grow
SCALE = 1000
BLOCK = 256  # postings in a row


def impact(frequency: int, length: int) -> int:
    """BM25's saturated term frequency × 1000, at most 2500. `length` is the chunk's, in terms."""
    return round(SCALE * frequency * (K1 + 1) / (frequency + K1 * (1 - B + B * length / USUAL_LENGTH)))


@dataclass(frozen=True, slots=True)
class Block:
    """Up to 256 postings of one term: chunk ids, ascending, and their impacts."""

    term: str
    number: int
    chunks: list[int]
    impacts: list[int]


def blocks(chunks: Iterable[tuple[int, Mapping[str, int]]]) -> Iterator[Block]:
    """The postings of chunks, given as (id, term frequencies), by term."""
    postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for chunk, terms in chunks:
        length = sum(terms.values())
        for term, frequency in terms.items():
            postings[term].append((chunk, impact(frequency, length)))
    for term in sorted(postings):
        rows = sorted(postings[term])
        for number, start in enumerate(range(0, len(rows), BLOCK)):
            part = rows[start : start + BLOCK]
            yield Block(term, number, [chunk for chunk, _ in part], [value for _, value in part])
