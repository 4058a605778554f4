"""PDF by pypdfium2: exact text, paragraphs, headings by font size, a rectangle per printed line."""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pypdfium2 as pdfium
from pypdfium2 import raw

from documents.parsing.elements import MAX_PAGES, Kind, Line, Parsed, ParsingFailed, TextBuilder, clean, squeeze

HEADING_RATIO = 1.12  # A heading's letters are this much taller than the body's…
LONGEST_HEADING = 160  # …and it is short.
PARAGRAPH_GAP = 0.3  # So much more white than usual on the page, in line heights, ends a paragraph.
BULLET = re.compile(r"^(?:[•‣◦▪●–—*-]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+")
DOTS_PER_INCH = 110
LARGEST_SIDE = 2400  # pixels
SOFT_HYPHEN = "\u00ad\u0002\ufffe"  # PDFium marks a word broken at the line's end with one of these.


@dataclass(frozen=True, slots=True)
class _Row:
    """A printed line of one page, before it has a place in the document."""

    text: str
    size: float
    x0: float
    y0: float
    x1: float
    y1: float
    broken: bool  # Its last word goes on in the next line.


def parse_pdf(path: Path) -> Parsed:
    """Read a PDF. Raises `ParsingFailed` with the code `encrypted` or `unreadable`.

    At most `MAX_PAGES` pages are read (`truncated` says so).
    """
    try:
        document = pdfium.PdfDocument(str(path))
    except pdfium.PdfiumError as error:
        code = "encrypted" if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD else "unreadable"
        raise ParsingFailed(code, "The PDF cannot be opened.") from error
    try:
        count = len(document)
        if not count:
            raise ParsingFailed("unreadable", "The PDF has no pages.")
        pages: list[list[_Row]] = []
        sizes: list[tuple[float, float]] = []
        for number in range(min(count, MAX_PAGES)):
            rows, size = _read_page(document, number)
            pages.append(rows)
            sizes.append(size)
    finally:
        document.close()
    return _assemble(pages, sizes, truncated=count > MAX_PAGES)


def draw_page(path: Path, number: int) -> bytes:
    """Page `number` (from 1) as WebP, at most `LARGEST_SIDE` pixels long. Raises `ParsingFailed`."""
    from io import BytesIO

    try:
        document = pdfium.PdfDocument(str(path))
        page = document[number - 1]
        scale = min(DOTS_PER_INCH / 72, LARGEST_SIDE / max(page.get_size()))
        image = page.render(scale=scale).to_pil()
    except (pdfium.PdfiumError, IndexError, ZeroDivisionError) as error:
        raise ParsingFailed("unreadable", "The page cannot be drawn.") from error
    written = BytesIO()
    image.convert("RGB").save(written, "WEBP", quality=80, method=2)
    return written.getvalue()


def _read_page(document: Any, number: int) -> tuple[list[_Row], tuple[float, float]]:
    """A page's printed lines from top to bottom as PDFium orders them; a page that is damaged has none."""
    try:
        page = document[number]
    except pdfium.PdfiumError:
        return [], (595.0, 842.0)
    size = (round(page.get_width(), 2), round(page.get_height(), 2))
    try:
        text_page = page.get_textpage()
    except pdfium.PdfiumError:
        page.close()
        return [], size
    try:
        return _rows(page, text_page), size
    finally:
        text_page.close()
        page.close()


def _characters(text_page: Any) -> str:
    """One code point per PDFium character, so that an index into it is PDFium's own index."""
    count = text_page.count_chars()
    text: str = text_page.get_text_range(0, count) if count else ""
    if len(text) == count:
        return text
    get = raw.FPDFText_GetUnicode
    return "".join(chr(min(get(text_page, index), 0x10FFFF)) for index in range(count))


def _rows(page: Any, text_page: Any) -> list[_Row]:
    text = _characters(text_page)
    rows: list[_Row] = []
    for match in re.finditer(r"[^\r\n]+", text):
        content = match[0]
        stripped = content.strip()
        if not stripped:
            continue
        start = match.start() + len(content) - len(content.lstrip())
        box = _box(page, text_page, start, len(stripped))
        broken = stripped[-1] in SOFT_HYPHEN
        line = squeeze(stripped.rstrip(SOFT_HYPHEN))
        if not line or box is None:
            continue
        size = raw.FPDFText_GetFontSize(text_page, start) or 1.0
        height = box[3] - box[1]
        # A scaled text matrix makes the nominal size meaningless: then the letters' own height speaks.
        rows.append(_Row(line, size if size > 2 else height, *box, broken))
    return rows


