"""What judging 4 KB of number-rich text costs: our detectors beside phonenumbers' own matcher, in the same run.

The texts are drawn anew for each measurement, so that nothing is remembered. Read the ratios.

    python -m bench.privacy --rounds 300
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "platform")]

from bench.kit.stats import percentile, table  # noqa: E402

SIZE = 4096


def figures(draw: random.Random, count: int) -> str:
    return "".join(draw.choices("0123456789", k=count))


def number_rich(draw: random.Random) -> str:
    """Orders, dates, amounts, phone numbers, cards, references, as in a pasted export."""
    kinds: list[Callable[[], str]] = [
        lambda: f"commande n° {figures(draw, 10)}",
        lambda: f"{draw.randint(1, 28):02}/{draw.randint(1, 12):02}/2026 {draw.randint(0, 23):02}:{draw.randint(0, 59):02}",
        lambda: f"0{draw.randint(1, 9)} " + " ".join(figures(draw, 2) for _ in range(4)),
        lambda: f"+33 {draw.randint(1, 9)} " + " ".join(figures(draw, 2) for _ in range(4)),
        lambda: f"+{draw.randint(30, 99)} {figures(draw, 3)} {figures(draw, 4)} {figures(draw, 3)}",
        lambda: " ".join(figures(draw, 4) for _ in range(4)),
        lambda: "4" + figures(draw, 15),
        lambda: f"{draw.randint(1, 99999)},{figures(draw, 2)} €",
        lambda: f"{draw.randint(-90, 90)}.{figures(draw, 6)}, {draw.randint(-180, 180)}.{figures(draw, 6)}",
        lambda: f"FR{figures(draw, 2)} " + " ".join(figures(draw, 4) for _ in range(5)) + " " + figures(draw, 3),
        lambda: (
            f"{draw.randint(1, 2)} {figures(draw, 2)} 0{draw.randint(1, 9)} {figures(draw, 2)} "
            + f"{figures(draw, 3)} {figures(draw, 3)} {figures(draw, 2)}"
        ),
        lambda: f"v{draw.randint(0, 20)}.{draw.randint(0, 40)}.{draw.randint(0, 9)}",
        lambda: f"client{draw.randint(1, 999)}@exemple.fr",
        lambda: f"{draw.getrandbits(160):040x}",
    ]
    pieces: list[str] = []
    size = 0
    while size < SIZE:
        piece = draw.choice(kinds)() + draw.choice((" ; ", "\n", " | ", " "))
        pieces.append(piece)
        size += len(piece)
    return "".join(pieces)[:SIZE]


def prose(draw: random.Random) -> str:
    words = "le contrat prévoit que chaque salarié the budget of an office dispose pour deux jours par mois".split()
    return " ".join(draw.choices(words, k=SIZE // 5))[:SIZE]


Times = tuple[list[float], list[float]]


def measure(run: Callable[[str], object], texts: list[str]) -> Times:
    """Milliseconds on the clock, and of processor time: a busy machine stretches the former."""
    wall: list[float] = []
    processor: list[float] = []
    for text in texts:
        begun, worked = time.perf_counter(), time.thread_time()
        run(text)
        processor.append((time.thread_time() - worked) * 1000)
        wall.append((time.perf_counter() - begun) * 1000)
    return sorted(wall), sorted(processor)


def line(wall: list[float], processor: list[float]) -> dict[str, object]:
    return {
        "p50 ms": round(percentile(wall, 0.5), 3),
        "p99 ms": round(percentile(wall, 0.99), 3),
        "processor p50 ms": round(percentile(processor, 0.5), 3),
        "processor p99 ms": round(percentile(processor, 0.99), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds

    import phonenumbers

    from gateway.privacy import detect, dialling, findings_of

    dialling.warm()

    draw = random.Random(20261126)
    for _ in range(20):
        detect(number_rich(draw))
    texts = [number_rich(draw) for _ in range(rounds)]
    ours = measure(detect, texts)
    theirs = measure(lambda text: list(phonenumbers.PhoneNumberMatcher(text, "FR")), texts[: max(30, rounds // 5)])
    for text in texts[:1000]:
        findings_of(text)
    rows = {
        "detect, numbers": ours,
        "detect, prose": measure(detect, [prose(draw) for _ in range(rounds)]),
        "detect, numbers, 64 KB": measure(detect, ["".join(texts[at : at + 16]) for at in range(0, min(rounds, 160) - 16, 16)]),
        "remembered verdict": measure(findings_of, texts[:1000]),
        "phonenumbers' matcher": theirs,
    }
    print(table([{"4 KB of text": name, **line(wall, processor)} for name, (wall, processor) in rows.items()]))
    ratio = percentile(theirs[1], 0.5) / percentile(ours[1], 0.5)
    print(f"phonenumbers' matcher takes {ratio:.1f} times as long at p50 (processor time)")


if __name__ == "__main__":
    main()
