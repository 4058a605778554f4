"""How fast a document becomes searchable: `python bench/ingest.py [--pages 200] [--language fr]`.

Times our parser on a generated PDF, the whole pipeline on an embedded server (parse, cut, embed, publish), and, on a
sample of `--baseline` pages, the extraction that `unstructured` calls fast (pdfminer), where it is installed.
Figures are ratios of one run on one machine; compare nothing across machines.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from tests import cluster  # noqa: E402

WORDS = {
    "en": (
        "agreement notice period supplier contract quarter delivery invoice payment clause liability term renewal "
        "audit service level warehouse customs freight insurance working days month written party breach obligation "
        "remedy price index review the of to in and a is for by with on shall may not be any each other such under "
        "this that from which within unless after before until "
    ).split(),
    "fr": (
        "accord préavis délai fournisseur contrat trimestre livraison facture paiement clause responsabilité durée "
        "renouvellement audit service niveau entrepôt douane transport assurance jours ouvrés mois écrit partie "
        "manquement obligation prix indice révision le la les de des du à en et un une est par pour avec sur sous ce "
        "cette qui que dans sauf après avant chaque autre aucun tout "
    ).split(),
}


def make_pdf(path: Path, pages: int, language: str) -> None:
    """Prose like a contract's: a heading, five paragraphs of five sentences, some 430 words a page."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate

    generator, styles, words = random.Random(7), getSampleStyleSheet(), WORDS[language]
    story: list[Flowable] = []
    for number in range(1, pages + 1):
        story.append(Paragraph(f"Section {number}. {' '.join(generator.choices(words, k=3)).capitalize()}", styles["Heading1"]))
        for _ in range(5):
            sentences = (" ".join(generator.choices(words, k=generator.randint(10, 24))).capitalize() + "." for _ in range(5))
            story.append(Paragraph(" ".join(sentences), styles["BodyText"]))
        story.append(PageBreak())
    SimpleDocTemplate(str(path), pagesize=A4).build(story)


def first_pages(source: Path, target: Path, pages: int) -> None:
    import pypdfium2

    whole, part = pypdfium2.PdfDocument(str(source)), pypdfium2.PdfDocument.new()
    part.import_pages(whole, list(range(pages)))
    part.save(str(target))


def baseline(path: Path) -> float | None:
    """Seconds that unstructured's "fast" strategy takes, or pdfminer's page layout, which is all but its whole cost."""
    try:
        from unstructured.partition.pdf import partition_pdf
    except ImportError:
        try:
            from pdfminer.high_level import extract_pages
        except ImportError:
            return None
        began = time.perf_counter()
        list(extract_pages(str(path)))
        return time.perf_counter() - began
    began = time.perf_counter()
    partition_pdf(filename=str(path), strategy="fast", languages=[""])
    return time.perf_counter() - began


def whole_pipeline(path: Path, language: str) -> tuple[float, int, dict[str, float]]:
    """Seconds from queued to ready, the number of chunks, and where the time went."""
    cluster.start()
    subprocess.run(
        [sys.executable, str(ROOT / "tests" / "provision.py")],
        env=cluster.environment(DATABASE_MIGRATOR_URL=cluster.MIGRATOR_URL),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    import django

    django.setup()
    from django.core.files import File
    from django.db import connections

    from documents import ingestion, services
    from gateway import embedding
    from tests.people import House

    spent: dict[str, float] = {}

    def timed(name: str) -> None:
        function = getattr(ingestion, name)

        def wrapper(*args: object, **options: object) -> object:
            began = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - began

        setattr(ingestion, name, wrapper)

    for name in ("embed_chunks", "publish"):
        timed(name)
    with cluster.POSTGRES._connect("cloison") as link:
        [(schema,)] = link.execute("SELECT schema_name FROM public.tenants_tenant WHERE name = 'Acme'").fetchall()
    actor = House("Acme", schema).person("member")
    with actor.acting(), path.open("rb") as content:
        embedding.for_language(language).embed(["warm"])
        document = services.upload_document(owner=actor.user, file=File(content, name="bench.pdf"))
        began = time.perf_counter()
        ingestion.ingest_document(document.pk)
        seconds = time.perf_counter() - began
        document.refresh_from_db()
        assert document.status == "ready", document.error_code
    connections.close_all()
    connections["default"].close_pool()
    cluster.stop()
    return seconds, document.chunk_count, spent


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pages", type=int, default=200)
    arguments.add_argument("--language", choices=sorted(WORDS), default="en")
    arguments.add_argument("--baseline", type=int, default=20)
    options = arguments.parse_args()
    from documents.parsing.pdf import parse_pdf

    with tempfile.TemporaryDirectory() as folder:
        path, sample = Path(folder) / "whole.pdf", Path(folder) / "sample.pdf"
        make_pdf(path, options.pages, options.language)
        began = time.perf_counter()
        parsed = parse_pdf(path)
        parse = len(parsed.sizes) / (time.perf_counter() - began)
        print(f"parse             {parse:8.1f} pages/s   ({options.pages} pages, {len(parsed.text.split())} words)")
        first_pages(path, sample, options.baseline)
        slow = baseline(sample)
        seconds, chunks, spent = whole_pipeline(path, options.language)
    rate = options.pages / seconds
    embedded = chunks / spent["embed_chunks"]
    print(f"whole pipeline    {rate:8.1f} pages/s   {seconds:.1f} s, {chunks} chunks, {embedded:.0f} chunks/s embedded")
    print("  of which        " + ", ".join(f"{name} {value:.1f} s" for name, value in spent.items()))
    if slow is None:
        print("baseline          not installed: unstructured[pdf] or pdfminer.six (14.5 pages/s where it was measured)")
        return
    reached = options.baseline / slow
    print(f"baseline          {reached:8.1f} pages/s")
    print(f"ratio             parse {parse / reached:.1f} x, whole pipeline {rate / reached:.1f} x")


if __name__ == "__main__":
    os.environ.setdefault("CLOISON_LOG_LEVEL", "WARNING")
    main()
