"""Real files, made here."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

from django.core.files.base import ContentFile


def pdf(*pages: Sequence[str], password: str | None = None, rotate: int = 0, top: float = 780.0) -> bytes:
    """A PDF whose pages hold these lines; a line that begins with `# ` is set larger. No line: a page without text."""
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, encrypt=password)
    for lines in pages:
        canvas.setPageRotation(rotate)
        height = top
        for line in lines:
            heading = line.startswith("# ")
            canvas.setFont("Helvetica", 18 if heading else 11)
            canvas.drawString(72, height, line.removeprefix("# "))
            height -= 30 if heading else 14
        canvas.rect(72, 40, 20, 20)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def docx(*paragraphs: str) -> bytes:
    from docx import Document

    document = Document()
    for text in paragraphs:
        if text.startswith("# "):
            document.add_heading(text[2:], 1)
        else:
            document.add_paragraph(text)
    return saved(document)


def pptx(*slides: tuple[str, str]) -> bytes:
    from pptx import Presentation

    deck = Presentation()
    for title, body in slides:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
    return saved(deck)


def xlsx(*rows: Sequence[object]) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    for row in rows:
        book.active.append(list(row))
    return saved(book)


def saved(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)  # type: ignore[attr-defined]
    return out.getvalue()


def bomb(megabytes: int = 600) -> bytes:
    """A small docx that unpacks to `megabytes`."""
    out = io.BytesIO(docx("before"))
    with (
        zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/big.xml", "w", force_zip64=True) as member,
    ):
        for _ in range(megabytes):
            member.write(bytes(1024 * 1024))
    return out.getvalue()


def upload(content: bytes | str, name: str) -> ContentFile[bytes]:
    return ContentFile(content.encode() if isinstance(content, str) else content, name=name)
