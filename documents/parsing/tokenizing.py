"""Stands in for `unstructured.nlp.tokenize`, which would download a language model at first use."""

from __future__ import annotations

import os
import re
import sys
from types import ModuleType

SENTENCE = re.compile(r"(?<=[.!?…])[\"'»”)\]]*\s+(?=[\"'«“(\[]?[A-ZÀ-ÝŒÆ0-9])")
WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")


def sent_tokenize(text: str) -> list[str]:
    """The sentences of a paragraph."""
    return [sentence for sentence in SENTENCE.split(text) if sentence]


def word_tokenize(text: str) -> list[str]:
    """Words and punctuation marks."""
    return WORD.findall(text)


def pos_tag(text: str) -> list[tuple[str, str]]:
    """Words with a guess at their class: unstructured only asks whether there is a verb, and prose is the better guess."""
    return [(word, "VB" if word.isalpha() and len(word) > 2 else "NN") for word in word_tokenize(text)]


def install() -> None:
    """Must run before the first import of `unstructured`, which also reports home unless told not to."""
    os.environ.update(DO_NOT_TRACK="1", SCARF_NO_ANALYTICS="true", UNSTRUCTURED_DISABLE_NOTICE="1")
    module = ModuleType("unstructured.nlp.tokenize")
    module.__dict__.update(sent_tokenize=sent_tokenize, word_tokenize=word_tokenize, pos_tag=pos_tag)
    sys.modules["unstructured.nlp.tokenize"] = module
