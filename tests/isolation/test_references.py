"""Ids in bodies, missing filters, and fields that nobody asked for (cases 3, 4 and 22), over everything that there is.

The tables below are complete or the tests fail: a new serializer field that names something, a new model, and a new
serializer that writes need their line here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.utils import timezone
from rest_framework import serializers

from accounts import people
from accounts.grants import of_role
from accounts.models import User
from assistants.conversations import attachments, drafts, organising
from assistants.conversations.models import Conversation, ConversationFolder, ConversationTag, Feedback, Message, Run, Tag
from assistants.profiles.models import Assistant
from audit.services import set_private_reading
from documents import services, sharing
from documents.models import Folder
from tests.documents import files
from tests.documents.test_search_walls import add
from tests.people import Actor, House, aside

BASE = "/api/v1/"
OURS = ("accounts", "audit", "documents", "assistants", "gateway", "tenants", "core", "integrations")


def call(actor: Actor, method: str, path: str, data: Any) -> Any:
    if isinstance(data, dict) and "file" in data:
        return actor.api.post(BASE + path, data)
    return actor.api.generic(method, BASE + path, json.dumps(data), content_type="application/json")


def writable() -> dict[str, type[serializers.BaseSerializer[Any]]]:
    """Every serializer of ours that reads what a caller sends: all but those that only tell."""
    import_module("config.urls_tenant")
    found: dict[str, type[serializers.BaseSerializer[Any]]] = {}
    left = list(serializers.BaseSerializer.__subclasses__())
    while left:
        one = left.pop()
        left += one.__subclasses__()
        if one.__module__.split(".")[0] in OURS and not one.__name__.endswith(("Out", "List", "Query")):
            found[one.__name__] = one
    return found


def naming(serializer: type[Any]) -> Iterator[str]:
    """The fields of a serializer that name other things."""
    for name, field in serializer().fields.items():
        inner = field.child if isinstance(field, serializers.ListField) else field
        if not field.read_only and isinstance(inner, (serializers.UUIDField, serializers.RelatedField)):
            yield name


@dataclass(frozen=True)
class World:
    """Acme's member and member2, Globex's member, and what each has."""

    house: House
    member: Actor
    mine: dict[str, str]
    colleagues: dict[str, str]
    foreign: dict[str, str]


def belongings(actor: Actor, words: str) -> dict[str, str]:
    """A folder with a document in it, and a conversation."""
    with actor.acting():
        folder = services.create_folder(owner=actor.user, name=words)
        conversation = Conversation.objects.create(owner=actor.user, title=words)
        question = Message.objects.create(conversation=conversation, owner=actor.user, role="user", content=words)
        answer = Message.objects.create(
            conversation=conversation, owner=actor.user, parent=question, role="assistant", content=words
        )
        run = Run.objects.create(
            conversation=conversation,
            owner=actor.user,
            question=question,
            answer=answer,
            status="stopped",
            request={"w": words},
        )
        Feedback.objects.create(message=answer, owner=actor.user, rating="down", comment=words)
    document = add(actor, f"{words}. The otter swims.", "otter.txt", folder)
    with actor.acting():
        place, tag = (organising.create(kind, owner=actor.user, name=words) for kind in (ConversationFolder, Tag))
        ConversationTag.objects.create(conversation=conversation, tag=tag)
        drafts.keep(user=actor.user, conversation=conversation, text=words)
        attached = attachments.upload(owner=actor.user, file=files.upload(words, "note.txt"))
    return {
        "place": str(place.public_id),
        "tag": str(tag.public_id),
        "attachment": str(attached.public_id),
        "folder": str(folder.public_id),
        "document": str(document.public_id),
        "conversation": str(conversation.public_id),
        "question": str(question.public_id),
        "answer": str(answer.public_id),
        "run": str(run.public_id),
        "person": str(actor.user.public_id),
    }


@pytest.fixture
def world(acme: House, globex: House, owner: psycopg.Connection) -> Iterator[World]:
    member, member2, other = acme.person("member"), acme.person("member2"), globex.person("member")
    assert member.token and acme.person("manager").token and acme.person("auditor").token
    mine, colleagues, foreign = (
        belongings(actor, words)
        for actor, words in (
            (member, f"own {acme.canary}"),
            (member2, "CANARY-M2 of a colleague"),
            (other, f"next door {globex.canary}"),
        )
    )
    with globex.person("admin").acting():
        admin = globex.person("admin").user
        stranger = people.add_person(actor=admin, email="stranger@globex.test", role="member")
        foreign["person"] = str(stranger.public_id)
        foreign["group"] = str(people.add_group(actor=admin, name=globex.canary).public_id)
        foreign["assistant"] = str(Assistant.objects.all()[0].public_id)
    with acme.person("manager").acting():
        group = people.add_group(actor=acme.person("manager").user, name="Legal")
        kept = Assistant.objects.create(name="Kept for auditors", readers=["role:auditor"], position=9)
        mine |= {"group": str(group.public_id), "assistant": str(Assistant.objects.exclude(pk=kept.pk)[0].public_id)}
        colleagues["assistant"] = str(kept.public_id)
    with acme.person("admin").acting():
        set_private_reading(allowed=True)
    yield World(acme, member, mine, colleagues, foreign)
    with acme.person("admin").acting():
        set_private_reading(allowed=False)
    owner.execute(f"DELETE FROM {acme.schema}.conversations_run")
    owner.execute(f"UPDATE {acme.schema}.conversations_conversation SET assistant_id = NULL")
    owner.execute(f"DELETE FROM {acme.schema}.profiles_assistantgrant")
    owner.execute(f"DELETE FROM {acme.schema}.profiles_assistant WHERE name = 'Kept for auditors'")
    aside(globex, lambda: User.objects.filter(email="stranger@globex.test").delete())
    aside(acme, lambda: User.objects.filter(email="smuggled@acme.test").delete())


def stored(owner: psycopg.Connection, *houses: House) -> dict[str, str]:
    """A checksum of each table but the audit log, of which even a refusal may leave a line, and of sign-ins."""
    found = {}
    for house in houses:
        rows = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (house.schema,)).fetchall()
        for (table,) in rows:
            if not table.startswith(("audit_", "django_", "accounts_refreshtoken", "accounts_signin")):
                sql = f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {house.schema}.{table} t"
                found[f"{house.schema}.{table}"] = owner.execute(sql).fetchone()[0]  # type: ignore[index]
    return found


Send = Callable[[World, str], Any]


def message(field: str) -> Send:
    def send(world: World, wanted: str) -> Any:
        path = f"conversations/{world.mine['conversation']}/messages/"
        value: Any = [wanted] if field in {"folders", "attachments"} else wanted
        return call(world.member, "POST", path, {"content": "x", field: value})

    return send


def again(world: World, wanted: str) -> Any:
    return call(world.member, "POST", f"messages/{world.mine['question']}/regenerate/", {"folders": [wanted]})


def choice(field: str) -> Send:
    def send(world: World, wanted: str) -> Any:
        value: Any = [wanted] if field == "folders" else wanted
        return call(world.member, "PATCH", f"conversations/{world.mine['conversation']}/", {field: value})

    return send


def order(field: str) -> Send:
    def send(world: World, wanted: str) -> Any:
        body = {field: [wanted] if field == "tags" else wanted}
        return call(world.member, "PATCH", f"conversations/{world.mine['conversation']}/", body)

    return send


def manager(world: World) -> Actor:
    return world.house.person("manager")


def principal(kind: str) -> Send:
    def send(world: World, wanted: str) -> Any:
        path = f"folders/{world.mine['folder']}/grants/"
        return call(world.member, "POST", path, {"principal": {"type": kind, "id": wanted}})

    return send


def budget(scope: str) -> Send:
    def send(world: World, wanted: str) -> Any:
        body = {"scope": scope, "subject": wanted, "money_limit": "5"}
        return call(world.house.person("admin"), "POST", "budgets/", body)

    return send


def made_budget(world: World) -> str:
    made = call(world.house.person("admin"), "POST", "budgets/", {"scope": "tenant", "money_limit": "5"})
    return f"budgets/{made.json()['id']}/"


# (serializer, field): what it names, and requests that name it. The ids of people and groups are no secret inside a house.
NAMES: dict[tuple[str, str], list[tuple[str, Send]]] = {
    ("DocumentIn", "folder"): [
        ("folder", lambda w, i: call(w.member, "POST", "documents/", {"file": files.upload("x", "a.txt"), "folder": i}))
    ],
    ("SearchIn", "folders"): [("folder", lambda w, i: call(w.member, "POST", "search/", {"query": "otter", "folders": [i]}))],
    ("ConversationIn", "assistant"): [
        ("assistant", lambda w, i: call(w.member, "POST", "conversations/", {"assistant": i})),
    ],
    ("ConversationPatch", "assistant"): [("assistant", choice("assistant"))],
    ("ConversationPatch", "folders"): [("folder", choice("folders"))],
    ("ConversationPatch", "folder"): [("place", order("folder"))],
    ("ConversationPatch", "tags"): [("tag", order("tags"))],
    ("MessageIn", "assistant"): [("assistant", message("assistant"))],
    ("MessageIn", "folders"): [("folder", message("folders"))],
    ("MessageIn", "attachments"): [("attachment", message("attachments"))],
    ("AgainIn", "folders"): [("folder", again)],
    ("GroupIn", "members"): [("person", lambda w, i: call(manager(w), "POST", "groups/", {"name": "New", "members": [i]}))],
    ("GroupPatch", "members"): [
        ("person", lambda w, i: call(manager(w), "PATCH", f"groups/{w.mine['group']}/", {"members": [i]}))
    ],
    ("PrincipalIn", "id"): [("person", principal("user")), ("group", principal("group"))],
    ("BudgetIn", "subject"): [("person", budget("user")), ("group", budget("group"))],
    ("PreviewIn", "conversation"): [
        (
            "conversation",
            lambda w, i: call(w.member, "POST", "routing/preview/", {"content": "x", "conversation": i}),
        )
    ],
    ("PreviewIn", "attachments"): [
        (
            "attachment",
            lambda w, i: call(w.member, "POST", "routing/preview/", {"content": "x", "attachments": [i]}),
        )
    ],
    ("ReadingIn", "person"): [
        ("person", lambda w, i: call(w.house.person("auditor"), "POST", "readings/", {"person": i, "reason": "Complaint 4711"}))
    ],
}


def test_case_3_every_field_that_names_something_is_in_the_table() -> None:
    there = {(name, field) for name, serializer in writable().items() for field in naming(serializer)}

    assert there == set(NAMES)


@pytest.mark.parametrize("key", NAMES, ids=".".join)
def test_case_3_an_id_of_others_names_nothing_and_stores_nothing(
    world: World, globex: House, owner: psycopg.Connection, key: tuple[str, str]
) -> None:
    for kind, send in NAMES[key]:
        for wanted in (
            world.foreign[kind],
            world.colleagues.get(kind) if kind in {"folder", "assistant", "conversation", "place", "tag", "attachment"} else None,
        ):
            if wanted is None:
                continue
            before = stored(owner, world.house, globex)

            answer = send(world, wanted)

            assert answer.status_code in {400, 404}, answer.content
            told = answer.json()
            named = told.get("field") or next(iter(told.get("errors", {})), "")
            assert named == ("principal" if key[0] == "PrincipalIn" else key[1])
            assert "CANARY" not in answer.content.decode()
            assert stored(owner, world.house, globex) == before
        assert send(world, world.mine[kind]).status_code in {200, 201, 202}


MY_CONVERSATION = "conversation_id IN (SELECT id FROM {s}.conversations_conversation WHERE owner_id = {me})"
MY_DOCUMENT = "document_id IN (SELECT id FROM {s}.documents_document WHERE owner_id = {me})"
BINDING = "scope = 'tenant' OR subject = 'user:' || {me}"
ALL, NONE = "true", "false"
# model: which of its rows Acme's member may see.
SEEN: dict[str, str] = {
    "accounts.ApiKey": "owner_id = {me}",
    "accounts.ExternalIdentity": NONE,
    "accounts.Group": ALL,
    "accounts.OIDCProvider": NONE,
    "accounts.RecoveryCode": NONE,
    "accounts.RefreshToken": NONE,
    "accounts.SecondFactor": NONE,
    "accounts.SignIn": "user_id = {me}",
    "accounts.SignInPolicy": ALL,
    "accounts.User": "id = {me}",
    "admin.LogEntry": NONE,
    "audit.AuditEvent": "actor = {me} OR subject = {me}",
    "audit.Head": NONE,
    "audit.Reading": "reader = {me} OR subject = {me}",
    "audit.ReadingPolicy": ALL,
    "audit.WallReport": NONE,
    "auth.Group": ALL,
    "auth.Permission": ALL,
    "contenttypes.ContentType": ALL,
    "conversations.Attachment": "owner_id = {me}",
    "conversations.Conversation": "owner_id = {me}",
    "conversations.ConversationFolder": "owner_id = {me}",
    "conversations.ConversationTag": MY_CONVERSATION,
    "conversations.Disclosure": "run_id IN (SELECT id FROM {s}.conversations_run WHERE owner_id = {me})",
    "conversations.Feedback": "owner_id = {me}",
    "conversations.Draft": "owner_id = {me}",
    "conversations.Import": "owner_id = {me}",
    "conversations.Message": MY_CONVERSATION,
    "conversations.RetentionPolicy": ALL,
    "conversations.Run": MY_CONVERSATION,
    "conversations.SearchEntry": "owner_id = {me}",
    "conversations.Tag": "owner_id = {me}",
    "conversations.Share": "owner_id = {me}",
    "conversations.SharingPolicy": ALL,
    "documents.Document": "owner_id = {me}",
    "documents.DocumentGrant": MY_DOCUMENT,
    "documents.DocumentText": MY_DOCUMENT,
    "documents.Embedding": "owner_id = {me}",
    "documents.Folder": "owner_id = {me}",
    "documents.FolderGrant": "folder_id IN (SELECT id FROM {s}.documents_folder WHERE owner_id = {me})",
    "documents.Posting": MY_DOCUMENT,
    "documents.Vector": "owner_id = {me}",
    "gateway.Budget": BINDING,
    "gateway.BudgetHold": NONE,
    "gateway.BudgetPeriod": f"budget_id IN (SELECT id FROM {{s}}.gateway_budget WHERE {BINDING})",
    "gateway.CatalogueModel": NONE,
    "gateway.ModelGrant": ALL,
    "gateway.ModelRules": ALL,
    "gateway.ProviderAccount": NONE,
    "gateway.ProviderSecret": NONE,
    "gateway.UsageRecord": '"user" = {me}',
    "profiles.Assistant": "readers = '{{}}'",
    "profiles.AssistantGrant": NONE,
    "sessions.Session": NONE,
}


def tenant_models() -> list[Any]:
    labels = {name.rpartition(".")[2] for name in settings.TENANT_APPS}
    return [model for model in apps.get_models() if model._meta.app_label in labels]


def test_case_4_every_model_is_in_the_table() -> None:
    assert sorted(model._meta.label for model in tenant_models()) == sorted(SEEN)


@pytest.fixture
def shared(world: World) -> World:
    """Grants between others, too: nobody else's grant is seen."""
    for local, names in (("member", world.mine), ("member2", world.colleagues)):
        actor = world.house.person(local)
        with actor.acting():
            folder = Folder.objects.get(public_id=names["folder"])
            for thing in (folder, folder.documents.get()):
                sharing.share(user=actor.user, thing=thing, principal=of_role("auditor"))
    return world


