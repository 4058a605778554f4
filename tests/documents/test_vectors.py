"""The vector leg when there is much to compare: the index is walked, rights hold, and little is missed."""

from __future__ import annotations

import random
from typing import Any

import numpy
import pytest
from django.db import connection

from documents.fields import literal
from documents.models import Document, Embedding, Folder, Vector
from tests.people import Actor, House

MODEL, DIMENSIONS = 3, 384
ASKED = 20


def fill(actor: Actor, count: int, folder: Folder | None, generator: numpy.random.Generator) -> dict[int, Any]:
    """A document of `count` chunks with one random vector each: chunk → vector."""
    vectors = generator.standard_normal((count, DIMENSIONS)).astype("float32")
    # Real vectors cluster; without that every neighbour is as far as any other and recall means nothing.
    vectors[:, :8] += 6 * generator.standard_normal((30, 8)).astype("float32")[generator.integers(0, 30, count)]
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
    with actor.acting():
        document = Document.objects.create(
            owner=actor.user, folder=folder, title=f"{count}", kind="txt", content_type="text/plain", size=1,
            sha256=f"{random.getrandbits(256):064x}", path="none", status="ready", chunk_count=count,
        )  # fmt: skip
        common = {"document": document, "owner": actor.user, "folder": folder}
        chunks = Embedding.objects.bulk_create(
            Embedding(**common, position=n, start=n, end=n + 1, text="x", language="en") for n in range(count)
        )
        Vector.objects.bulk_create(
            (Vector(**common, embedding=chunk, model_id=MODEL, vector=v) for chunk, v in zip(chunks, vectors, strict=True)),
            batch_size=500,
        )
    return dict(zip((chunk.pk for chunk in chunks), vectors, strict=True))


def ask(actor: Actor, question: Any, folders: list[int] | None = None) -> list[int]:
    with actor.acting(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT chunk FROM search_vectors(%s::ext.vector, %s, %s::bigint[], %s)",
            [literal(question), MODEL, folders, ASKED],
        )
        return [chunk for (chunk,) in cursor.fetchall()]


def exact(visible: dict[int, Any], question: Any) -> list[int]:
    return sorted(visible, key=lambda chunk: -float(visible[chunk] @ question))[:ASKED]


@pytest.fixture
def filled(acme: House) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any], Folder]:
    """Many vectors of member2's own, few of member's, and as many in a folder that all may read."""
    generator = numpy.random.default_rng(5)
    manager = acme.person("manager")
    with manager.acting():
        shared = Folder.objects.create(owner=manager.user, name="Shared", visibility="tenant")
    return (
        fill(acme.person("member2"), 5600, None, generator),
        fill(acme.person("member"), 40, None, generator),
        fill(manager, 300, shared, generator),
        shared,
    )


def test_rights_hold_and_recall_is_high_on_either_plan(
    acme: House, globex: House, filled: tuple[dict[int, Any], dict[int, Any], dict[int, Any], Folder]
) -> None:
    many, few, shared, folder = filled
    generator = random.Random(3)
    cases = {"member2": many | shared, "member": few | shared, "viewer": shared, "manager": shared}

    for local, visible in cases.items():
        recall = []
        for question in generator.sample([*many.values()], 10) + generator.sample([*shared.values()], 10):
            found = ask(acme.person(local), question)
            assert set(found) <= visible.keys()
            assert len(found) == ASKED
            recall.append(len(set(found) & set(exact(visible, question))) / ASKED)
        assert sum(recall) / len(recall) >= (0.9 if local == "member2" else 0.999), local
        within = ask(acme.person(local), question, [folder.pk])
        assert set(within) <= shared.keys()
        assert len(within) == ASKED
    assert ask(globex.person("member2"), next(iter(many.values()))) == []
