"""The built-in embedders: one for English, one for other languages, and one that needs no weights.

A chunk's language chooses its embedder, and its `model_id` is stored beside the vector.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Final

from gateway.types import Embedder

__all__ = ["LEXICAL", "MINILM", "MULTILINGUAL", "by_id", "for_language", "loaded", "similarity"]

MINILM: Final = 1
MULTILINGUAL: Final = 2
LEXICAL: Final = 3

_made: dict[int, Embedder] = {}
_made_by = os.getpid()
_lock = threading.Lock()


def for_language(language: str) -> Embedder:
    """The embedder for texts in `language` (ISO 639-1); loads it on first use, which takes up to a second.

    Lexical hashing where English weights were never fetched: it finds shared words only, and its name says so.
    """
    if language == "en":
        from gateway.embedding import weights

        return by_id(MINILM if weights.present() else LEXICAL)
    return by_id(MULTILINGUAL)


def by_id(model_id: int) -> Embedder:
    """The one instance of this process. Raises `LookupError` for an unknown id, `weights.Missing` without its weights."""
    if model_id not in _MAKERS:
        raise LookupError(f"there is no embedder {model_id}")
    global _made_by  # noqa: PLW0603
    with _lock:
        if _made_by != os.getpid():
            # A session of onnxruntime does not survive a fork: its threads stay with the parent.
            _made.clear()
            _made_by = os.getpid()
        if model_id not in _made:
            _made[model_id] = _MAKERS[model_id]()
        return _made[model_id]


def loaded(model_id: int) -> Embedder | None:
    """The instance if this process has it already; never loads one."""
    return _made.get(model_id) if _made_by == os.getpid() else None


def similarity(language: str) -> Callable[[str, Sequence[str]], Sequence[float]] | None:
    """How alike a question in `language` and each of some texts are (cosine), if this process has the embedder loaded already."""
    embedder = loaded(MINILM if language == "en" else MULTILINGUAL)
    if embedder is None:
        return None

    def alike(question: str, texts: Sequence[str]) -> Sequence[float]:
        vectors = embedder.embed([question, *texts])
        return [float(value) for value in vectors[1:] @ vectors[0]]

    return alike


def _minilm() -> Embedder:
    from gateway.embedding.minilm import MiniLM

    return MiniLM.load()


def _multilingual() -> Embedder:
    from gateway.embedding.multilingual import Multilingual

    return Multilingual.load()


def _lexical() -> Embedder:
    from gateway.embedding.lexical import Lexical

    return Lexical()


_MAKERS: dict[int, Callable[[], Embedder]] = {MINILM: _minilm, MULTILINGUAL: _multilingual, LEXICAL: _lexical}


def _after_fork() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
