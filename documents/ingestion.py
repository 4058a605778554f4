"""From a stored file to something that search finds. Each step may be repeated; one transaction makes it visible."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from core import metrics
from documents import languages
from documents.bm25 import blocks
from documents.chunking import Chunk, chunk
from documents.models import Document, DocumentText, Embedding, Posting, Vector
from documents.parsing.elements import Parsed, ParsingFailed
from documents.parsing.sandbox import parser
from documents.terms import chunk_terms
from gateway import embedding
from gateway.types import Embedder
from isolation import context

logger = logging.getLogger(__name__)

STALE = timedelta(seconds=45)  # Without a sign of life for this long, an attempt is dead.
WAITING = timedelta(seconds=60)  # A queued row this old has lost its message.
MOST_ATTEMPTS = 5
MOST_DEATHS = 3  # A document that took this many workers with it does not get another.
BATCH = 32  # chunks embedded between two writes of progress
PARSED = 15  # percent that parsing is worth
EMBEDDED = 95
PATIENCE = 0.5  # seconds between two writes of progress


class ClaimLost(Exception):
    """The document was deleted, or another attempt took it over."""


class ParseFunction(Protocol):
    def __call__(self, path: Path, kind: str, *, alive: Callable[[], None]) -> Parsed: ...


@dataclass(slots=True)
class Attempt:
    """One try at one document: only the holder of the newest claim may write."""

    document_id: int
    claim: uuid.UUID
    _written: float = field(default=0.0)

    def report(self, force: bool, /, **fields: Any) -> None:
        """Write progress and a sign of life, at most twice a second unless `force`. Raises `ClaimLost`."""
        if not force and time.monotonic() - self._written < PATIENCE:
            return
        self._written = time.monotonic()
        mine = Document.objects.filter(pk=self.document_id, claim=self.claim)
        if not mine.update(touched_at=timezone.now(), **fields):
            raise ClaimLost

    def end(self, status: Document.Status, error_code: str = "") -> None:
        Document.objects.filter(pk=self.document_id, claim=self.claim).update(
            status=status, error_code=error_code, claim=None, touched_at=timezone.now()
        )


def claim(document_id: int) -> Attempt | None:
    """Take a document for this worker, or None where it is finished, gone, or in living hands."""
    attempt = Attempt(document_id, uuid.uuid4())
    free = Q(status=Document.Status.QUEUED) | Q(status=Document.Status.PROCESSING, touched_at__lt=timezone.now() - STALE)
    taken = Document.objects.filter(free, pk=document_id).update(
        status=Document.Status.PROCESSING,
        claim=attempt.claim,
        attempts=F("attempts") + 1,
        progress=0,
        pages_done=0,
        error_code="",
        touched_at=timezone.now(),
    )
    return attempt if taken else None


def ingest_document(document_id: int, *, parse: ParseFunction = parser.parse) -> None:
    """Read, cut, embed and publish a document, in its owner's context. Running it twice is harmless.

    What the document itself is to blame for ends in `failed` with a code; anything else goes back to the queue, up to
    `MOST_ATTEMPTS` times, and rises.
    """
    attempt = claim(document_id)
    if attempt is None:
        return
    document = Document.objects.get(pk=document_id)
    began = time.monotonic()
    try:
        chunks = _run(document, attempt, parse)
    except ClaimLost:
        logger.info("ingestion given up", extra={"document_id": document_id})
    except ParsingFailed as failure:
        if failure.code == "parser_lost" and document.attempts < MOST_ATTEMPTS:
            attempt.end(Document.Status.QUEUED)
        else:
            attempt.end(Document.Status.FAILED, failure.code)
            _count("failed")
        logger.info("document not read", extra={"document_id": document_id, "code": failure.code})
    except Exception:
        last = document.attempts >= MOST_ATTEMPTS
        attempt.end(Document.Status.FAILED if last else Document.Status.QUEUED, "internal" if last else "")
        if last:
            _count("failed")
        raise
    else:
        _count("ready")
        seconds = round(time.monotonic() - began, 2)
        logger.info("document ingested", extra={"document_id": document_id, "chunks": chunks, "seconds": seconds})


def _run(document: Document, attempt: Attempt, parse: ParseFunction) -> int:
    with local_file(document.path) as path:
        parsed = parse(path, document.kind, alive=lambda: attempt.report(True))
    if not parsed.text:
        raise ParsingFailed("no_text", "no page has text")
    language = languages.of_document(parsed.text)
    pages = len(parsed.sizes)
    attempt.report(True, progress=PARSED, language=language, pages_total=pages)
    chunks = list(chunk(parsed, language=language))
    vectors = embed_chunks(chunks, lambda done: attempt.report(False, **_progress(chunks, done, pages)))
    publish(document, attempt, parsed, language, chunks, vectors)
    return len(chunks)


def _progress(chunks: Sequence[Chunk], done: int, pages: int) -> dict[str, int]:
    share = PARSED + (EMBEDDED - PARSED) * done // max(len(chunks), 1)
    reached = chunks[done - 1].pages
    return {"progress": share, "pages_done": min(reached[-1] if reached else 0, pages)}


@contextmanager
def local_file(name: str) -> Iterator[Path]:
    """A stored file as a path: itself where the storage is a folder, else a copy for the time of the block."""
    try:
        path = Path(default_storage.path(name))
    except NotImplementedError:
        with tempfile.NamedTemporaryFile(prefix="cloison-") as copy, default_storage.open(name) as source:
            shutil.copyfileobj(source, copy)
            copy.flush()
            yield Path(copy.name)
    else:
        if not path.exists():
            raise ParsingFailed("file_missing", "the stored file is gone")
        yield path


@dataclass(frozen=True, slots=True)
class Seen:
    """A window of the `chunk`-th chunk as a model saw it."""

    chunk: int
    model_id: int
    vector: Sequence[float]


def embed_chunks(
    chunks: Sequence[Chunk],
    report: Callable[[int], None],
    embedder: Callable[[str], Embedder] | None = None,
) -> list[Seen]:
    """A vector per window of each chunk. `report(chunks done)` follows each batch.

    `embedder` gives a language's model, by default the gateway's.
    """
    choose = embedder or embedding.for_language
    seen: list[Seen] = []
    for start in range(0, len(chunks), BATCH):
        windows: dict[int, list[tuple[int, str]]] = defaultdict(list)
        models: dict[int, Embedder] = {}
        for index in range(start, min(start + BATCH, len(chunks))):
            text = chunks[index].text
            model = choose(chunks[index].language)
            models[model.model_id] = model
            windows[model.model_id] += [(index, text[a:b]) for a, b in model.windows(text)]
        for model_id, rows in windows.items():
            vectors = models[model_id].embed([text for _, text in rows])
            seen += [Seen(index, model_id, vector) for (index, _), vector in zip(rows, vectors, strict=True)]
        report(min(start + BATCH, len(chunks)))
    return seen


def publish(
    document: Document, attempt: Attempt, parsed: Parsed, language: str, chunks: Sequence[Chunk], vectors: Sequence[Seen]
) -> None:
    """Put the new text, chunks, vectors and postings in the place of the old, all at once. Raises `ClaimLost`."""
    with transaction.atomic():
        mine = Document.objects.select_for_update().filter(pk=document.pk, claim=attempt.claim)
        held = mine.first()
        if held is None:
            raise ClaimLost
        for model in (Posting, Vector, Embedding):
            old = model.objects.filter(document=held)
            old._raw_delete(old.db)
        DocumentText.objects.update_or_create(document=held, defaults={"text": parsed.text})
        rows = _write_chunks(held, chunks)
        Vector.objects.bulk_create(
            [
                Vector(
                    embedding=rows[seen.chunk],
                    document=held,
                    owner_id=held.owner_id,
                    folder_id=held.folder_id,
                    model_id=seen.model_id,
                    vector=seen.vector,
                )
                for seen in vectors
            ],
            batch_size=200,
        )
        terms = [(row.pk, chunk_terms(row.text, row.language)) for row in rows]
        Posting.objects.bulk_create(
            [Posting(document=held, term=b.term, number=b.number, chunks=b.chunks, impacts=b.impacts) for b in blocks(terms)],
            batch_size=2000,
        )
        mine.update(
            status=Document.Status.READY,
            progress=100,
            pages_done=len(parsed.sizes),
            pages_total=len(parsed.sizes),
            page_count=len(parsed.sizes) or None,
            chunk_count=len(rows),
            language=language,
            truncated=parsed.truncated,
            claim=None,
            touched_at=timezone.now(),
        )


def _write_chunks(document: Document, chunks: Sequence[Chunk]) -> list[Embedding]:
    rows = [
        Embedding(
            document=document,
            owner_id=document.owner_id,
            folder_id=document.folder_id,
            position=position,
            start=part.start,
            end=part.end,
            text=part.text,
            heading=part.heading[:300],
            language=part.language,
            pages=list(part.pages),
            boxes=list(part.boxes),
        )
        for position, part in enumerate(chunks)
    ]
    return Embedding.objects.bulk_create(rows, batch_size=500)


def _count(outcome: str) -> None:
    metrics.DOCUMENTS.labels(metrics.tenant_label(context.current().schema), outcome).inc()


@dataclass(frozen=True, slots=True)
class Lost:
    """A document that nobody works on, and whose owner's context it is to be read in."""

    document_id: int
    owner_id: int


def find_lost() -> list[Lost]:
    """Documents whose message or worker is gone, put back in the queue; those that killed too many workers fail.

    Runs in the maintenance context. The caller sends the messages.
    """
    now = timezone.now()
    dead = Document.objects.filter(status=Document.Status.PROCESSING, touched_at__lt=now - STALE)
    dead.filter(attempts__gte=MOST_DEATHS).update(status=Document.Status.FAILED, error_code="worker_lost", claim=None)
    dead.update(status=Document.Status.QUEUED, claim=None, touched_at=now - WAITING - STALE)
    forgotten = Document.objects.filter(status=Document.Status.QUEUED, touched_at__lt=now - WAITING)
    # Two reconcilers at once: the one that moves the time sends the message.
    return [
        Lost(row.pk, row.owner_id)
        for row in forgotten.order_by("pk")[:500]
        if Document.objects.filter(pk=row.pk, status=Document.Status.QUEUED, touched_at=row.touched_at).update(touched_at=now)
    ]
