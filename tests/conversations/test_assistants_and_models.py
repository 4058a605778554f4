"""Assistants and models that are kept for some: not offered to others, and not had by naming them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import DatabaseError, connection, transaction

from accounts.grants import of_role
from assistants.conversations import services as turns
from assistants.profiles.models import Assistant, AssistantGrant
from audit.models import AuditEvent
from gateway import access, catalogue, health
from gateway.models import ModelGrant
from gateway.router import LLMRouter
from gateway.types import NoPermittedModel
from isolation import context
from tests.people import Actor, House

BASE = "/api/v1"


def call(actor: Actor, method: str, path: str, data: dict[str, Any] | None = None) -> tuple[int, Any]:
    answer = actor.api.generic(method, f"{BASE}/{path}", json.dumps(data or {}), content_type="application/json")
    return answer.status_code, json.loads(answer.content) if answer.content else {}


def names(actor: Actor) -> list[str]:
    return [row["name"] for row in call(actor, "GET", "assistants/")[1]["results"]]


@pytest.fixture(autouse=True)
def opened_again(houses: dict[str, House], owner: psycopg.Connection) -> Iterator[None]:
    """Assistants are kept between tests: their readers go with the grants."""
    yield
    for house in houses.values():
        owner.execute(f"DELETE FROM {house.schema}.profiles_assistantgrant")
        owner.execute(f"UPDATE {house.schema}.profiles_assistant SET readers = '{{}}'")


def test_everybody_lists_the_assistants_that_are_kept_for_nobody(acme: House, globex: House) -> None:
    for local in ("admin", "member", "viewer", "auditor"):
        status, answer = call(acme.person(local), "GET", "assistants/")
        assert (status, [row["name"] for row in answer["results"]]) == (200, ["Assistant documents", "Assistant courriels"])
        assert set(answer["results"][0]) == {"id", "name", "description", "starters", "model"}
    assert names(globex.person("member")) == ["Contracts assistant", "Mail assistant"]


@pytest.mark.parametrize("local", ["admin", "manager"])
def test_an_assistant_kept_for_some_is_theirs_alone(acme: House, globex: House, local: str) -> None:
    manager, member = acme.person(local), acme.person("member")
    rows = call(member, "GET", "assistants/")[1]["results"]
    kept = rows[0]["id"]
    path = f"assistants/{kept}/grants/"
    for stranger in ("member", "viewer", "auditor"):
        assert call(acme.person(stranger), "POST", path, {"principal": {"type": "role", "name": "member"}})[0] == 403
    assert call(globex.person("admin"), "POST", path, {"principal": {"type": "role", "name": "member"}})[0] == 404

    status, made = call(manager, "POST", path, {"principal": {"type": "user", "id": str(acme.person("viewer").user.public_id)}})

    assert (status, made["principal"]["type"]) == (201, "user")
    assert names(acme.person("viewer")) == ["Assistant documents", "Assistant courriels"]
    for stranger in ("member", "member2", "admin", "manager"):
        assert names(acme.person(stranger)) == ["Assistant courriels"]
        assert call(acme.person(stranger), "POST", "conversations/", {"assistant": kept})[0] == 404
    assert call(acme.person("viewer"), "POST", "conversations/", {"assistant": kept})[0] == 201
    with member.acting():
        assert not Assistant.objects.filter(public_id=kept).exists()  # Not even by a query that forgot to ask.
        conversation = turns.create_conversation(owner=member.user)
    assert conversation.assistant and str(conversation.assistant.public_id) != kept
    status, answer = call(
        member, "POST", f"conversations/{conversation.public_id}/messages/", {"content": "x", "assistant": kept}
    )
    assert (status, answer["field"]) == (404, "assistant")
    assert call(manager, "GET", path)[1]["results"] == [made]
    assert call(manager, "DELETE", path, {"principal": {k: made["principal"][k] for k in ("type", "id")}})[0] == 204
    assert names(member) == ["Assistant documents", "Assistant courriels"]
    with acme.person("auditor").acting():
        events = AuditEvent.objects.filter(action__startswith="grant.").order_by("-seq")[:2]
        assert [event.action for event in events] == ["grant.removed", "grant.added"]


def test_no_query_of_a_member_opens_an_assistant(acme: House) -> None:
    member = acme.person("member")
    with acme.person("manager").acting():
        one = Assistant.objects.order_by("position").first()
        assert one
        AssistantGrant.objects.create(assistant=one, principal="role:auditor")

    with member.acting():
        assert Assistant.objects.filter(pk=one.pk).update(readers=[]) == 0
        assert AssistantGrant.objects.all().delete()[0] == 0
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            AssistantGrant.objects.create(assistant=one, principal="role:member")

    with acme.person("auditor").acting():
        assert Assistant.objects.filter(pk=one.pk).exists()


def test_the_console_keeps_an_assistant_for_some(acme: House) -> None:
    manager = acme.person("manager")
    with manager.acting():
        one = Assistant.objects.get(position=0)
    page = f"/admin/profiles/assistant/{one.pk}/change/"
    form = {"name": one.name, "starters": "[]", "position": "0", "is_active": "on"}
    assert "role:viewer" in manager.api.get(page).content.decode()

    assert manager.api.post(page, {**form, "kept_for": ["role:viewer", "role:manager"]}).status_code == 302

    assert names(acme.person("member")) == ["Assistant courriels"]
    assert names(acme.person("viewer"))[0] == one.name
    assert manager.api.post(page, form).status_code == 302
    assert names(acme.person("member"))[0] == one.name
    with manager.acting():
        Assistant.objects.filter(pk=one.pk).update(
            starters=one.starters, description=one.description, instructions=one.instructions
        )


async def test_a_model_kept_for_others_is_as_one_that_is_not_there(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("CLOISON_OPENAI_MODEL", "large,small")
    catalogue.forget()
    member, manager = acme.person("member"), acme.person("manager")
    assert member.user.pk and manager.user.pk

    def keep() -> None:
        with acme.person("admin").acting():
            ModelGrant.objects.create(model="openai/large", principal="role:manager")
            ModelGrant.objects.create(model="builtin", principal="role:manager")

    assert acme.person("admin").user.pk
    await sync_to_async(keep)()
    router = LLMRouter()

    with manager.acting():
        assert (await router.route()).model.name == "large"
        assert (await router.route(model="large")).model.name == "large"
        assert (await router.route(model="builtin")).model.id == "builtin"
    with member.acting():
        assert (await router.route()).model.name == "small"
        for named in ("large", "openai/large", "builtin"):
            with pytest.raises(NoPermittedModel):
                await router.route(model=named)
        monkeypatch.setenv("CLOISON_MODEL", "large")
        assert (await router.route()).model.name == "small"  # No less local than what was set.


def test_the_list_of_models_is_what_one_may_use(
    acme: House, globex: House, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("CLOISON_OPENAI_MODEL", "large,small")
    member, admin = acme.person("member"), acme.person("admin")
    with admin.acting():
        user = admin.user
        grant = access.keep_model_for(actor=user, model="openai/large", principal=of_role("auditor"))

    def listed(actor: Actor) -> list[str]:
        return [row["id"] for row in call(actor, "GET", "models/")[1]["results"]]

    assert listed(member) == ["openai/small"]
    assert listed(acme.person("auditor")) == listed(globex.person("member")) == ["openai/large", "openai/small"]
    row = call(member, "GET", "models/")[1]["results"][0]
    assert {k: row[k] for k in ("id", "name", "provider", "locality")} == {
        "id": "openai/small",
        "name": "small",
        "provider": "openai",
        "locality": "local",
    }
    with django_assert_num_queries(1):  # The grants; the models are the environment's.
        assert listed(member) == ["openai/small"]
    with member.acting():
        assert ModelGrant.objects.all().delete()[0] == 0
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            ModelGrant.objects.create(model="openai/large", principal="role:member")
    with admin.acting():
        access.give_model_back(actor=user, grant=grant.public_id)
    assert listed(member) == ["openai/large", "openai/small"]


def test_a_provider_that_failed_again_and_again_is_told_as_down(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("CLOISON_OPENAI_MODEL", "small")
    member = acme.person("member")

    def healths() -> list[str]:
        return [row["health"] for row in call(member, "GET", "models/")[1]["results"]]

    before = healths()
    circuit = health.key_of(catalogue.providers()[0])
    for _ in range(health.FAILURES):
        async_to_sync(health.common().failed)(circuit)
    after = healths()
    async_to_sync(health.common().succeeded)(circuit)

    assert (before, after, healths()) == (["unknown"], ["down"], ["unknown"])


def test_the_console_keeps_a_model_for_some(acme: House) -> None:
    admin = acme.person("admin")
    assert acme.person("manager").api.get("/admin/gateway/modelgrant/").status_code == 403

    made = admin.api.post("/admin/gateway/modelgrant/add/", {"model": "builtin", "principal": "role:manager"})

    assert made.status_code == 302, made.content
    assert "builtin" in admin.api.get("/admin/gateway/modelgrant/").content.decode()
    assert call(acme.person("member"), "GET", "models/")[1]["results"] == []
    assert acme.person("member").api.get("/").status_code == 200  # The page says that there is none.
    with admin.acting():
        key = ModelGrant.objects.get().pk
    assert admin.api.post(f"/admin/gateway/modelgrant/{key}/delete/", {"post": "yes"}).status_code == 302
    assert len(call(acme.person("member"), "GET", "models/")[1]["results"]) == 1


def test_a_model_is_kept_for_some_over_the_api(
    acme: House, globex: House, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("CLOISON_OPENAI_MODEL", "large,small")
    admin, member, viewer = (acme.person(name) for name in ("admin", "member", "viewer"))

    def kept(principal: Any, model: str = "openai/large", actor: Actor = admin) -> tuple[int, Any]:
        return call(actor, "POST", "model-grants/", {"model": model, "principal": principal})

    def usable(actor: Actor) -> list[str]:
        return [row["id"] for row in call(actor, "GET", "models/")[1]["results"]]

    for_viewer = {"type": "user", "id": str(viewer.user.public_id)}
    for stranger in ("member", "viewer", "auditor", "manager"):
        assert kept(for_viewer, actor=acme.person(stranger))[0] == 403
    status, answer = kept(for_viewer, model="openai/lrage")
    assert (status, answer["code"], answer["field"]) == (404, "model_not_found", "model")
    theirs = {"type": "group", "id": "01900000-0000-7000-8000-00000000dead"}
    assert kept(theirs)[1]["field"] == "principal"
    assert usable(member) == ["openai/large", "openai/small"]  # Nothing of that kept it for anybody.

    status, made = kept(for_viewer)
    again = kept(for_viewer)
    role = kept({"type": "role", "name": "manager"})[1]

    assert (status, again) == (201, (201, made))
    assert (made["model"], made["principal"]["name"]) == ("openai/large", str(viewer.user))
    assert usable(member) == ["openai/small"] and usable(viewer) == ["openai/large", "openai/small"]
    listed = call(admin, "GET", "model-grants/")[1]
    assert (listed["results"], listed["next"]) == ([role, made], None)
    assert call(admin, "GET", "model-grants/?model=openai/small")[1]["results"] == []
    with django_assert_num_queries(2):  # The grants; the people among them.
        assert len(call(admin, "GET", "model-grants/?model=openai/large")[1]["results"]) == 2
    other = globex.person("admin")
    assert call(other, "GET", "model-grants/")[1]["results"] == [] and len(usable(globex.person("member"))) == 2
    assert call(other, "DELETE", f"model-grants/{made['id']}/")[0] == 404
    assert [call(admin, "DELETE", f"model-grants/{row['id']}/")[0] for row in (role, made, made)] == [204, 204, 404]
    assert usable(member) == ["openai/large", "openai/small"]
    with acme.person("auditor").acting():
        events = AuditEvent.objects.filter(action__startswith="grant.").order_by("-seq")[:4]
        assert [event.action for event in events] == ["grant.removed", "grant.removed", "grant.added", "grant.added"]


def test_the_same_person_means_the_same_in_python_and_in_sql(acme: House) -> None:
    for local in ("admin", "member", "viewer"):
        actor = acme.person(local)
        with actor.acting(), connection.cursor() as cursor:
            cursor.execute("SELECT guard.principals(%s)", [acme.schema])
            told = set(cursor.fetchone()[0])
            assert told == set(context.principals()) == set(actor.user.principals())
