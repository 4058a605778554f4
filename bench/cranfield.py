"""Ranking quality on the Cranfield collection: our text leg, vector leg and their fusion beside the bm25s package.

`python bench/cranfield.py FOLDER`, where FOLDER holds cran.all.1400.xml, cran.qry.xml and cranqrel.trec.txt. Runs the
product's own ingestion and search, in a tenant of its own on an embedded server, and prints nDCG@10.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from tests import cluster  # noqa: E402


def tagged(text: str, tag: str) -> str:
    match = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S)
    return " ".join(match[1].split()) if match else ""


def load(folder: Path) -> tuple[dict[str, str], list[str], dict[int, dict[str, int]]]:
    """Texts by number, questions in order, and judgements by the question's place (the numbers in the file skip)."""
    source = (folder / "cran.all.1400.xml").read_text()
    texts = {tagged(doc, "docno"): tagged(doc, "text") for doc in source.split("<doc>")[1:]}
    questions = [tagged(top, "title") for top in (folder / "cran.qry.xml").read_text().split("<top>")[1:]]
    judged: dict[int, dict[str, int]] = defaultdict(dict)
    for line in (folder / "cranqrel.trec.txt").read_text().splitlines():
        number, _, document, grade = line.split()
        judged[int(number)][document] = int(grade)
    return {number: text for number, text in texts.items() if text}, questions, judged


def ndcg(ranked: list[str], grades: dict[str, int], depth: int = 10) -> float:
    gained = sum(max(grades.get(doc, 0), 0) / math.log2(place + 2) for place, doc in enumerate(ranked[:depth]))
    best = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:depth]
    ideal = sum(grade / math.log2(place + 2) for place, grade in enumerate(best))
    return gained / ideal if ideal else 0.0


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def baseline(texts: dict[str, str], questions: list[str]) -> list[list[str]]:
    """The bm25s package with English stop words and stems."""
    import logging

    import bm25s
    import snowballstemmer

    logging.getLogger("bm25s").setLevel(logging.WARNING)
    stemmer = snowballstemmer.stemmer("english")
    options = {"stopwords": "en", "stemmer": stemmer.stemWords, "show_progress": False}
    index = bm25s.BM25(k1=1.5, b=0.75)
    index.index(bm25s.tokenize(list(texts.values()), **options), show_progress=False)
    numbers = list(texts)
    found, _ = index.retrieve(bm25s.tokenize(questions, **options), k=10, show_progress=False)
    return [[numbers[int(place)] for place in row] for row in found]


def ingest(texts: dict[str, str], owner: object) -> None:
    """The product's own path from text to rows; only the parser process is left out."""
    from documents.ingestion import ingest_document
    from documents.models import Document
    from documents.parsing.elements import Parsed, TextBuilder

    def parsed(text: str) -> Parsed:
        builder = TextBuilder()
        builder.add(text, "text")
        return builder.finish()

    for number, text in texts.items():
        digest = hashlib.sha256(f"{number} {text}".encode()).hexdigest()
        row = Document.objects.create(
            owner=owner, title=number, kind="txt", content_type="text/plain", size=len(text), sha256=digest, path="none"
        )
        ingest_document(row.pk, parse=lambda path, kind, alive, text=text: parsed(text))


def ranked(owner: object, question: str, mode: str) -> list[str]:
    from documents.search import search

    hits = search(user=owner, query=question, mode=mode, top_k=30)  # type: ignore[arg-type]
    return list(dict.fromkeys(hit.title for hit in hits))[:10]


def main(folder: Path) -> None:
    cluster.start()
    subprocess.run(
        [sys.executable, str(ROOT / "tests" / "provision.py")],
        env=cluster.environment(DATABASE_MIGRATOR_URL=cluster.MIGRATOR_URL),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    import django

    django.setup()
    from contextlib import nullcontext

    from django.db import connections

    import documents.ingestion
    from tests.people import House

    documents.ingestion.local_file = lambda name: nullcontext(Path(name))
    with cluster.POSTGRES._connect("cloison") as link:
        [(schema,)] = link.execute("SELECT schema_name FROM public.tenants_tenant WHERE name = 'Acme'").fetchall()
    actor = House("Acme", schema).person("member")
    texts, questions, judged = load(folder)
    with actor.acting():
        began = time.perf_counter()
        ingest(texts, actor.user)
        print(f"{len(texts)} documents ingested in {time.perf_counter() - began:.1f} s")
        with cluster.POSTGRES._connect("cloison") as link:
            link.execute("ANALYZE")
        print(f"{len(questions)} questions, nDCG@10")
        for mode in ("text", "vector", "hybrid"):
            began = time.perf_counter()
            scores = [ndcg(ranked(actor.user, q, mode), judged[n]) for n, q in enumerate(questions, 1)]
            spent = (time.perf_counter() - began) / len(questions) * 1000
            print(f"  {mode:8} {mean(scores):.3f}   {spent:.1f} ms a question")
    found = baseline(texts, questions)
    print(f"  {'bm25s':8} {mean([ndcg(row, judged[n]) for n, row in enumerate(found, 1)]):.3f}")
    connections.close_all()
    connections["default"].close_pool()
    cluster.stop()


if __name__ == "__main__":
    os.environ.setdefault("CLOISON_LOG_LEVEL", "WARNING")
    main(Path(sys.argv[1]))
