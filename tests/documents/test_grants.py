"""Sharing folders and documents: with whom, what it opens, and that it closes at once."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from accounts import grants, people
from accounts.models import Group
from audit.models import AuditEvent
from documents import sharing
from documents.models import Document, DocumentGrant, DocumentText, Embedding, Folder, FolderGrant, Posting, Vector
from documents.search import search
from tests.documents import files
from tests.documents.test_api import BASE, body, read_in, send, uploaded
from tests.people import Actor, House, aside

WORDS = "The pelican report names the secret harbour."


def call(actor: Actor, method: str, path: str, data: dict[str, Any] | None = None) -> tuple[int, Any]:
    answer = actor.api.generic(method, f"{BASE}/{path}", json.dumps(data or {}), content_type="application/json")
    return answer.status_code, json.loads(answer.content) if answer.content else {}


def new_folder(actor: Actor, name: str = "Shared") -> str:
    return str(call(actor, "POST", "folders/", {"name": name})[1]["id"])


def as_user(actor: Actor) -> dict[str, Any]:
    return {"type": "user", "id": str(actor.user.public_id)}


def grant(owner: Actor, path: str, principal: dict[str, Any], access: str = "read") -> tuple[int, Any]:
    return call(owner, "POST", f"{path}grants/", {"principal": principal, "access": access})


@pytest.fixture
def group(acme: House) -> Any:
    """A group with member2 in it; people keep no trace of it afterwards."""
    manager = acme.person("manager")
    with manager.acting():
        made = people.add_group(actor=manager.user, name="Legal", members=[acme.person("member2").user.public_id])
    yield made
    with manager.acting():
        for left in Group.objects.all():
            people.delete_group(actor=manager.user, group=left)


def sees(actor: Actor, document: str) -> list[bool]:
    """Every way to a document's content: list, detail, text, file, chunks, page, pages of the site, search."""
    api = actor.api
    ids = [row["id"] for row in body(api.get(f"{BASE}/documents/"))["results"]]
    found = body(api.post(f"{BASE}/search/", {"query": "pelican harbour"}, "application/json"))["results"]
    ways = [document in ids, document in {hit["document"] for hit in found}]
    for path in ("", "text/", "file/", "chunks/", "pages/1/"):
        answer = api.get(f"{BASE}/documents/{document}/{path}")
        ways.append(answer.status_code == 200)
        answer.close()
    ways.append(api.get(f"/documents/{document}/").status_code == 200)
    ways.append("secret harbour" in api.get("/search/?q=pelican").content.decode())
    with actor.acting():
        key = Document.objects.filter(public_id=document).values_list("pk", flat=True).first() or 0
        ways += [m.objects.filter(document_id=key).exists() for m in (DocumentText, Embedding, Vector)]
        for mode in ("text", "vector"):
            hits = search(user=actor.user, query="pelican harbour", mode=mode, top_k=50)  # type: ignore[arg-type]
            ways.append(uuid.UUID(document) in {hit.document for hit in hits})
    return ways


@pytest.mark.parametrize("kind", ["user", "group", "role"])
@pytest.mark.parametrize("what", ["folders", "documents"])
def test_a_grant_opens_every_way_to_a_document_and_its_end_closes_them_all(
    acme: House, globex: House, group: Group, kind: str, what: str
) -> None:
    owner, friend = acme.person("member"), Actor(acme, "member2")
    folder = new_folder(owner)
    document = uploaded(owner, files.pdf([WORDS]), "a.pdf", folder=folder)
    principal = {
        "user": as_user(friend),
        "group": {"type": "group", "id": str(group.public_id)},
        "role": {"type": "role", "name": "member"},
    }[kind]
    path = f"{what}/{folder if what == 'folders' else document}/"
    assert not any(sees(friend, document))

    status, made = grant(owner, path, principal)

    assert (status, made["principal"]["type"], made["access"]) == (201, kind, "read")
    assert all(sees(friend, document))
    # Nobody else, here or there: the cast has the same keys and ids in both houses.
    for stranger in (acme.person("viewer"), acme.person("manager"), globex.person("member2")):
        assert not any(sees(stranger, document))
    assert call(friend, "GET", f"{path}grants/")[1]["results"] == [made]
    assert all(sees(owner, document))
    assert call(owner, "DELETE", f"{path}grants/", {"principal": principal})[0] == 204
    assert not any(sees(friend, document))
    assert all(sees(owner, document))
    with acme.person("auditor").acting():
        events = list(AuditEvent.objects.filter(action__startswith="grant.").order_by("-seq")[:2])
    assert [event.action for event in events] == ["grant.removed", "grant.added"]
    assert events[0].subject == (friend.user.pk if kind == "user" else None)


