"""Documents over HTTP: upload, reading, refusals, and who sees what."""

from __future__ import annotations

import errno
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from documents.ingestion import ingest_document
from documents.models import Document
from tests.documents import files
from tests.people import Actor, House

BASE = "/api/v1"


def send(actor: Actor, content: bytes | str, name: str, **fields: str) -> Any:
    return actor.api.post(f"{BASE}/documents/", {"file": files.upload(content, name), **fields})


def read_in(actor: Actor, identifier: str) -> None:
    """What the worker does with the queued document."""
    with actor.acting():
        ingest_document(Document.objects.get(public_id=identifier).pk)


def uploaded(actor: Actor, content: bytes | str, name: str, **fields: str) -> str:
    response = send(actor, content, name, **fields)
    assert response.status_code == 202, response.content
    read_in(actor, response.json()["id"])
    return str(response.json()["id"])


def body(response: Any) -> Any:
    return json.loads(response.content)


def test_an_uploaded_pdf_becomes_searchable_and_its_citation_is_the_source(acme: House) -> None:
    actor = acme.person("member")
    content = files.pdf(["# Notice", "The notice period is ninety days."], ["# Price", "The price of a pallet is 41 euros."])

    accepted = send(actor, content, "contract.pdf")
    assert accepted.status_code == 202
    assert accepted.json()["status"] == "queued"
    read_in(actor, accepted.json()["id"])

    one = body(actor.api.get(f"{BASE}/documents/{accepted.json()['id']}/"))
    assert (one["status"], one["progress"], one["page_count"], one["language"]) == ("ready", 100, 2, "en")
    answer = actor.api.post(f"{BASE}/search/", {"query": "What is the price of a pallet?", "top_k": 3}, "application/json")
    best = body(answer)["results"][0]
    assert (best["document"], best["title"], best["page"]) == (one["id"], "contract.pdf", 2)
    text = body(actor.api.get(f"{BASE}/documents/{one['id']}/text/"))["text"]
    assert text[best["start"] : best["end"]] == best["text"]
    assert best["box"]["page"] == 2
    assert best["box"]["rects"]


def test_every_chunk_is_a_slice_of_the_text(acme: House) -> None:
    actor = acme.person("member")
    identifier = uploaded(actor, "Première phrase 😀 du texte. " * 200, "a.txt")

    text = body(actor.api.get(f"{BASE}/documents/{identifier}/text/"))["text"]
    chunks = body(actor.api.get(f"{BASE}/documents/{identifier}/chunks/"))["results"]

    assert len(chunks) > 3
    assert all(text[c["start"] : c["end"]] == c["text"] for c in chunks)
    assert all(c["page"] is None for c in chunks)
    plain = actor.api.get(f"{BASE}/documents/{identifier}/text/", headers={"accept": "text/plain"})
    assert plain.content.decode() == text


@pytest.mark.parametrize(
    ("content", "name", "status", "code"),
    [
        (b"", "a.pdf", 400, "empty_document"),
        ("<html><body>x</body></html>", "a.pdf", 415, "unsupported_type"),
        ("text", "a.exe", 415, "unsupported_type"),
    ],
)
def test_a_refused_upload_stores_nothing(acme: House, content: bytes | str, name: str, status: int, code: str) -> None:
    actor = acme.person("member")

    response = send(actor, content, name)

    assert (response.status_code, body(response)["code"]) == (status, code)
    assert body(actor.api.get(f"{BASE}/documents/"))["results"] == []


def test_a_file_over_the_limit_is_refused(acme: House, settings: Any) -> None:
    settings.CLOISON_MAX_UPLOAD = 100
    actor = acme.person("member")

    assert send(actor, "a" * 100, "a.txt").status_code == 202
    response = send(actor, "b" * 101, "b.txt")

    assert (response.status_code, body(response)["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (files.pdf(["secret"], password="x"), "a.pdf", "encrypted"),
        (files.pdf([]), "a.pdf", "no_text"),
        (b"%PDF-1.4 nothing", "a.pdf", "unreadable"),
    ],
)
def test_a_document_that_cannot_be_read_fails_with_a_code_and_can_be_tried_again(
    acme: House, content: bytes, name: str, code: str
) -> None:
    actor = acme.person("member")

    identifier = uploaded(actor, content, name)

    one = body(actor.api.get(f"{BASE}/documents/{identifier}/"))
    assert (one["status"], one["error_code"]) == ("failed", code)
    again = actor.api.post(f"{BASE}/documents/{identifier}/retry/")
    assert (again.status_code, body(again)["status"]) == (202, "queued")


