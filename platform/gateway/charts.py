"""The geometry of charts: numbers in, pixels out; templates draw them as SVG, styles give the colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

TICKS = 7  # slots from one label to the next


def stacked_bars(
    counts: Mapping[int, Mapping[str, int]],
    labels: Sequence[object],
    kinds: Sequence[str],
    *,
    width: int = 720,
    height: int = 190,
) -> dict[str, Any]:
    """A slot for each of `labels`, and in slot 1, 2, … the `counts` of it by kind, the first of `kinds` at the bottom."""
    left, bottom, top = 40, height - 30, 16
    most = max([sum(slot.values()) for slot in counts.values()] or [1])
    magnitude = 10 ** math.floor(math.log10(most))
    step = max(1, next(size * magnitude for size in (0.25, 0.5, 1, 2, 4) if size * magnitude * 4 >= most))
    ceiling = step * max(1, math.ceil(most / step))
    slot = (width - left) / len(labels)

    def y(value: float) -> float:
        return float(round(bottom - (bottom - top) * value / ceiling, 1))

    bars = []
    for place, parts in counts.items():
        below = 0
        for css in kinds:
            if number := parts.get(css, 0):
                x, upper = round(left + slot * (place - 1) + slot * 0.15, 1), y(below + number)
                bars.append({"css": css, "x": x, "y": upper, "height": round(max(y(below) - upper - 0.5, 0.5), 1)})
                below += number
    lines = [{"y": y(value), "text": y(value) + 4, "label": f"{value:g}"} for value in _steps(step, ceiling)]
    ticks = [
        {"x": round(left + slot * (place + 0.5), 1), "label": labels[place]}
        for place in range(0, len(labels), TICKS * max(1, len(labels) // 60))
    ]
    return {"width": width, "height": height, "bars": bars, "bar": round(slot * 0.7, 1), "lines": lines, "ticks": ticks}


def _steps(step: float, ceiling: float) -> list[float]:
    return [step * number for number in range(round(ceiling / step) + 1)]
