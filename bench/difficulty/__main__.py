"""Fits the estimate of difficulty and says how good it is on templates it has not seen, beside the prompt's length alone.

python -m bench.difficulty [--write]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform")]

from bench.difficulty.prompts import Prompt, prompts  # noqa: E402
from gateway import difficulty  # noqa: E402

FOLDS = 8
RIDGE = 1.0


def fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Logistic regression with a ridge, by Newton's method; the last weight is the bias."""
    x = np.hstack([x, np.ones((len(x), 1))])
    penalty = np.eye(x.shape[1]) * RIDGE
    penalty[-1, -1] = 0.01
    weights = np.zeros(x.shape[1])
    for _ in range(40):
        p = 1 / (1 + np.exp(-x @ weights))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + penalty
        weights -= np.linalg.solve(hessian, x.T @ (p - y) + penalty @ weights)
    return weights


def auc(scores: np.ndarray, hard: np.ndarray) -> float:
    pairs = scores[hard == 1][:, None] - scores[hard == 0][None, :]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def held_out(rows: list[Prompt], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Each prompt's score from weights that saw none of its template, in either language."""
    scores = np.zeros(len(rows))
    fold = np.array([row.template % FOLDS for row in rows])
    for number in range(FOLDS):
        weights = fit(x[fold != number], y[fold != number])
        scores[fold == number] = x[fold == number] @ weights[:-1] + weights[-1]
    return scores


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--write", action="store_true", help="freeze the weights in platform/gateway/difficulty_weights.py")
    args = made.parse_args()
    rows = prompts()
    x = np.array([difficulty.features(row.text) for row in rows])
    y = np.array([float(row.hard) for row in rows])
    length = np.array([float(len(row.text)) for row in rows])
    scores = held_out(rows, x, y)
    print(f"{len(rows)} prompts of {rows[-1].template + 1} templates, {y.mean():.0%} hard")
    for language in ("fr", "en"):
        mine = np.array([row.language == language for row in rows])
        print(f"{language}: AUC held out {auc(scores[mine], y[mine]):.3f}, by length {auc(length[mine], y[mine]):.3f}")
    weights = fit(x, y)
    if args.write:
        lines = [f'    "{name}": {weight:.3f},' for name, weight in zip(difficulty.NAMES, weights, strict=False)]
        text = '"""Weights of `gateway.difficulty`, made by `python -m bench.difficulty --write`."""\n\n'
        text += f"BIAS = {weights[-1]:.3f}\nWEIGHTS = {{\n" + "\n".join(lines) + "\n}\n"
        (ROOT / "platform/gateway/difficulty_weights.py").write_text(text)


if __name__ == "__main__":
    main()