def test_leaving_a_group_ends_what_it_could_read(acme: House, group: Group) -> None:
    owner, friend, manager = acme.person("member"), Actor(acme, "member2"), acme.person("manager")
    document = uploaded(owner, files.pdf([WORDS]), "a.pdf")
    assert grant(owner, f"documents/{document}/", {"type": "group", "id": str(group.public_id)})[0] == 201
    assert all(sees(friend, document))

    with manager.acting():
        people.set_members(actor=manager.user, group=group, members=[])

    assert not any(sees(Actor(acme, "member2"), document))


def test_write_lets_add_and_remove_ones_own_and_nothing_else(acme: House) -> None:
    owner, friend = acme.person("manager"), acme.person("member")
    folder = new_folder(owner)
    theirs = uploaded(owner, "The owner's own words.", "owner.txt", folder=folder)
    path = f"folders/{folder}/"
    assert grant(owner, path, as_user(friend))[0] == 201
    assert send(friend, "mine", "b.txt", folder=folder).status_code == 403

    assert grant(owner, path, as_user(friend), "write")[1]["access"] == "write"

    mine = uploaded(friend, f"Added by a friend: {WORDS}", "mine.txt", folder=folder)
    assert call(friend, "GET", path)[1]["may_add"]
    assert call(owner, "GET", f"documents/{mine}/text/")[0] == 200
    assert [row["access"] for row in call(owner, "GET", f"{path}grants/")[1]["results"]] == ["write"]
    assert call(friend, "DELETE", f"documents/{theirs}/")[0] == 403
    assert call(friend, "PATCH", path, {"name": "Mine now"})[0] == 403
    assert call(friend, "DELETE", path)[0] == 403
    assert grant(friend, path, as_user(acme.person("viewer")))[0] == 403
    second = uploaded(friend, "A second one.", "second.txt", folder=folder)
    assert call(friend, "DELETE", f"documents/{second}/")[0] == 204
    # Without the grant nothing can be added; what was added stays its author's, and is read to the end.
    assert call(owner, "DELETE", f"{path}grants/", {"principal": as_user(friend)})[0] == 204
    assert send(friend, "late", "late.txt", folder=folder).status_code == 404
    read_in(friend, mine)
    assert call(friend, "GET", f"documents/{mine}/")[0] == 200
    assert call(friend, "GET", f"documents/{theirs}/")[0] == 404
    # The folder goes with all that lies in it.
    assert call(owner, "DELETE", path)[0] == 204
    assert call(friend, "GET", f"documents/{mine}/")[0] == 404
    with friend.acting():
        assert [m.objects.count() for m in (Document, DocumentText, Embedding, Vector, Posting)] == [0] * 5


def test_a_reader_is_granted_reading_only(acme: House) -> None:
    owner, viewer = acme.person("member"), acme.person("viewer")
    folder = new_folder(owner)

    for principal in (as_user(viewer), {"type": "role", "name": "viewer"}, {"type": "role", "name": "auditor"}):
        status, answer = grant(owner, f"folders/{folder}/", principal, "write")
        assert (status, answer["code"]) == (400, "reads_only")
    assert grant(owner, f"folders/{folder}/", as_user(viewer))[0] == 201
    assert send(viewer, "mine", "b.txt", folder=folder).status_code == 403
    document = uploaded(owner, WORDS, "a.txt")
    assert grant(owner, f"documents/{document}/", as_user(acme.person("member2")), "write")[1]["code"] == "reads_only"