def test_case_4_a_missing_filter_returns_what_the_person_may_see_and_no_more(shared: World, owner: psycopg.Connection) -> None:
    schema, me = shared.house.schema, shared.member.user.pk
    for model in tenant_models():
        table, key = model._meta.db_table, model._meta.pk.column
        condition = SEEN[model._meta.label].format(me=me, s=schema)
        expected = {row[0] for row in owner.execute(f"SELECT {key} FROM {schema}.{table} WHERE {condition}").fetchall()}
        with shared.member.acting():
            by_model = {row.pk for row in model.objects.all()}
            count = model.objects.count()
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {table}")
                raw = cursor.fetchall()
                names = [column[0] for column in cursor.description]

        assert by_model == {row[names.index(key)] for row in raw} == expected, f"case 4: {model._meta.label}"
        assert count == len(expected)
        assert "CANARY-M2" not in repr(raw) and "CANARY-GLOBEX" not in repr(raw), f"case 4: {model._meta.label}"
    with shared.house.person("member2").acting():
        assert Conversation.objects.get().title.startswith("CANARY-M2")  # The control: they are there for whose they are.


SENTINEL = "01900000-0000-7000-8000-00000000dead"
SMUGGLED = {
    "id": SENTINEL,
    "public_id": SENTINEL,
    "pk": 1,
    "owner": 1,
    "owner_id": 1,
    "user": 1,
    "tenant": "SMUGGLED",
    "schema": "SMUGGLED",
    "is_staff": True,
    "is_superuser": True,
    "created_at": "2001-01-01T00:00:00Z",
    "active_at": "2001-01-01T00:00:00Z",
    "expires_at": "2099-01-01T00:00:00Z",
    "usage": {"cost": "SMUGGLED"},
    "caps": ["SMUGGLED"],
    "capabilities": ["SMUGGLED"],
    "epoch": 1_247_119_357,
    "readers": ["user:1"],
    "writers": ["user:1"],
    "reader": 1,
    "subject": 1,
    "status": "SMUGGLED",
    "sha256": "SMUGGLED",
    "path": "SMUGGLED",
    "content_type": "SMUGGLED",
    "grounded": True,
    "citations": [{"text": "SMUGGLED"}],
}


