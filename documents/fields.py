"""pgvector's type as a field, without importing numpy into the web process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    Base = models.Field[Sequence[float], Sequence[float]]
else:
    Base = models.Field


class VectorField(Base):
    """A `vector` of any length: two models of different dimensions live side by side, each with its own partial index.

    Takes any sequence of numbers (a numpy row too) and reads back as a list.
    """

    def db_type(self, connection: Any) -> str:
        return "ext.vector"

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else literal(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> list[float] | None:
        if value is None or isinstance(value, list):
            return value
        return [float(number) for number in value[1:-1].split(",")]


def literal(vector: Sequence[float]) -> str:
    """A vector as pgvector reads it."""
    return "[" + ",".join(f"{number:.7g}" for number in vector) + "]"
