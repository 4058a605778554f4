"""A question's difficulty, told from its words in both languages."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bench.difficulty.__main__ import auc, held_out
from bench.difficulty.prompts import prompts
from gateway import difficulty


def test_it_beats_length_on_templates_it_has_not_seen_in_both_languages() -> None:
    rows = prompts()
    x = np.array([difficulty.features(row.text) for row in rows])
    y = np.array([float(row.hard) for row in rows])
    length = np.array([float(len(row.text)) for row in rows])
    scores = held_out(rows, x, y)
    found = {}
    for language in ("fr", "en"):
        mine = np.array([row.language == language for row in rows])
        found[language] = auc(scores[mine], y[mine])
        assert found[language] > auc(length[mine], y[mine]) + 0.1

    assert len(rows) >= 300
    assert found["fr"] >= 0.80
    assert abs(found["fr"] - found["en"]) <= 0.05


@pytest.mark.parametrize(
    ("easy", "hard", "reason"),
    [
        ("Quelle est la capitale de l'Italie ?", "Démontre que 2^n > n pour tout entier n.", "asks_proof"),
        ("What is the capital of Italy?", "Prove that 2^n > n for every integer n.", "asks_proof"),
        ("Merci beaucoup !", "Écris une fonction Python qui trie une liste sans doublons, avec tests unitaires.", "asks_code"),
        ("Thank you!", "Write a Python function that sorts a list without duplicates, with unit tests.", "asks_code"),
    ],
)
def test_it_says_why(easy: str, hard: str, reason: str) -> None:
    assert difficulty.estimate(easy).score < 0.5 < difficulty.estimate(hard).score
    assert reason in difficulty.estimate(hard).reasons
    assert difficulty.estimate(easy).reasons


@pytest.mark.parametrize("text", ["", " ", "?", "é" * 50_000, "if " * 20_000, "a.\n" * 30_000, "{" * 30_000, "1 " * 50_000])
def test_any_text_is_judged_quickly(text: str) -> None:
    began = time.perf_counter()

    assert 0 <= difficulty.estimate(text).score <= 1

    assert time.perf_counter() - began < 0.25
