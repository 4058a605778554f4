"""ContentType's cache is one dictionary per process and ids may differ between schemas: key it by schema."""

from __future__ import annotations

from typing import Any

from isolation import context


class SchemaCache:
    """Stands in for `ContentTypeManager._cache`: one dictionary per database alias and schema."""

    def __init__(self) -> None:
        self._by_schema: dict[tuple[str, str], dict[Any, Any]] = {}

    def _here(self, using: str) -> dict[Any, Any]:
        here = context.get()
        return self._by_schema.setdefault((using, here.schema if here else context.PUBLIC), {})

    def __getitem__(self, using: str) -> dict[Any, Any]:
        return self._here(using)

    def setdefault(self, using: str, default: dict[Any, Any]) -> dict[Any, Any]:
        return self._here(using)

    def clear(self) -> None:
        self._by_schema.clear()


def install() -> None:
    """Give the content types' manager the cache above."""
    from django.contrib.contenttypes.models import ContentType

    ContentType.objects._cache = SchemaCache()  # type: ignore[attr-defined]