def next_month() -> str:
    return (timezone.now() + timedelta(days=30)).isoformat()


def grant_body(world: World) -> dict[str, Any]:
    return {"principal": {"type": "role", "name": "viewer", "key": 1, "text": "user:1"}, "access": "read"}


def a_turn() -> dict[str, Any]:
    return {"role": "user", "content": "Otter?", "created_at": "2024-02-29T12:00:00Z"}


def a_talk() -> dict[str, Any]:
    return {"title": "New", "messages": [a_turn()]}


# serializer: who sends what, where; a valid body to which the smuggled fields are added.
WRITES: dict[str, Callable[[World], tuple[Actor, str, str, dict[str, Any]]]] = {
    "FolderIn": lambda w: (w.member, "POST", "folders/", {"name": "New"}),
    "FolderPatch": lambda w: (w.member, "PATCH", f"folders/{w.mine['folder']}/", {"name": "Renamed"}),
    "DocumentIn": lambda w: (w.member, "POST", "documents/", {"file": files.upload("some text", "a.txt")}),
    "GrantIn": lambda w: (w.member, "POST", f"folders/{w.mine['folder']}/grants/", grant_body(w)),
    "PrincipalIn": lambda w: (w.member, "POST", f"documents/{w.mine['document']}/grants/", grant_body(w)),
    "ConversationIn": lambda w: (w.member, "POST", "conversations/", {"title": "New"}),
    "ConversationPatch": lambda w: (w.member, "PATCH", f"conversations/{w.mine['conversation']}/", {"title": "Renamed"}),
    "ConversationFolderIn": lambda w: (w.member, "POST", "conversation-folders/", {"name": "New"}),
    "TagIn": lambda w: (w.member, "PATCH", f"tags/{w.mine['tag']}/", {"name": "Renamed"}),
    "DraftIn": lambda w: (w.member, "PUT", f"conversations/{w.mine['conversation']}/draft/", {"text": "Otter"}),
    "AttachmentIn": lambda w: (w.member, "POST", "attachments/", {"file": files.upload("some text", "a.txt")}),
    "MessageIn": lambda w: (w.member, "POST", f"conversations/{w.mine['conversation']}/messages/", {"content": "Otter?"}),
    "AgainIn": lambda w: (w.member, "POST", f"messages/{w.mine['question']}/regenerate/", {}),
    "ContinueIn": lambda w: (w.member, "POST", f"runs/{w.mine['run']}/continue/", {}),
    "FeedbackIn": lambda w: (w.member, "POST", f"messages/{w.mine['answer']}/feedback/", {"rating": "up"}),
    "ImportIn": lambda w: (w.member, "POST", "conversations/import/", a_talk()),
    "TurnIn": lambda w: (w.member, "POST", "conversations/import/", {"messages": [SMUGGLED | a_turn()]}),
    "ImportFileIn": lambda w: (w.member, "POST", "conversations/import/", {"file": files.upload(json.dumps(a_talk()), "a.json")}),
    "ShareIn": lambda w: (w.member, "POST", f"conversations/{w.mine['conversation']}/share/", {"expires_at": next_month()}),
    "GroupIn": lambda w: (manager(w), "POST", "groups/", {"name": "New"}),
    "GroupPatch": lambda w: (manager(w), "PATCH", f"groups/{w.mine['group']}/", {"name": "Renamed"}),
    "PersonIn": lambda w: (manager(w), "POST", "users/", {"email": "smuggled@acme.test", "role": "viewer"}),
    "PersonPatch": lambda w: (manager(w), "PATCH", f"users/{w.mine['person']}/", {"first_name": ""}),
    "ApiKeyIn": lambda w: (w.member, "POST", "api-keys/", {"name": "New", "scopes": ["read"], "expires_at": next_month()}),
    "AssistantGrantIn": lambda w: (manager(w), "POST", f"assistants/{w.colleagues['assistant']}/grants/", grant_body(w)),
    "ModelGrantIn": lambda w: (
        w.house.person("admin"),
        "POST",
        "model-grants/",
        {"model": "builtin", "principal": {"type": "role", "name": "member"}},
    ),
    "BudgetIn": lambda w: (
        w.house.person("admin"),
        "POST",
        "budgets/",
        {"scope": "tenant", "subject": None, "money_limit": "5"},
    ),
    "BudgetPatch": lambda w: (w.house.person("admin"), "PATCH", made_budget(w), {"money_limit": "6"}),
    "ReadingIn": lambda w: (
        w.house.person("auditor"),
        "POST",
        "readings/",
        {"person": w.mine["person"], "reason": "Complaint 4711"},
    ),
}
# They prove, ask or take back; a password is written as its hash alone; a key's answer tells what was made.
WRITE_NOTHING = {"CredentialsIn", "RefreshIn", "SearchIn", "GrantGone", "PreviewIn", "SignOutIn", "ApiKeyMade"} | {
    "PasswordChangeIn",
    "PasswordResetIn",
    "PasswordSetIn",
}


