"""One line per record: time, level, tenant, logger, the fixed phrase, and its fields as `name=value`."""

from __future__ import annotations

import json
import logging

STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
    "tenant",
    "taskName",
}
# Objects that Django and Celery attach for other handlers.
NOISE = frozenset({"request", "status_code", "sock", "data", "server_time"})


class LineFormatter(logging.Formatter):
    """`logfmt`-like lines; values with spaces are JSON strings."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(tenant)s %(name)s: %(message)s", defaults={"tenant": "-"})

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        fields = {k: v for k, v in record.__dict__.items() if k not in STANDARD and k not in NOISE}
        if not fields:
            return line
        first, _, rest = line.partition("\n")
        shown = " ".join(f"{name}={json.dumps(value, default=str)}" for name, value in fields.items())
        return f"{first} {shown}" + (f"\n{rest}" if rest else "")
