"""Done once, whoever asks how often; ended with a code, whatever dies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from documents import ingestion, services, tasks
from documents.models import Document, DocumentText, Embedding, Posting, Vector
from documents.parsing.elements import Parsed, ParsingFailed, TextBuilder
from isolation import context
from tests.documents.files import upload
from tests.people import Actor, House

TEXT = "The notice period is ninety days.\n\nThe warranty lasts two years."


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are the worker: no message goes to the suite's own, which would read the same documents beside them."""
    monkeypatch.setattr(services, "enqueue", lambda document_id: None)


def queued(actor: Actor, text: str = TEXT, name: str = "a.txt") -> Document:
    with actor.acting():
        return services.upload_document(owner=actor.user, file=upload(text, name))


def rows(actor: Actor) -> list[int]:
    with actor.acting():
        return [model.objects.count() for model in (Document, DocumentText, Embedding, Vector, Posting)]


def state(actor: Actor, document: Document) -> tuple[str, str]:
    with actor.acting():
        document.refresh_from_db()
    return document.status, document.error_code


def test_running_twice_changes_nothing(acme: House) -> None:
    actor = acme.person("member")
    document = queued(actor)
    with actor.acting():
        ingestion.ingest_document(document.pk)
    once = rows(actor)

    with actor.acting():
        ingestion.ingest_document(document.pk)

    assert rows(actor) == once
    assert state(actor, document) == ("ready", "")


def test_two_workers_at_once_do_it_once(acme: House) -> None:
    actor = acme.person("member")
    document = queued(actor)
    began = threading.Barrier(2, timeout=20)
    parsed_by: list[str] = []

    def parse(path: Path, kind: str, *, alive: Callable[[], None]) -> Parsed:
        parsed_by.append(threading.current_thread().name)
        return one_paragraph()

    def work() -> None:
        with actor.acting():
            began.wait()
            ingestion.ingest_document(document.pk, parse=parse)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(parsed_by) == 1
    assert rows(actor)[:3] == [1, 1, 1]


def one_paragraph() -> Parsed:
    builder = TextBuilder()
    builder.add(TEXT.splitlines()[0], "text")
    return builder.finish()


def broken(error: Exception) -> Any:
    def parse(path: Path, kind: str, *, alive: Callable[[], None]) -> Parsed:
        raise error

    return parse


def test_a_passing_fault_goes_back_to_the_queue_five_times(acme: House) -> None:
    actor = acme.person("member")
    document = queued(actor)

    for attempt in range(1, 6):
        with actor.acting(), pytest.raises(ConnectionError):
            ingestion.ingest_document(document.pk, parse=broken(ConnectionError("storage away")))
        assert state(actor, document) == (("queued", "") if attempt < 5 else ("failed", "internal"))


def test_a_fault_of_the_document_ends_it_at_once(acme: House) -> None:
    actor = acme.person("member")
    document = queued(actor)

    with actor.acting():
        ingestion.ingest_document(document.pk, parse=broken(ParsingFailed("too_complex")))

    assert state(actor, document) == ("failed", "too_complex")


def test_a_document_deleted_in_the_middle_leaves_nothing(acme: House) -> None:
    actor = acme.person("member")
    document = queued(actor)

    def parse(path: Path, kind: str, *, alive: Callable[[], None]) -> Parsed:
        services.delete_document(user=actor.user, document=document)
        return one_paragraph()

    with actor.acting():
        ingestion.ingest_document(document.pk, parse=parse)

    assert rows(actor) == [0, 0, 0, 0, 0]


def abandon(actor: Actor, document: Document, **fields: Any) -> None:
    """As a killed worker leaves it."""
    with actor.acting():
        Document.objects.filter(pk=document.pk).update(touched_at=timezone.now() - timedelta(minutes=5), **fields)


def lost(house: House) -> list[int]:
    with context.use(context.service(house.schema)):
        return [found.document_id for found in ingestion.find_lost()]


def test_the_reconciler_finds_what_a_dead_worker_left(acme: House, globex: House) -> None:
    actor = acme.person("member")
    half, forgotten, fresh = (queued(actor, f"text {n}", f"{n}.txt") for n in range(3))
    abandon(actor, half, status="processing", attempts=1)
    abandon(actor, forgotten)

    assert sorted(lost(acme)) == sorted([half.pk, forgotten.pk])
    assert lost(acme) == []
    assert lost(globex) == []
    with actor.acting():
        ingestion.ingest_document(half.pk)
    assert state(actor, half) == ("ready", "")
    assert state(actor, fresh) == ("queued", "")


def test_a_document_that_kills_its_workers_is_given_up(acme: House) -> None:
    actor = acme.person("member")
    document = queued(actor)
    abandon(actor, document, status="processing", attempts=3)

    assert lost(acme) == []
    assert state(actor, document) == ("failed", "worker_lost")


def test_the_reconciler_sends_each_in_its_owners_context(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = acme.person("member2")
    document = queued(actor)
    abandon(actor, document)
    sent: list[tuple[list[int], int]] = []
    monkeypatch.setattr(tasks.ingest, "apply_async", lambda args: sent.append((args, context.current().user_id)))

    with context.use(context.service(acme.schema)):
        tasks.reconcile.run()

    assert sent == [([document.pk], actor.user.pk)]


def test_a_broker_that_is_away_loses_no_upload(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from kombu.exceptions import OperationalError

    def away(*args: object, **options: object) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.ingest, "apply_async", away)

    assert state(acme.person("member"), queued(acme.person("member"))) == ("queued", "")


def test_an_answer_in_the_last_sentence_of_a_long_chunk_is_found_by_vectors(acme: House) -> None:
    from documents.search import search

    actor = acme.person("member")
    filler = "The committee met again and talked about many things of no great weight. " * 11
    document = queued(actor, f"{filler}Penguins in Antarctica feed on krill and small fish.", "long.txt")
    queued(actor, "The committee met again in the town hall.", "short.txt")
    with actor.acting():
        for row in Document.objects.all():
            ingestion.ingest_document(row.pk)
        best = search(user=actor.user, query="What do polar birds eat?", mode="vector")[0]

    assert best.document == document.public_id


def test_an_unrelated_question_finds_nothing_to_answer_from(acme: House) -> None:
    from documents.demo import QUESTIONS, seed_documents
    from documents.rag import RAGService, strict

    owner, reader = acme.person("admin"), acme.person("viewer")
    with owner.acting():
        seed_documents(tenant="acme", owner_id=owner.user.pk)
        for row in Document.objects.all():
            ingestion.ingest_document(row.pk)

    def retrieve(query: str) -> list[Any]:
        with reader.acting():
            return strict(RAGService().retrieve(user=reader.user, query=query, folders=None, top_k=5))

    for question, answer in QUESTIONS["acme"].values():
        assert any(answer in citation.text for citation in retrieve(question)[:2]), question
    assert retrieve("Which planet has the largest ocean of liquid methane?") == []
    assert retrieve("Quelle équipe a gagné la coupe du monde de rugby ?") == []
