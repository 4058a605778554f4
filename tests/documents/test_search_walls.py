"""Search between tenants and people: the same keys everywhere, and nobody finds what is not theirs."""

from __future__ import annotations

import pytest

from documents import services
from documents.ingestion import ingest_document
from documents.models import Document, DocumentText, Embedding, Folder, Posting, Vector
from documents.search import search
from tests.documents.files import upload
from tests.people import Actor, House

MODES = ["hybrid", "vector", "text"]


def add(actor: Actor, text: str, name: str = "note.txt", folder: Folder | None = None) -> Document:
    with actor.acting():
        document = services.upload_document(
            owner=actor.user, file=upload(text, name), folder=folder.public_id if folder else None
        )
        ingest_document(document.pk)
        document.refresh_from_db()
    assert document.status == "ready", document.error_code
    return document


def found(actor: Actor, query: str, mode: str = "hybrid") -> list[str]:
    with actor.acting():
        return [citation.text for citation in search(user=actor.user, query=query, mode=mode, top_k=50)]  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_another_tenant_finds_nothing_of_ours(acme: House, globex: House, mode: str) -> None:
    ours = add(acme.person("member"), f"The harvest festival budget is {acme.canary}.")
    theirs = add(globex.person("member"), f"The harvest festival budget is {globex.canary}.")

    ours_found, theirs_found = (found(h.person("member"), "harvest festival budget", mode) for h in (acme, globex))

    assert ours.pk == theirs.pk or ours.public_id != theirs.public_id
    assert len(ours_found) == 1
    assert acme.canary in ours_found[0]
    assert len(theirs_found) == 1
    assert globex.canary in theirs_found[0]


@pytest.mark.parametrize("mode", MODES)
def test_a_private_document_is_found_by_its_owner_alone(acme: House, mode: str) -> None:
    add(acme.person("member2"), "CANARY-M2: the salary review is in March.")

    assert found(acme.person("member2"), "salary review", mode)
    for other in ("member", "admin", "manager", "viewer"):
        assert found(acme.person(other), "salary review", mode) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_folder_open_to_the_tenant_is_found_by_all_of_it(acme: House, globex: House, mode: str) -> None:
    owner = acme.person("manager")
    with owner.acting():
        shared = services.create_folder(owner=owner.user, name="Shared", visibility="tenant")
    add(owner, "The canteen opens at eleven thirty.", folder=shared)

    assert found(acme.person("viewer"), "canteen opens", mode)
    assert found(globex.person("manager"), "canteen opens", mode) == []
    with owner.acting():
        services.change_folder(user=owner.user, folder=shared, visibility="private")
    assert found(acme.person("viewer"), "canteen opens", mode) == []
    assert found(owner, "canteen opens", mode)


def test_folders_of_a_search_are_exclusive(acme: House) -> None:
    actor = acme.person("member")
    with actor.acting():
        one = services.create_folder(owner=actor.user, name="One")
        two = services.create_folder(owner=actor.user, name="Two")
    add(actor, "The red lorry leaves on Monday.", "a.txt", one)
    add(actor, "The red lorry leaves on Friday.", "b.txt", two)

    with actor.acting():
        within = search(user=actor.user, query="red lorry", folders=[two.public_id])

    assert [c.title for c in within] == ["b.txt"]


def test_every_row_without_a_filter_is_still_ones_own(acme: House) -> None:
    add(acme.person("member2"), "CANARY-M2: a quiet document about nothing.")
    counts = {}

    for local in ("member2", "member", "admin"):
        with acme.person(local).acting():
            counts[local] = [m.objects.count() for m in (Document, DocumentText, Embedding, Vector, Posting)]

    assert min(counts["member2"]) > 0
    assert counts["member"] == [0, 0, 0, 0, 0]
    assert counts["admin"] == [1, 0, 0, 0, 0]  # That it is there, and nothing of what it says.


def test_scores_tell_nothing_of_what_others_have(acme: House) -> None:
    actor = acme.person("member")
    add(actor, "The pelican is a bird.\n\nA lorry is a vehicle.")
    with actor.acting():
        [before, *_] = search(user=actor.user, query="pelican", mode="text")
    for number in range(3):
        add(acme.person("member2"), f"Pelican number {number} belongs to somebody else.", f"{number}.txt")

    with actor.acting():
        [after, *_] = search(user=actor.user, query="pelican", mode="text")

    assert after.scores == before.scores
