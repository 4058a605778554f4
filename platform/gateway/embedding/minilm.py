"""English: all-MiniLM-L6-v2, int8, on one thread."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.embedding import weights

if TYPE_CHECKING:
    from gateway.types import Vectors

TOKENS = 256  # The model's own limit; the tokenizer's file says 128 and cuts there without a word.
BATCH = 16  # texts of like length at once
LONGEST = 20_000  # characters that are looked at of one text to embed; 256 tokens are some 1,200
LOOK_BACK = 64  # tokens in which a window's end is moved back to the end of a sentence
ENDS = ".!?…"


@dataclass(frozen=True, slots=True)
class MiniLM:
    """`embed` looks at the first 256 tokens of each text; `windows` cuts longer ones. Safe for threads."""

    tokenizer: Any
    session: Any
    model_id: int = 1
    name: str = "all-MiniLM-L6-v2"
    dimensions: int = 384
    languages: frozenset[str] = frozenset({"en"})

    @classmethod
    def load(cls) -> MiniLM:
        """Raises `weights.Missing`."""
        if not weights.present():
            raise weights.Missing("the embedding weights were never fetched: run `manage.py fetch_weights`.")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # Its threads do not survive a fork.
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        graph = str(weights.folder() / weights.GRAPH)
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.from_file(str(weights.folder() / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(tokenizer, session)

    def windows(self, text: str) -> list[tuple[int, int]]:
        """Spans that follow one another without a gap, each of at most 254 tokens, ending with a sentence where one ends late."""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        offsets, words = encoding.offsets, encoding.word_ids
        room = TOKENS - 2
        spans: list[tuple[int, int]] = []
        first, begin = 0, 0
        while len(offsets) - first > room:
            cut = _cut(text, offsets, words, first, first + room)
            end = offsets[cut][0]
            spans.append((begin, end))
            first, begin = cut, end
        spans.append((begin, len(text)))
        return spans

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy

        encoded = self.tokenizer.encode_batch([text[:LONGEST] for text in texts])
        rows = [e.ids if len(e.ids) <= TOKENS else [*e.ids[: TOKENS - 1], e.ids[-1]] for e in encoded]
        vectors = numpy.empty((len(rows), self.dimensions), dtype=numpy.float32)
        # Texts of like length together: padding costs as much as words.
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        for at in range(0, len(order), BATCH):
            batch = order[at : at + BATCH]
            longest = max(len(rows[number]) for number in batch)
            ids = numpy.zeros((len(batch), longest), dtype=numpy.int64)
            mask = numpy.zeros((len(batch), longest), dtype=numpy.int64)
            for place, number in enumerate(batch):
                ids[place, : len(rows[number])] = rows[number]
                mask[place, : len(rows[number])] = 1
            vectors[batch] = self.session.run(None, {"ids": ids, "mask": mask})[0]
        return vectors


def _cut(text: str, offsets: list[tuple[int, int]], words: list[int], first: int, limit: int) -> int:
    """The token that begins the next window: after a sentence's end if one is near, else at the start of a word."""
    for cut in range(limit, max(first + 1, limit - LOOK_BACK), -1):
        if words[cut] != words[cut - 1] and text[offsets[cut - 1][1] - 1] in ENDS:
            return cut
        if "\n" in text[offsets[cut - 1][1] : offsets[cut][0]]:
            return cut
    for cut in range(limit, first, -1):
        if words[cut] != words[cut - 1]:
            return cut
    return limit