def test_a_full_disk_leaves_nothing_behind(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.files.storage import FileSystemStorage, default_storage

    actor = acme.person("member")

    def save(self: FileSystemStorage, name: str, content: Any) -> str:
        Path(self.path(name)).parent.mkdir(parents=True, exist_ok=True)
        Path(self.path(name)).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    def stored() -> set[Path]:
        with actor.acting():
            return {path for path in Path(default_storage.path("documents")).rglob("*") if path.is_file()}

    before = stored()
    monkeypatch.setattr(FileSystemStorage, "_save", save)
    response = send(actor, "text", "a.txt")

    assert (response.status_code, body(response)["code"]) == (507, "storage_full")
    assert stored() == before
    with actor.acting():
        assert not Document.objects.exists()


def test_the_same_file_twice_is_one_document(acme: House) -> None:
    actor = acme.person("member")

    ids = {body(send(actor, "the same text", "a.txt"))["id"] for _ in range(2)}

    assert len(ids) == 1


def test_the_file_comes_back_as_a_harmless_download(acme: House) -> None:
    actor = acme.person("member")
    identifier = uploaded(actor, "<html><body><p>text</p></body></html>", "..\\..\\é\u202e<b>.html")

    response = actor.api.get(f"{BASE}/documents/{identifier}/file/")

    assert b"".join(response.streaming_content) == b"<html><body><p>text</p></body></html>"  # type: ignore[attr-defined]
    assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A9%3Cb%3E.html"
    assert response.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_page_of_a_pdf_is_shown_as_a_picture(acme: House) -> None:
    actor = acme.person("member")
    identifier = uploaded(actor, files.pdf(["text"]), "a.pdf")

    first, second = (actor.api.get(f"{BASE}/documents/{identifier}/pages/1/") for _ in range(2))
    beyond = actor.api.get(f"{BASE}/documents/{identifier}/pages/2/")

    assert first.headers["Content-Type"] == "image/webp"
    assert first.content[:4] == b"RIFF"
    assert first.content == second.content
    assert (beyond.status_code, body(beyond)["code"]) == (404, "no_page_image")


ROUTES = [
    ("get", ""),
    ("delete", ""),
    ("get", "file/"),
    ("get", "text/"),
    ("get", "chunks/"),
    ("get", "pages/1/"),
    ("post", "retry/"),
]


@pytest.mark.parametrize(("verb", "route"), ROUTES)
def test_anothers_document_is_as_absent_as_one_that_never_was(acme: House, globex: House, verb: str, route: str) -> None:
    owner = acme.person("member")
    identifier = uploaded(owner, files.pdf([f"Private {acme.canary}"]), "a.pdf")

    def ask(actor: Actor, which: object) -> Any:
        return getattr(actor.api, verb)(f"{BASE}/documents/{which}/{route}")

    for stranger in (globex.person("member"), acme.person("member2"), acme.person("viewer")):
        refused, never = ask(stranger, identifier), ask(stranger, uuid.uuid4())
        # A viewer may not do this to any document; who may, is told of none but their own.
        no = 403 if stranger.local == "viewer" and (verb, route) in {("delete", ""), ("post", "retry/")} else 404
        assert refused.status_code == no
        assert refused.content == never.content
    served = ask(owner, identifier)
    served.close()
    assert served.status_code in {200, 202, 204}


def test_an_administrator_sees_that_a_document_is_there_and_not_what_it_says(acme: House) -> None:
    identifier = uploaded(acme.person("member"), files.pdf(["Private words"]), "a.pdf")
    admin = acme.person("admin")

    assert body(admin.api.get(f"{BASE}/documents/{identifier}/"))["title"] == "a.pdf"
    assert [row["id"] for row in body(admin.api.get(f"{BASE}/documents/?all=1"))["results"]] == [identifier]
    assert body(admin.api.get(f"{BASE}/documents/"))["results"] == []
    for route in ("file/", "text/", "chunks/", "pages/1/"):
        assert admin.api.get(f"{BASE}/documents/{identifier}/{route}").status_code == 404


def test_a_viewer_reads_and_brings_nothing_in(acme: House) -> None:
    viewer = acme.person("viewer")

    assert send(viewer, "text", "a.txt").status_code == 403
    assert viewer.api.post(f"{BASE}/folders/", {"name": "Mine"}, "application/json").status_code == 403
    assert viewer.api.get(f"{BASE}/documents/").status_code == 200


def test_nobody_asks_anonymously(acme: House) -> None:
    stranger = Client(headers={"host": acme.host})

    for path in ("documents/", "folders/"):
        assert stranger.get(f"{BASE}/{path}").status_code == 401
    assert stranger.post(f"{BASE}/search/", {"query": "x"}, "application/json").status_code == 401


def test_deleting_a_folder_takes_its_documents_out_of_search(acme: House) -> None:
    owner, reader = acme.person("manager"), acme.person("viewer")
    made = owner.api.post(f"{BASE}/folders/", {"name": "Shared", "visibility": "tenant"}, "application/json")
    folder = body(made)["id"]
    identifier = uploaded(owner, "The pelican eats fish.", "a.txt", folder=folder)

    def results() -> list[Any]:
        return list(body(reader.api.post(f"{BASE}/search/", {"query": "pelican"}, "application/json"))["results"])

    assert len(results()) == 1
    assert reader.api.delete(f"{BASE}/folders/{folder}/").status_code == 403
    assert reader.api.delete(f"{BASE}/documents/{identifier}/").status_code == 403
    assert send(acme.person("member"), "mine", "b.txt", folder=folder).status_code == 403
    assert owner.api.delete(f"{BASE}/folders/{folder}/").status_code == 204
    assert results() == []
    assert owner.api.get(f"{BASE}/documents/{identifier}/").status_code == 404


def test_search_in_a_folder_of_another_tenant_finds_no_folder(acme: House, globex: House) -> None:
    theirs = body(globex.person("member").api.post(f"{BASE}/folders/", {"name": "Theirs"}, "application/json"))["id"]

    response = acme.person("member").api.post(f"{BASE}/search/", {"query": "x", "folders": [theirs]}, "application/json")

    assert (response.status_code, body(response)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "bad", [{"query": ""}, {"query": "x" * 2001}, {"query": "x", "top_k": 51}, {"query": "x", "mode": "magic"}]
)
def test_a_malformed_search_is_refused(acme: House, bad: dict[str, Any]) -> None:
    assert acme.person("member").api.post(f"{BASE}/search/", bad, "application/json").status_code == 400


@pytest.mark.parametrize("query", ["';DROP TABLE x;--", "\ud800"[:0] + "%s {here}", "?", "12,5", "🐦", "a" * 2000, "x\0y"])
def test_odd_questions_are_answered(acme: House, query: str) -> None:
    response = acme.person("member").api.post(f"{BASE}/search/", {"query": query}, "application/json")

    assert response.status_code in {200, 400}


def test_lists_take_few_queries(acme: House, django_assert_num_queries: Any) -> None:
    actor = acme.person("member")
    folder = body(actor.api.post(f"{BASE}/folders/", {"name": "One"}, "application/json"))["id"]
    for number in range(3):
        send(actor, f"text {number}", f"{number}.txt", folder=folder)

    with django_assert_num_queries(1):  # The rows; the person is read in another thread, the context is no Django query.
        assert len(body(actor.api.get(f"{BASE}/documents/"))["results"]) == 3
    with django_assert_num_queries(1):  # The rows with their counts.
        assert body(actor.api.get(f"{BASE}/folders/"))["results"][0]["document_count"] == 3