def test_nobody_shares_what_is_not_theirs(acme: House, globex: House) -> None:
    owner = acme.person("member")
    folder = new_folder(owner)
    document = uploaded(owner, WORDS, "a.txt", folder=folder)
    call(owner, "PATCH", f"folders/{folder}/", {"visibility": "tenant"})
    everybody = {"type": "role", "name": "member"}

    for path in (f"folders/{folder}/", f"documents/{document}/"):
        for local in ("admin", "manager", "member2"):
            assert grant(acme.person(local), path, everybody)[0] == 403
        assert grant(acme.person("viewer"), path, everybody)[0] == 403
        assert grant(globex.person("member"), path, everybody)[0] == 404
        assert grant(owner, path, everybody)[0] == 201
        assert call(acme.person("admin"), "DELETE", f"{path}grants/", {"principal": everybody})[0] == 403


@pytest.mark.parametrize(
    ("principal", "status"),
    [
        ({}, 400),
        ({"type": "user"}, 400),
        ({"type": "role", "id": "01900000-0000-7000-8000-000000000000"}, 400),
        ({"type": "role", "name": "operator"}, 404),
        ({"type": "role", "name": "x' OR 1=1"}, 404),
        ({"type": "user", "id": "01900000-0000-7000-8000-000000000000"}, 404),
        ({"type": "group", "id": "01900000-0000-7000-8000-000000000000"}, 404),
        ({"type": "user", "id": "seven"}, 400),
    ],
)
def test_a_principal_that_is_not_there_is_refused_and_nothing_is_stored(acme: House, principal: Any, status: int) -> None:
    owner = acme.person("member")
    folder = new_folder(owner)

    assert grant(owner, f"folders/{folder}/", principal)[0] == status

    with owner.acting():
        assert not FolderGrant.objects.exists()
        assert Folder.objects.get(public_id=folder).readers == []


def test_a_grant_is_taken_back_by_its_own_id_and_repeats_are_harmless(acme: House) -> None:
    owner, friend = acme.person("member"), acme.person("member2")
    folder = new_folder(owner)
    first = grant(owner, f"folders/{folder}/", as_user(friend))[1]
    again = grant(owner, f"folders/{folder}/", as_user(friend))[1]

    assert first == again
    assert call(friend, "DELETE", f"folders/{folder}/grants/{first['id']}/")[0] == 403
    assert call(owner, "DELETE", f"folders/{folder}/grants/{first['id']}/")[0] == 204
    status, answer = call(owner, "DELETE", f"folders/{folder}/grants/{first['id']}/")
    assert (status, answer["code"]) == (404, "grant_not_found")


def test_parallel_grants_are_all_in_force(acme: House) -> None:
    owner = acme.person("member")
    folder = new_folder(owner)
    names = ["admin", "manager", "member", "viewer", "auditor"]
    with owner.acting():
        row = Folder.objects.get(public_id=folder)

    def work(name: str) -> None:
        with owner.acting():
            sharing.share(user=owner.user, thing=row, principal=grants.of_role(name))
        connections.close_all()

    assert owner.user.pk
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with owner.acting():
        row.refresh_from_db()
    assert sorted(row.readers) == sorted(f"role:{name}" for name in names)