def test_case_22_every_serializer_that_writes_is_in_the_table() -> None:
    assert set(writable()) == set(WRITES) | WRITE_NOTHING


@pytest.mark.parametrize("name", WRITES)
def test_case_22_what_is_not_asked_for_is_not_stored(world: World, owner: psycopg.Connection, name: str) -> None:
    actor, method, path, sent = WRITES[name](world)
    schema = world.house.schema
    query = f"SELECT id, role, epoch, is_active, group_keys FROM {schema}.accounts_user WHERE email <> 'smuggled@acme.test' ORDER BY id"
    before = owner.execute(query).fetchall()
    added = {key: json.dumps(value) for key, value in SMUGGLED.items()} if "file" in sent else SMUGGLED

    answer = call(actor, method, path, {**added, **sent})

    assert answer.status_code in {200, 201, 202}, answer.content
    assert SENTINEL not in answer.content.decode() and "SMUGGLED" not in answer.content.decode()
    assert owner.execute(query).fetchall() == before
    for (table,) in owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall():
        if table.startswith("django_"):
            continue
        rows = [str(row) for (row,) in owner.execute(f"SELECT t::text FROM {schema}.{table} t").fetchall()]
        for trace in (SENTINEL, "SMUGGLED", "2001-01-01", "2099-01-01", "1247119357", "user:1}"):
            assert not any(trace in row for row in rows), f"case 22: {name} stored {trace} in {table}"
    for table in ("documents_folder", "documents_document", "conversations_conversation", "conversations_run"):
        owners = {row[0] for row in owner.execute(f"SELECT DISTINCT owner_id FROM {schema}.{table}").fetchall()}
        assert owners <= {actor.user.pk, world.member.user.pk, world.house.person("member2").user.pk}
