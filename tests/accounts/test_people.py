"""People and groups: who manages whom, and what nobody can do to themselves (cases 22 and 23)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from accounts.models import Group, User
from audit.models import AuditEvent
from tests.people import PASSWORD, Actor, House, aside

USERS = "/api/v1/users/"
GROUPS = "/api/v1/groups/"


def call(actor: Actor, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    answer = actor.api.generic(method, path, json.dumps(body or {}), content_type="application/json")
    return answer.status_code, json.loads(answer.content) if answer.content else {}


def path_of(actor: Actor) -> str:
    return f"{USERS}{actor.user.public_id}/"


def role_of(actor: Actor) -> str:
    return aside(actor.house, lambda: User.objects.get(email=actor.email).role)


def test_an_administrator_adds_somebody_who_can_sign_in(acme: House, globex: House) -> None:
    status, made = call(acme.person("admin"), "POST", USERS, {"email": "New@acme.test", "role": "member", "password": PASSWORD})

    assert (status, made["email"], made["role"]) == (201, "new@acme.test", "member")
    for house, expected in ((acme, 200), (globex, 401)):
        answer = Client(headers={"host": house.host}).post(
            "/api/v1/auth/token/", {"email": "new@acme.test", "password": PASSWORD}, content_type="application/json"
        )
        assert answer.status_code == expected
    again = call(acme.person("admin"), "POST", USERS, {"email": "new@acme.test"})
    assert (again[0], again[1]["code"]) == (409, "email_taken")


@pytest.mark.parametrize(
    "body", [{}, {"email": "no"}, {"email": "a@b.test", "role": "operator"}, {"email": "a@b.test", "password": "1234"}]
)
def test_bad_input_is_named_and_nothing_is_stored(acme: House, body: dict[str, Any]) -> None:
    before = aside(acme, User.objects.count)

    status, answer = call(acme.person("admin"), "POST", USERS, body)

    assert (status, answer["code"]) == (400, "invalid")
    assert aside(acme, User.objects.count) == before


def test_case_23_a_manager_reaches_members_and_viewers_only(acme: House) -> None:
    manager = acme.person("manager")

    assert call(manager, "PATCH", path_of(acme.person("viewer")), {"role": "member"})[0] == 200
    assert call(manager, "POST", USERS, {"email": "fresh@acme.test", "role": "viewer"})[0] == 201
    for path, body in (
        (path_of(acme.person("member")), {"role": "admin"}),
        (path_of(acme.person("member")), {"role": "manager"}),
        (path_of(acme.person("admin")), {"is_active": False}),
        (path_of(acme.person("auditor")), {"first_name": "x"}),
    ):
        status, answer = call(manager, "PATCH", path, body)
        assert (status, answer["code"]) == (403, "role_above_yours"), (path, body)
    assert call(manager, "POST", USERS, {"email": "boss@acme.test", "role": "admin"})[0] == 403
    assert role_of(acme.person("member")) == "member"


def test_case_23_not_even_sql_makes_a_manager_an_administrator(acme: House) -> None:
    manager = acme.person("manager")

    with manager.acting():
        assert User.objects.filter(pk=manager.user.pk).update(role="admin") == 0
        assert User.objects.filter(email="admin@acme.test").update(role="viewer") == 0
        for wanted in ("admin", "manager", "auditor"):
            with pytest.raises(DatabaseError), transaction.atomic():
                User.objects.filter(email="member@acme.test").update(role=wanted)
        with pytest.raises(DatabaseError), transaction.atomic():
            User(email="sneak@acme.test", role="admin").save(force_insert=True)
    with acme.person("member").acting():
        assert User.objects.filter(email="member@acme.test").update(role="admin") == 0

    assert role_of(manager) == "manager"


def test_case_23_nobody_edits_their_own_role(acme: House) -> None:
    for local in ("admin", "manager"):
        actor = acme.person(local)
        for body in ({"role": "member"}, {"is_active": False}):
            status, answer = call(actor, "PATCH", path_of(actor), body)
            assert status == 403
            assert answer["code"] in {"own_role", "role_above_yours"}
        assert role_of(actor) == local


def test_case_23_the_last_administrator_stays(acme: House) -> None:
    admin, second = acme.person("admin"), acme.person("manager")
    assert call(admin, "PATCH", path_of(second), {"role": "admin"})[0] == 200
    fresh = Actor(acme, "manager")  # A new token: the old one went with the old role.

    assert call(fresh, "PATCH", path_of(admin), {"role": "member"})[0] == 200
    status, answer = call(fresh, "PATCH", path_of(fresh), {"role": "member"})
    assert (status, answer["code"]) == (403, "own_role")
    aside(acme, lambda: User.objects.filter(email="admin@acme.test").update(role="admin", is_active=False))
    status, answer = call(fresh, "PATCH", path_of(admin), {"is_active": True})
    assert status == 200


def test_two_administrators_cannot_demote_each_other(acme: House) -> None:
    admin = acme.person("admin")
    assert call(admin, "PATCH", path_of(acme.person("manager")), {"role": "admin"})[0] == 200
    other = Actor(acme, "manager")

    first = call(admin, "PATCH", path_of(other), {"role": "member"})
    second = call(other, "PATCH", path_of(admin), {"role": "member"})

    assert (first[0], second[0]) == (200, 401)  # The first took the second's role, and with it the token.
    assert role_of(admin) == "admin"


def test_a_new_role_ends_what_was_issued_before_and_is_audited(acme: House) -> None:
    member = Actor(acme, "member2")
    assert call(member, "GET", "/api/v1/me/")[0] == 200

    assert call(acme.person("admin"), "PATCH", path_of(member), {"role": "viewer"})[0] == 200

    assert call(member, "GET", "/api/v1/me/")[0] == 401
    with acme.person("auditor").acting():
        event = AuditEvent.objects.latest("seq")
    assert (event.action, event.facts, event.actor_name) == (
        "person.role_changed",
        {"from": "member", "to": "viewer"},
        "admin@acme.test",
    )


SMUGGLED = {
    "id": "01900000-0000-7000-8000-000000000000",
    "pk": 1,
    "tenant": "globex",
    "owner": 1,
    "is_staff": True,
    "is_superuser": True,
    "epoch": 99,
    "group_keys": [1],
    "created_at": "2001-01-01T00:00:00Z",
    "usage": {},
    "caps": ["admin"],
    "capabilities": ["admin"],
    "password_hash": "x",
}


def test_case_22_what_is_not_asked_for_is_not_stored(acme: House) -> None:
    admin, member = acme.person("admin"), acme.person("member")

    def row() -> dict[str, Any]:
        return aside(acme, lambda: User.objects.filter(email=member.email).values().get())

    before = row()
    status, answer = call(admin, "PATCH", path_of(member), {**SMUGGLED, "first_name": "Renamed"})

    assert status == 200
    assert answer["first_name"] == "Renamed"
    assert {**row(), "first_name": before["first_name"]} == before
    status, made = call(admin, "POST", USERS, {**SMUGGLED, "email": "smuggled@acme.test"})
    assert (status, made["role"]) == (201, "member")
    assert made["id"] != SMUGGLED["id"]


def test_groups_are_made_filled_and_removed(acme: House, globex: House) -> None:
    manager, member = acme.person("manager"), acme.person("member")

    status, made = call(manager, "POST", GROUPS, {"name": "Legal", "members": [str(member.user.public_id)]})

    assert (status, made["members"]) == (201, [str(member.user.public_id)])
    assert Actor(acme, "member").user.principals() == [f"user:{member.user.pk}", "role:member", f"group:{group_key(acme)}"]
    assert call(manager, "POST", GROUPS, {"name": "Legal"})[1]["code"] == "group_exists"
    assert call(globex.person("manager"), "GET", f"{GROUPS}{made['id']}/")[0] == 404
    unknown = call(manager, "POST", GROUPS, {"name": "Ghosts", "members": ["01900000-0000-7000-8000-000000000000"]})
    assert (unknown[0], unknown[1]["code"]) == (404, "person_not_found")
    assert [row["name"] for row in call(manager, "GET", GROUPS)[1]["results"]] == ["Legal"]
    changed = call(manager, "PATCH", f"{GROUPS}{made['id']}/", {"members": [], "name": "Law"})
    assert (changed[0], changed[1]["members"], changed[1]["name"]) == (200, [], "Law")
    assert call(manager, "DELETE", f"{GROUPS}{made['id']}/")[0] == 204
    assert Actor(acme, "member").user.group_keys == []


def group_key(house: House) -> int:
    with house.person("manager").acting():
        return Group.objects.get().pk


def test_the_audit_log_is_listed_for_auditors_and_filtered(acme: House, globex: House) -> None:
    call(acme.person("admin"), "POST", GROUPS, {"name": acme.canary})
    auditor = acme.person("auditor")

    status, found = call(auditor, "GET", "/api/v1/audit-events/?action=group")

    assert status == 200
    assert found["results"][0]["action"] == "group.created"
    assert {event["action"].split(".")[0] for event in found["results"]} == {"group"}
    assert call(auditor, "GET", "/api/v1/audit-events/?since=nonsense")[0] == 400
    assert call(acme.person("member"), "GET", "/api/v1/audit-events/")[0] == 403
    theirs = globex.person("auditor").api.get("/api/v1/audit-events/")
    assert found["results"][0]["target"] not in theirs.content.decode()


def test_the_consoles_people_and_groups_go_through_the_same_services(acme: House) -> None:
    admin, member = acme.person("admin").api, acme.person("member2")
    change = f"/admin/accounts/user/{member.user.pk}/change/"

    answer = admin.post(change, {"first_name": "Léa", "last_name": "M", "role": "viewer", "language": "fr", "is_active": "on"})

    assert answer.status_code == 302, answer.content
    assert role_of(member) == "viewer"
    made = admin.post("/admin/accounts/group/add/", {"name": "Console", "members": [str(member.user.public_id)]})
    assert made.status_code == 302, made.content
    assert len(Actor(acme, "member2").user.group_keys) == 1
    own = acme.person("manager")
    for path in (f"/admin/accounts/user/{acme.person('admin').user.pk}/change/", f"/admin/accounts/user/{own.user.pk}/change/"):
        assert own.api.post(path, {"role": "admin", "is_active": "on", "language": "en"}).status_code == 403
    for page in ("/admin/accounts/user/", "/admin/accounts/group/", "/admin/accounts/user/add/"):
        assert own.api.get(page).status_code == 200
    for page in ("/admin/audit/auditevent/", "/admin/audit/reading/", "/admin/audit/readingpolicy/"):
        assert acme.person("auditor").api.get(page).status_code == 200
        assert own.api.get(page).status_code == 403
