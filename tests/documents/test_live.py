"""The whole path from outside: web, worker and beat as processes, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import Live
from tests.documents import files
from tests.people import Actor, House


def client(live: Live, actor: Actor) -> httpx.Client:
    return httpx.Client(base_url=live.base, headers=actor.headers, timeout=30, trust_env=False)


@pytest.fixture
def member(live: Live, acme: House) -> Iterator[httpx.Client]:
    with client(live, acme.person("member")) as made:
        yield made


def wait_until_read(web: httpx.Client, identifier: str, seconds: float = 40) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        one: dict[str, Any] = web.get(f"/api/v1/documents/{identifier}/").json()
        if one["status"] in {"ready", "failed"}:
            return one
        time.sleep(0.1)
    raise AssertionError(one)


def test_a_worker_reads_an_upload_and_search_cites_it(member: httpx.Client) -> None:
    content = files.pdf(["# Travel", "Nothing here."], ["The hotel allowance in Oslo is 173 euros per night."])

    accepted = member.post("/api/v1/documents/", files={"file": ("travel.pdf", content)})
    assert accepted.status_code == 202, accepted.text
    identifier = accepted.json()["id"]
    one = wait_until_read(member, identifier)
    found = member.post("/api/v1/search/", json={"query": "How much is the hotel allowance in Oslo?"}).json()["results"]
    text = member.get(f"/api/v1/documents/{identifier}/text/").json()["text"]
    picture = member.get(f"/api/v1/documents/{identifier}/pages/2/")
    original = member.get(f"/api/v1/documents/{identifier}/file/")

    assert (one["status"], one["progress"], one["pages_done"]) == ("ready", 100, 2)
    assert (found[0]["document"], found[0]["page"]) == (identifier, 2)
    assert text[found[0]["start"] : found[0]["end"]] == found[0]["text"]
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/webp")
    assert original.content == content
    assert original.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_a_worker_says_why_it_could_not_read(member: httpx.Client) -> None:
    bomb = member.post("/api/v1/documents/", files={"file": ("bomb.docx", files.bomb())}).json()["id"]
    locked = member.post("/api/v1/documents/", files={"file": ("a.pdf", files.pdf(["x"], password="x"))}).json()["id"]
    fine = member.post("/api/v1/documents/", files={"file": ("fine.docx", files.docx("A fine day in May."))}).json()["id"]

    assert wait_until_read(member, bomb)["error_code"] == "archive_too_large"
    assert wait_until_read(member, locked)["error_code"] == "encrypted"
    assert wait_until_read(member, fine)["status"] == "ready"


def test_a_body_over_the_limit_is_cut_off(member: httpx.Client, acme: House) -> None:
    too_large = member.post("/api/v1/documents/", files={"file": ("a.txt", b"a" * (51 * 1024 * 1024))})

    assert too_large.status_code == 413
    assert too_large.json()["code"] == "too_large"
    assert member.get("/api/v1/documents/").json()["results"] == []
