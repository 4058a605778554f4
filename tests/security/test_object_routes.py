"""Case 1: every route with an id, called with another tenant's id, and the tables of that tenant before and after."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.core.files.base import ContentFile
from django.db import connections

from accounts import keys, people, sign_ins
from accounts.grants import of_role
from accounts.models import OIDCProvider
from accounts.permissions import ROLES, Right
from assistants.conversations import attachments, organising, reading, services
from assistants.conversations.importing.services import start_import
from assistants.conversations.models import ConversationFolder, Message, Run, Tag
from assistants.conversations.sharing import create_share
from assistants.profiles.models import Assistant
from audit.services import set_private_reading
from config import access
from documents import sharing
from documents.models import Document, Folder
from documents.services import create_folder, upload_document
from gateway import budgets
from gateway.models import ModelGrant
from isolation import context
from tests.people import Actor, House


def a_run(house: House) -> Run:
    with house.person("member").acting():
        run = services.start_run(owner=house.person("member").user, conversation=None, content=house.canary).run
        Run.objects.filter(pk=run.pk).update(status="completed")
        return run


def an_answer(house: House) -> Message:
    return a_run(house).answer


def a_broken_run(house: House) -> Run:
    run = a_run(house)
    with house.person("member").acting():
        Message.objects.filter(pk=run.answer_id).update(content=f"{house.canary}, half of")
        Run.objects.filter(pk=run.pk).update(status="stopped")
    return run


def a_place(house: House) -> Any:
    with house.person("member").acting():
        return organising.create(ConversationFolder, owner=house.person("member").user, name=f"{house.canary} {uuid.uuid4()}")


def a_tag(house: House) -> Any:
    with house.person("member").acting():
        return organising.create(Tag, owner=house.person("member").user, name=f"{house.canary} {uuid.uuid4()}")


def an_import(house: House) -> Any:
    member = house.person("member")
    body = json.dumps({"messages": [{"role": "user", "content": house.canary}]}).encode()
    with member.acting():
        return start_import(owner=member.user, file=ContentFile(body))


def a_share(house: House) -> Any:
    conversation, member = a_run(house).conversation, house.person("member")
    with member.acting():
        return create_share(owner=member.user, conversation=conversation)


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


def a_key(house: House) -> Any:
    member = house.person("member")
    with member.acting():
        return keys.create(owner=member.user, name=house.canary, scopes=["read"])[0]


def a_sign_in(house: House) -> Any:
    with context.use(context.auth(house.schema)):
        return sign_ins.begin(user=house.person("member").user, kind="tokens")


def an_assistant(house: House) -> Assistant:
    with context.use(house.person("admin").context):
        return Assistant.objects.create(name=f"{house.canary} {uuid.uuid4()}")


def a_model_grant(house: House) -> ModelGrant:
    with house.person("admin").acting():
        return ModelGrant.objects.get_or_create(model="openai/large", principal="role:auditor")[0]


def a_provider(house: House) -> OIDCProvider:
    with house.person("admin").acting():
        return OIDCProvider.objects.create(name=house.canary, issuer="https://login.example.org", client_id="cloison")


def a_reading(house: House) -> tuple[Any, Any]:
    admin, member = house.person("admin"), house.person("member")
    with admin.acting():
        set_private_reading(allowed=True)
        leave = reading.take_leave(reader=admin.user, person=member.user.public_id, reason="an inquiry that was ordered")
    return leave, a_run(house).conversation


def shared(make: Callable[[House], Any]) -> Callable[[House], tuple[Any, Any]]:
    """A thing and a grant on it."""

    def made(house: House) -> tuple[Any, Any]:
        thing, member = make(house), house.person("member")
        with member.acting():
            sharing.share(user=member.user, thing=thing, principal=of_role("viewer"))
            return thing, thing.grants.get()

    return made


def a_budget(house: House) -> Any:
    admin, group = house.person("admin"), a_group(house)
    with admin.acting():
        limits = budgets.Limits(Decimal(5), None)
        return budgets.set_budget(actor=admin.user, scope="group", subject=f"group:{group.pk}", period="month", limits=limits)


def an_attachment(house: House) -> Any:
    with house.person("member").acting():
        file = ContentFile(f"{house.canary} in a file.".encode(), name="note.txt")
        return attachments.upload(owner=house.person("member").user, file=file)


API = access.API
# Each route with an id: what makes an object of it, or one for each of its ids. A route that is not here fails.
FACTORIES: dict[str, Callable[[House], Any]] = {
    "c/": lambda house: a_run(house).conversation,
    "c/<uuid:public_id>/sent/<uuid:run>/": lambda house: ((run := a_run(house)).conversation, run),
    "login/oidc/": a_provider,
    "messages/": an_answer,
    "settings/keys/": a_key,
    "documents/": a_document,
    "folders/": a_folder,
    f"{API}api-keys/": a_key,
    f"{API}assistants/": an_assistant,
    f"{API}auth/sign-ins/": a_sign_in,
    f"{API}conversations/": lambda house: a_run(house).conversation,
    f"{API}messages/": an_answer,
    f"{API}messages/<uuid:id>/edit/": lambda house: a_run(house).question,
    f"{API}attachments/": an_attachment,
    "conversations/<str:kind>/<uuid:public_id>/": a_tag,
    f"{API}conversation-folders/": a_place,
    f"{API}tags/": a_tag,
    f"{API}conversations/imports/": an_import,
    f"{API}shares/": a_share,
    "settings/shares/": a_share,
    "settings/conversations/imports/": an_import,
    f"{API}runs/": a_run,
    f"{API}runs/<uuid:id>/continue/": a_broken_run,
    f"{API}documents/": a_document,
    f"{API}documents/<uuid:id>/grants/<uuid:grant>/": shared(a_document),
    f"{API}folders/": a_folder,
    f"{API}folders/<uuid:id>/grants/<uuid:grant>/": shared(a_folder),
    f"{API}users/": a_person,
    f"{API}groups/": a_group,
    f"{API}readings/": a_reading,
    f"{API}budgets/": a_budget,
    f"{API}model-grants/": a_model_grant,
}
ROLE = {"principal": {"type": "role", "name": "viewer"}}
# Bodies that are valid, so that nothing but the id can be what is refused.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    (f"{API}conversations/<uuid:id>/", "PATCH"): {"title": "mine now"},
    (f"{API}conversations/<uuid:conversation>/messages/", "POST"): {"content": "mine now"},
    (f"{API}messages/<uuid:id>/edit/", "POST"): {"content": "mine now"},
    (f"{API}messages/<uuid:id>/feedback/", "POST"): {"rating": "down"},
    (f"{API}conversations/<uuid:id>/draft/", "PUT"): {"text": "mine now"},
    (f"{API}conversation-folders/<uuid:id>/", "PATCH"): {"name": "mine now"},
    (f"{API}tags/<uuid:id>/", "PATCH"): {"name": "mine now"},
    (f"{API}folders/<uuid:id>/", "PATCH"): {"name": "mine now"},
    (f"{API}users/<uuid:id>/", "PATCH"): {"first_name": "mine now"},
    (f"{API}groups/<uuid:id>/", "PATCH"): {"name": "mine now"},
    **{
        (f"{API}{kind}/<uuid:id>/grants/", method): ROLE
        for kind in ("documents", "folders", "assistants")
        for method in ("POST", "DELETE")
    },
    (f"{API}budgets/<uuid:id>/", "PATCH"): {"money_limit": "6"},
}
# Where the rightful owner gets no success either: the object has no such part, or the way leads outside.
NOT_THERE = {
    f"{API}documents/<uuid:id>/pages/<int:number>/",
    f"{API}documents/<uuid:id>/text/",
    f"{API}documents/<uuid:id>/grants/",
    f"{API}folders/<uuid:id>/grants/",
    f"{API}assistants/<uuid:id>/grants/",
    "login/oidc/<uuid:public_id>/",
    "c/<uuid:public_id>/sent/<uuid:run>/",
    f"{API}runs/<uuid:id>/sent/",
    "documents/<uuid:public_id>/unshare/",
    "folders/<uuid:public_id>/unshare/",
}
# A secret that is no id: who has it may (their own tests: tests/accounts, tests/conversations/test_sharing.py).
SECRETS = {"password/reset/<str:token>/", "share/<str:token>/"}

CALLS = [(route, method) for route, entry in access.TENANT.items() if "<" in route and route not in SECRETS for method in entry]


def factory(route: str) -> Callable[[House], Any]:
    return FACTORIES.get(route) or FACTORIES[route.partition("<")[0]]


def call(actor: Actor, route: str, method: str, thing: Any) -> Any:
    path = "/" + route.replace("<int:number>", "1").replace("<str:kind>", "tag")
    things = list(thing) if isinstance(thing, tuple) else [thing]
    while "<" in path:
        head, _, rest = path.partition("<")
        path = f"{head}{things[0].public_id}{rest.partition('>')[2]}"
        things = things[1:] or things
    body = BODIES.get((route, method), {})
    answer = actor.api.generic(method, path, json.dumps(body), content_type="application/json")
    answer.close()
    return answer


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


def test_the_openapi_document_lists_what_range_is_answered_with(acme: House) -> None:
    member = acme.person("member")
    paths = member.api.get("/api/schema/", headers={"accept": "application/json"}).json()["paths"]
    ranged = {path for path, methods in paths.items() if "206" in methods.get("get", {"responses": {}})["responses"]}

    assert ranged == {f"/{API}{name}/{{id}}/file/" for name in ("attachments", "documents")}
    for path in ranged:
        where = path.replace("{id}", str(FACTORIES[path[1:].partition("{")[0]](acme).public_id))
        for status, wanted in ((200, {}), (206, {"range": "bytes=0-0"}), (416, {"range": "bytes=9999-"})):
            answer = member.api.get(where, headers=wanted)
            answer.close()
            told = paths[path]["get"]["responses"][str(status)]
            assert answer.status_code == status
            assert {"Accept-Ranges", "ETag"} <= set(told["headers"]) <= set(answer.headers)
            assert ("Content-Range" in told["headers"]) == ("Content-Range" in answer.headers) == (status != 200)
            assert status != 416 or answer.headers["Content-Type"].partition(";")[0] in told["content"]


# Streams, what goes out to another service, and what is written down because somebody looked.
WRITES_BY_DUTY = ("events/", "oidc", "readings/", "export/")
GETS = [
    route
    for route, entry in access.TENANT.items()
    if "GET" in entry and route not in SECRETS and not any(part in route for part in WRITES_BY_DUTY)
]


def test_case_26_no_get_changes_anything(acme: House, owner: psycopg.Connection) -> None:
    things = {prefix: make(acme) for prefix, make in FACTORIES.items()}

    def thing(route: str) -> Any:
        return things.get(route) or things.get(route.partition("<")[0])

    person = {route: somebody(acme, route, "GET") for route in GETS}
    for actor in person.values():
        actor.token  # noqa: B018 (as above)

    def ask_all() -> list[int]:
        return [call(person[r], r, "GET", thing(r)).status_code for r in GETS]

    first = ask_all()
    before = checksum(owner, acme)
    second = ask_all()

    assert checksum(owner, acme) == before
    assert first == second
    assert sum(status == 200 for status in second) >= len(GETS) - 8
