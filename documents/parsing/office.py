"""Word, PowerPoint, Excel, CSV, Markdown, HTML and plain text by `unstructured`, offline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

from documents.parsing.elements import Kind, Parsed, ParsingFailed, TextBuilder, squeeze
from documents.parsing.sniff import ArchiveTooLarge, Unsupported, check_archive, decode
from documents.parsing.tokenizing import install

ARCHIVES = {"docx", "pptx", "xlsx"}
KINDS = ("docx", "pptx", "xlsx", "csv", "md", "html", "txt")
TITLES = {"Title", "Header"}
LISTS = {"ListItem"}
SKIPPED = {"PageBreak", "PageNumber", "Image"}


def partitioner(kind: str) -> Callable[..., list[Any]]:
    """unstructured's reader of one format; the first call imports it (seconds)."""
    install()
    module = import_module(f"unstructured.partition.{'text' if kind == 'txt' else kind}")
    found: Callable[..., list[Any]] = getattr(module, f"partition_{'text' if kind == 'txt' else kind}")
    return found


def preload() -> None:
    """Import every reader, so that children forked later find them warm."""
    for kind in KINDS:
        partitioner(kind)


def parse_office(path: Path, kind: str) -> Parsed:
    """Read a document of one of `KINDS`. Raises `ParsingFailed` (`archive_too_large`, `unreadable`)."""
    if kind in ARCHIVES:
        with path.open("rb") as file:
            try:
                check_archive(file)
            except ArchiveTooLarge as error:
                raise ParsingFailed("archive_too_large", str(error)) from error
            except Unsupported as error:
                raise ParsingFailed("unreadable", str(error)) from error
    try:
        return _build(_elements(path, kind), kind)
    except (MemoryError, ParsingFailed):
        raise
    except Exception as error:  # noqa: BLE001 (the edge: a foreign parser may raise anything on a damaged file)
        raise ParsingFailed("unreadable", type(error).__name__) from error


def _elements(path: Path, kind: str) -> Iterable[Any]:
    partition = partitioner(kind)
    if kind in ARCHIVES:
        return partition(filename=str(path), languages=[""], metadata_filename="document")
    text = decode(path.read_bytes())
    if kind == "csv":
        return partition(file=BytesIO(text.encode()), languages=[""], encoding="utf-8")
    if kind == "txt":
        from unstructured.cleaners.core import group_broken_paragraphs

        return partition(text=text, languages=[""], paragraph_grouper=group_broken_paragraphs) if text.strip() else []
    return partition(text=text, languages=[""]) if text.strip() else []


def _build(elements: Iterable[Any], kind: str) -> Parsed:
    builder = TextBuilder()
    pages = 0
    for element in elements:
        category = element.category
        if category in SKIPPED:
            continue
        # A slide is a page; Word's page numbers are a guess by unstructured, a sheet's number is none.
        page = element.metadata.page_number if kind == "pptx" else None
        pages = max(pages, page or 0)
        markup = element.metadata.text_as_html if category == "Table" else None
        text = squeeze(table_text(markup)) if markup else squeeze(element.text or "")
        what: Kind = "title" if category in TITLES else "list" if category in LISTS else "table" if markup else "text"
        builder.add(text, what, page, (element.metadata.category_depth or 0) + 1 if what == "title" else 0)
    return builder.finish(sizes=[(0.0, 0.0)] * pages)


def table_text(markup: str) -> str:
    """A table as one line per row, its cells apart by ` | `."""
    from lxml import html  # type: ignore[import-untyped]

    rows = html.fromstring(markup).iter("tr")
    cells = ([re.sub(r"\s+", " ", cell.text_content()).strip() for cell in row.iter("td", "th")] for row in rows)
    return "\n".join(" | ".join(row) for row in cells if any(row))