def test_colleagues_are_found_by_name_and_others_are_not(acme: House, globex: House) -> None:
    member = acme.person("member")

    rows = call(member, "GET", "principals/")[1]["results"]

    assert {row["type"] for row in rows} == {"role", "user"}
    assert str(member.user.public_id) not in {row["id"] for row in rows}
    assert all(set(row) == {"type", "id", "name"} for row in rows)
    manager = acme.person("manager").user
    found = call(member, "GET", "principals/?q=manager")[1]["results"]
    assert {"type": "user", "id": str(manager.public_id), "name": str(manager)} in found
    assert call(acme.person("viewer"), "GET", "principals/")[0] == 403
    theirs = aside(globex, lambda: str(globex.person("manager").user))
    assert "globex" not in json.dumps(rows).lower() or "globex" not in theirs.lower()


def test_lists_of_shared_things_take_the_same_queries(acme: House, django_assert_num_queries: Callable[..., Any]) -> None:
    owner, friend = acme.person("member"), acme.person("member2")
    for number in range(3):
        folder = new_folder(owner, f"Folder {number}")
        send(owner, f"text {number}", f"{number}.txt", folder=folder)
        grant(owner, f"folders/{folder}/", as_user(friend))
    assert friend.token

    with django_assert_num_queries(1):  # The rows: what is shared stands on them.
        assert len(body(friend.api.get(f"{BASE}/documents/"))["results"]) == 3
    with django_assert_num_queries(1):
        assert len(body(friend.api.get(f"{BASE}/folders/"))["results"]) == 3
    with django_assert_num_queries(3):  # The folder, its grants, the names of people.
        assert len(body(owner.api.get(f"{BASE}/folders/{folder}/grants/"))["results"]) == 1


def test_grants_are_rows_of_their_own_tenant(acme: House, globex: House) -> None:
    owner = acme.person("member")
    document = uploaded(owner, WORDS, "a.txt")
    grant(owner, f"documents/{document}/", {"type": "role", "name": "member"})

    with globex.person("member").acting():
        assert DocumentGrant.objects.count() == FolderGrant.objects.count() == 0
    with acme.person("viewer").acting():
        assert DocumentGrant.objects.count() == 0
    with acme.person("member2").acting():
        assert DocumentGrant.objects.count() == 1


def test_the_page_shows_who_can_see_a_folder_and_lets_its_owner_change_it(acme: House) -> None:
    owner, friend = acme.person("member"), acme.person("member2")
    folder = new_folder(owner)
    document = uploaded(owner, files.pdf([WORDS]), "a.pdf", folder=folder)
    page = f"/documents/?folder={folder}"
    owner.api.cookies["django_language"] = "en"
    assert "Only you" in owner.api.get(page).content.decode()

    for path, principal in (
        (f"/folders/{folder}/", f"user:{friend.user.public_id}"),
        (f"/folders/{folder}/", "role:viewer"),
        (f"/documents/{document}/", "role:auditor"),
    ):
        assert owner.api.post(f"{path}share/", {"principal": principal, "access": "read"}).status_code == 302

    shown = owner.api.get(page).content.decode()
    assert str(friend.user) in shown
    assert f'value="user:{friend.user.public_id}"' not in shown  # Not offered again.
    assert 'href="#share"' in friend.api.get(page).content.decode()
    assert friend.api.get(f"/documents/{document}/").status_code == 200
    assert acme.person("auditor").api.get(f"/documents/{document}/").status_code == 200
    with owner.acting():
        one = FolderGrant.objects.get(principal=f"user:{friend.user.pk}").public_id
    assert friend.api.post(f"/folders/{folder}/unshare/", {"grant": str(one)}).status_code == 302  # Told so, and nothing changed.
    assert friend.api.get(page).status_code == 200
    assert owner.api.post(f"/folders/{folder}/unshare/", {"grant": str(one)}).status_code == 302
    assert friend.api.get(page).status_code == 404
    assert owner.api.post(f"/folders/{folder}/share/", {"principal": "everyone"}).status_code == 302
    assert friend.api.get(page).status_code == 200
    assert owner.api.post(f"/folders/{folder}/unshare/", {"grant": "everyone"}).status_code == 302
    assert friend.api.get(page).status_code == 404
