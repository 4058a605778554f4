"""How many tokens a text is, near enough to keep a prompt inside a window when no tokenizer of the model is at hand."""

from __future__ import annotations

CHARACTERS_PER_TOKEN = 3.5  # Low on purpose: French and code give more tokens than English prose.
PER_MESSAGE = 6  # tokens that a chat template adds around a message


def estimate(text: str) -> int:
    """Rather too many than too few. Scripts without spaces count a token for each character."""
    if text.isascii():
        return int(len(text) / CHARACTERS_PER_TOKEN) + 1
    dense = sum(1 for character in text if character >= "\u2e80")
    return int((len(text) - dense) / CHARACTERS_PER_TOKEN) + dense + 1
