"""Lays out the demo's PDF and Word files from `prose/`: `python documents/demo_files/build.py`.

Needs the development packages. Headings start with `#`; the Markdown and HTML files are written by hand.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent


def write_pdf(path: Path, text: str, language: str) -> None:
    """Lay out prose on A4 pages."""
    from reportlab.lib.enums import TA_JUSTIFY
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate

    styles = {
        "# ": ParagraphStyle("title", fontName="Times-Bold", fontSize=19, leading=24, spaceAfter=14),
        "## ": ParagraphStyle("heading", fontName="Times-Bold", fontSize=13, leading=17, spaceBefore=14, spaceAfter=4),
        "": ParagraphStyle("body", fontName="Times-Roman", fontSize=11, leading=15.5, spaceAfter=7, alignment=TA_JUSTIFY),
    }
    story: list[Flowable] = []
    for line in text.strip().splitlines():
        mark = next(mark for mark in ("# ", "## ", "") if line.startswith(mark))
        story.append(Paragraph(line[len(mark) :], styles[mark]))
    title = text.splitlines()[0].removeprefix("# ")
    margins = dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), 76)
    SimpleDocTemplate(str(path), pagesize=A4, title=title, lang=language, invariant=1, **margins).build(story)


def write_docx(path: Path, text: str) -> None:
    from docx import Document

    document = Document()
    for line in text.strip().splitlines():
        if line.startswith("#"):
            mark, _, heading = line.partition(" ")
            document.add_heading(heading, len(mark))
        else:
            document.add_paragraph(line)
    document.save(str(path))


def prose(name: str) -> str:
    return (HERE / "prose" / f"{name}.md").read_text(encoding="utf-8")


if __name__ == "__main__":
    write_pdf(HERE / "acme" / "Accord temps de travail 2026.pdf", prose("acme-accord"), "fr")
    write_docx(HERE / "acme" / "Framework contract FC-2026-017.docx", prose("acme-contract"))
    write_pdf(HERE / "globex" / "Warehouse safety handbook.pdf", prose("globex-handbook"), "en")
    write_docx(HERE / "globex" / "Contrat de transport TR-2026-44.docx", prose("globex-contrat"))
