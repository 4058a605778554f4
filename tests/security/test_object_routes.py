"""Case 1: every route with an id, called with another tenant's id, and the tables of that tenant before and after."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.core.files.base import ContentFile
from django.db import connections

from accounts import people
from accounts.permissions import ROLES, Right
from assistants.conversations import services
from assistants.conversations.models import Run
from config import access
from documents.models import Document, Folder
from documents.services import create_folder, upload_document
from tests.people import Actor, House


def a_run(house: House) -> Run:
    with house.person("member").acting():
        run = services.start_run(owner=house.person("member").user, conversation=None, content=house.canary).run
        Run.objects.filter(pk=run.pk).update(status="completed")
        return run


def a_folder(house: House) -> Folder:
    with house.person("member").acting():
        return create_folder(owner=house.person("member").user, name=f"{house.canary} {uuid.uuid4()}")


def a_document(house: House) -> Document:
    with house.person("member").acting():
        file = ContentFile(f"{house.canary} in a text that is long enough.".encode(), name="note.txt")
        document = upload_document(owner=house.person("member").user, file=file)
        Document.objects.filter(pk=document.pk).update(status="failed", error_code="test")
        return document


def a_person(house: House) -> Any:
    admin = house.person("admin")
    with admin.acting():
        return people.add_person(
            actor=admin.user, email=f"{uuid.uuid4().hex}@{house.name.lower()}.test", role="member", language="en"
        )


def a_group(house: House) -> Any:
    admin = house.person("admin")
    with admin.acting():
        return people.add_group(actor=admin.user, name=f"{house.canary} {uuid.uuid4()}")


API = access.API
# Each route with an id: what makes an object of it. A route that is not here fails the test below.
FACTORIES: dict[str, Callable[[House], Any]] = {
    "c/": lambda house: a_run(house).conversation,
    "documents/": a_document,
    "folders/": a_folder,
    f"{API}conversations/": lambda house: a_run(house).conversation,
    f"{API}runs/": a_run,
    f"{API}documents/": a_document,
    f"{API}folders/": a_folder,
    f"{API}users/": a_person,
    f"{API}groups/": a_group,
}
# Bodies that are valid, so that nothing but the id can be what is refused.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    (f"{API}conversations/<uuid:id>/", "PATCH"): {"title": "mine now"},
    (f"{API}conversations/<uuid:conversation>/messages/", "POST"): {"content": "mine now"},
    (f"{API}folders/<uuid:id>/", "PATCH"): {"name": "mine now"},
    (f"{API}users/<uuid:id>/", "PATCH"): {"first_name": "mine now"},
    (f"{API}groups/<uuid:id>/", "PATCH"): {"name": "mine now"},
}
# What the rightful owner gets where it is not a success: the object has no such part.
NOT_THERE = {
    f"{API}documents/<uuid:id>/pages/<int:number>/",
    f"{API}documents/<uuid:id>/text/",
}

CALLS = [(route, method) for route, entry in access.TENANT.items() if "<" in route for method in entry]


def factory(route: str) -> Callable[[House], Any]:
    return FACTORIES[route.partition("<")[0]]


def call(actor: Actor, route: str, method: str, thing: Any) -> Any:
    path = "/" + route.replace("<int:number>", "1")
    while "<" in path:
        head, _, rest = path.partition("<")
        path = f"{head}{thing.public_id}{rest.partition('>')[2]}"
    body = BODIES.get((route, method), {})
    return actor.api.generic(method, path, json.dumps(body), content_type="application/json")


def somebody(house: House, route: str, method: str) -> Actor:
    """member1, or an administrator where members may not at all (they get 403 whatever the id: case 20)."""
    need = access.TENANT[route][method]
    allowed = not isinstance(need, Right) or "member" in ROLES[need]
    return house.person("member" if allowed else "admin")


def checksum(owner: psycopg.Connection, house: House) -> str:
    """Over every row of every table of a tenant."""
    names = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", (house.schema,)).fetchall()
    digest = hashlib.sha256()
    for (name,) in names:
        rows = owner.execute(f'SELECT t::text FROM {house.schema}."{name}" t ORDER BY 1').fetchall()
        digest.update(repr((name, rows)).encode())
    return digest.hexdigest()


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    connections.close_all()


@pytest.mark.parametrize(("route", "method"), CALLS)
def test_case_1_another_tenants_id_is_an_id_that_does_not_exist(
    acme: House, globex: House, owner: psycopg.Connection, route: str, method: str
) -> None:
    theirs = factory(route)(globex)
    stranger, rightful = somebody(acme, route, method), somebody(globex, route, method)
    stranger.token, rightful.token  # noqa: B018 (signing in writes rows: before the first look)
    before = checksum(owner, globex)

    refused = call(stranger, route, method, theirs)
    unknown = call(stranger, route, method, Document(public_id="01900000-0000-7000-8000-00000000dead"))
    after = checksum(owner, globex)
    allowed = call(rightful, route, method, theirs)

    assert refused.status_code == 404, f"case 1: {method} /{route} answered {refused.status_code}"
    if route.startswith(API):
        assert refused.json() == unknown.json(), "case 1: a foreign id answers otherwise than one that does not exist"
    assert before == after, f"case 1: {method} /{route} changed the other tenant's tables"
    if route not in NOT_THERE:
        assert allowed.status_code < 400, f"case 1, positive control: {method} /{route} answered {allowed.status_code}"


def test_case_1_the_openapi_document_names_no_other_route(acme: House) -> None:
    schema = acme.person("admin").api.get("/api/schema/", headers={"accept": "application/json"}).json()
    known = {
        route.replace("<uuid:", "{").replace("<int:", "{").replace("<str:", "{").replace(">", "}") for route in access.TENANT
    }

    assert {path.lstrip("/") for path in schema["paths"]} <= known


GETS = [route for route, entry in access.TENANT.items() if "GET" in entry and "events/" not in route]


def test_case_26_no_get_changes_anything(acme: House, owner: psycopg.Connection) -> None:
    things = {prefix: make(acme) for prefix, make in FACTORIES.items()}
    person = {route: somebody(acme, route, "GET") for route in GETS}
    for actor in person.values():
        actor.token  # noqa: B018 (as above)

    def ask_all() -> list[int]:
        return [call(person[r], r, "GET", things.get(r.partition("<")[0])).status_code for r in GETS]

    first = ask_all()
    before = checksum(owner, acme)
    second = ask_all()

    assert checksum(owner, acme) == before
    assert first == second
    assert sum(status == 200 for status in second) >= len(GETS) - 4