def _box(page: Any, text_page: Any, start: int, count: int) -> tuple[float, float, float, float] | None:
    """The rectangle around a run of characters, from the upper left corner of the page as it is shown."""
    rects = raw.FPDFText_CountRects(text_page, start, count)
    left, top, right, bottom = ctypes.c_double(), ctypes.c_double(), ctypes.c_double(), ctypes.c_double()
    corners: list[tuple[float, float]] = []
    for index in range(rects):
        if raw.FPDFText_GetRect(text_page, index, left, top, right, bottom):
            corners += [(left.value, top.value), (right.value, bottom.value)]
    if not corners:
        return None
    x_low, x_high = min(x for x, _ in corners), max(x for x, _ in corners)
    y_low, y_high = min(y for _, y in corners), max(y for _, y in corners)
    return _shown(page, x_low, y_low, x_high, y_high)


def _shown(page: Any, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
    """PDF coordinates (from below, unrotated, in the crop box) as coordinates of the shown page."""
    crop_left, crop_bottom, crop_right, crop_top = page.get_cropbox()
    x0, x1, y0, y1 = x0 - crop_left, x1 - crop_left, y0 - crop_bottom, y1 - crop_bottom
    width, height = crop_right - crop_left, crop_top - crop_bottom
    match page.get_rotation():
        case 90:
            found = (y0, x0, y1, x1)
        case 180:
            found = (width - x1, y0, width - x0, y1)
        case 270:
            found = (height - y1, width - x1, height - y0, width - x0)
        case _:
            found = (x0, height - y1, x1, height - y0)
    return tuple(round(value, 2) for value in found)  # type: ignore[return-value]


def _body_size(pages: list[list[_Row]]) -> float:
    """The size in which most of the document's letters are set."""
    letters: Counter[float] = Counter()
    for rows in pages:
        for row in rows:
            letters[round(row.size, 1)] += len(row.text)
    return letters.most_common(1)[0][0] if letters else 10.0


def _levels(pages: list[list[_Row]], body: float) -> dict[float, int]:
    """Heading sizes, the largest first: 1, 2, 3 (and 3 for all smaller ones)."""
    sizes = {round(row.size, 1) for rows in pages for row in rows if _is_heading(row, body)}
    return {size: min(index, 3) for index, size in enumerate(sorted(sizes, reverse=True), 1)}


def _is_heading(row: _Row, body: float) -> bool:
    return row.size >= body * HEADING_RATIO and len(row.text) <= LONGEST_HEADING and any(c.isalpha() for c in row.text)


def _assemble(pages: list[list[_Row]], sizes: list[tuple[float, float]], *, truncated: bool) -> Parsed:
    body = _body_size(pages)
    levels = _levels(pages, body)
    builder = TextBuilder()
    lines: list[Line] = []
    for number, rows in enumerate(pages, 1):
        for group in _paragraphs(rows, body):
            kind, level = _kind(group[0], body, levels)
            _add(builder, lines, group, kind, level, number)
    empty = [number for number, rows in enumerate(pages, 1) if not rows]
    return builder.finish(lines=lines, sizes=sizes, empty=empty, truncated=truncated)


def _kind(row: _Row, body: float, levels: dict[float, int]) -> tuple[Kind, int]:
    if _is_heading(row, body):
        return "title", levels[round(row.size, 1)]
    return ("list" if BULLET.match(row.text) else "text"), 0


def _paragraphs(rows: list[_Row], body: float) -> list[list[_Row]]:
    """Lines that belong together: near each other, in one size, until a bullet or a heading begins."""
    groups: list[list[_Row]] = []
    usual = _usual_gap(rows)
    for row in rows:
        last = groups[-1][-1] if groups else None
        if last is not None and _continues(last, row, body, usual):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _usual_gap(rows: list[_Row]) -> float:
    """The white between two lines of one paragraph: the lower quartile, since most lines of a page are inside one."""
    gaps = sorted(
        gap
        for last, row in pairwise(rows)
        if abs(last.size - row.size) <= 0.6 and -0.5 * row.size < (gap := row.y0 - last.y1) < 2 * row.size
    )
    return gaps[len(gaps) // 4] if gaps else 0.0


def _continues(last: _Row, row: _Row, body: float, usual: float) -> bool:
    if abs(last.size - row.size) > 0.6 or _is_heading(last, body) != _is_heading(row, body):
        return False
    if BULLET.match(row.text) and not last.broken:
        return False
    height = max(last.y1 - last.y0, row.y1 - row.y0, row.size, 1.0)
    gap = row.y0 - last.y1
    return -height <= gap <= usual + height * PARAGRAPH_GAP


def _add(builder: TextBuilder, lines: list[Line], group: list[_Row], kind: Kind, level: int, page: int) -> None:
    """Join a paragraph's lines by spaces (a broken word by nothing) and remember where each line stands."""
    text = ""
    spans: list[tuple[int, int, _Row]] = []
    for row in group:
        if text and not text.endswith(" "):
            text += "" if spans[-1][2].broken else " "
        spans.append((len(text), len(text) + len(row.text), row))
        text += row.text
    start = builder.add(clean(text), kind, page, level)
    if start is None:
        return
    lines += [Line(start + a, start + b, page, row.x0, row.y0, row.x1, row.y1) for a, b, row in spans]
