"""API keys: shown once, stored hashed, never more than their owner (case 19)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, User
from tests.accounts.doors import browser, events, me, stranger, token
from tests.accounts.test_revocation import closed_after, open_socket
from tests.conftest import Live
from tests.people import Actor, House, aside
from tests.wire import client

KEYS = "/api/v1/api-keys/"


def make(actor: Actor, *scopes: str, **more: Any) -> dict[str, Any]:
    answer = actor.api.post(
        KEYS, {"name": "export", "scopes": scopes or ["ask", "read"], **more}, content_type="application/json"
    )
    return {"status": answer.status_code, **answer.json()}


def by_key(house: House, key: str, header: str = "authorization") -> Client:
    value = f"Bearer {key}" if header == "authorization" else key
    return Client(headers={"host": house.host, header: value}, raise_request_exception=False)


def test_case_19_a_key_is_shown_once_and_stored_hashed(acme: House, owner: psycopg.Connection) -> None:
    actor = acme.person("member")

    made = make(actor)

    assert made["status"] == 201
    assert made["key"].startswith(made["prefix"]) and made["key"].startswith("clsn_")
    assert len(made["prefix"]) == 11
    rows = actor.api.get(KEYS).json()["results"]
    assert [row["id"] for row in rows] == [made["id"]]
    assert "key" not in rows[0]
    stored = owner.execute(f"SELECT to_jsonb(k)::text FROM {acme.schema}.accounts_apikey k").fetchall()
    assert len(stored) == 1
    assert made["key"] not in stored[0][0] and made["key"][11:] not in stored[0][0]
    event = events(acme, "auth.key_created")[0]
    assert event.facts["prefix"] == made["prefix"]
    assert made["key"] not in event.details
    assert me(by_key(acme, made["key"])) == 200


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_case_19_scopes_hold_whichever_header_carries_the_key(acme: House, header: str) -> None:
    key = by_key(acme, make(acme.person("member"), "read")["key"], header)

    assert key.get("/api/v1/documents/").status_code == 200
    assert key.get("/api/v1/conversations/").status_code == 403
    assert key.post("/api/v1/folders/", {"name": "x"}, content_type="application/json").status_code == 403
    beside = Client(headers={"host": acme.host, "authorization": f"Bearer {acme.person('member').token}", "x-api-key": "clsn_x"})
    assert me(beside) == 401, "the key decides"


def test_case_19_a_key_decides_over_a_token_and_a_session_beside_it(acme: House) -> None:
    member = acme.person("member")
    key = make(member, "read")["key"]
    both = Client(headers={"host": acme.host, "authorization": f"Bearer {member.token}", "x-api-key": key})
    page = browser(member)

    assert both.get("/api/v1/conversations/").status_code == 403
    assert page.get("/api/v1/conversations/").status_code == 200
    assert page.get("/api/v1/conversations/", headers={"x-api-key": key}).status_code == 403
    assert me(Client(headers={"host": acme.host, "x-api-key": member.token})) == 401


def test_case_19_nobody_makes_a_key_above_themselves(acme: House) -> None:
    for scopes in (["people.read"], ["ask", "audit.read"], ["keys"], ["account"], ["console"], ["operate"], ["nonsense"], []):
        answer = acme.person("member").api.post(KEYS, {"name": "x", "scopes": scopes}, content_type="application/json")
        assert answer.status_code == 400, scopes
    assert (
        acme.person("viewer").api.post(KEYS, {"name": "x", "scopes": ["ask"]}, content_type="application/json").status_code == 403
    )
    assert make(acme.person("admin"), "people.read")["status"] == 201
    for ends in (timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=800)):
        assert make(acme.person("member"), expires_at=ends.isoformat())["code"] == "bad_expiry"


def test_case_19_a_key_acts_with_its_owners_rights_of_the_moment(acme: House) -> None:
    admin = acme.person("admin")
    key = by_key(acme, make(admin, "people.read", "read")["key"])
    assert key.get("/api/v1/users/").status_code == 200

    aside(acme, lambda: User.objects.filter(pk=admin.user.pk).update(role="member"))
    assert key.get("/api/v1/users/").status_code == 403
    assert key.get("/api/v1/documents/").status_code == 200
    aside(acme, lambda: User.objects.filter(pk=admin.user.pk).update(is_active=False))
    assert me(key) == 401


def test_case_19_a_key_makes_no_keys_and_reaches_no_page(acme: House) -> None:
    admin = acme.person("admin")
    key = by_key(acme, make(admin, "ask", "read", "people.read", "people.write")["key"])
    link = f"/api/v1/users/{acme.person('member').user.public_id}/password-link/"

    assert key.post(KEYS, {"name": "x", "scopes": ["ask"]}, content_type="application/json").status_code == 403
    assert key.get(KEYS).status_code == 403
    for path in ("/", "/settings/", "/documents/", "/admin/"):
        assert key.get(path).status_code == 403, path
    assert key.post("/api/v1/auth/password/change/", {"old": "a", "new": "b"}, content_type="application/json").status_code == 403
    assert key.get("/api/v1/auth/sign-ins/").status_code == 403
    assert key.post(link).status_code == 403
    assert admin.api.post(link).status_code == 201


def test_case_19_keys_end_when_revoked_and_when_their_time_is_over(acme: House, globex: House) -> None:
    actor = acme.person("member")
    made, second = make(actor), make(actor)
    key = by_key(acme, made["key"])

    assert globex.person("member").api.delete(f"{KEYS}{made['id']}/").status_code == 404
    assert acme.person("member2").api.delete(f"{KEYS}{made['id']}/").status_code == 404
    assert me(key) == 200
    assert actor.api.delete(f"{KEYS}{made['id']}/").status_code == 204
    assert actor.api.delete(f"{KEYS}{made['id']}/").status_code == 404
    assert me(key) == 401
    assert [row["id"] for row in actor.api.get(KEYS).json()["results"]] == [second["id"]]
    aside(acme, lambda: ApiKey.objects.update(expires_at=timezone.now()))
    assert me(by_key(acme, second["key"])) == 401
    assert events(acme, "auth.key_revoked")[0].target == f"key:{made['id']}"


def test_case_2_a_key_of_another_tenant_is_refused_and_written_down(acme: House, globex: House) -> None:
    key = make(acme.person("member"))["key"]
    before = len(events(globex, "auth.tenant_mismatch"))

    for header in ("authorization", "x-api-key"):
        assert me(by_key(acme, key, header)) == 200
        assert me(by_key(globex, key, header)) == 401

    found = events(globex, "auth.tenant_mismatch")
    assert len(found) == before + 1
    assert found[0].facts == {"credential": "API key"}


def test_not_even_sql_of_the_owner_widens_a_key(acme: House) -> None:
    actor = acme.person("member")
    make(actor)

    with actor.acting():
        assert ApiKey.objects.count() == 1
        assert ApiKey.objects.update(scopes=["people.write"]) == 0
    with acme.person("member2").acting():
        assert ApiKey.objects.count() == 0


def test_keys_are_listed_in_one_query_beside_the_persons(acme: House, django_assert_num_queries: Any) -> None:
    actor = acme.person("member")
    for _number in range(3):
        make(actor)

    with actor.acting(), django_assert_num_queries(1):
        assert len(list(ApiKey.objects.visible_to(actor.user))) == 3


async def test_case_16_a_socket_closes_when_the_key_that_opened_it_is_revoked(live: Live, acme: House) -> None:
    actor = acme.person("member")
    made = await sync_to_async(make)(actor)
    async with client(live, Host=acme.host) as http:
        answer = await http.post("/api/v1/auth/ws-ticket/", headers={"X-API-Key": made["key"]})
        async with open_socket(live, acme, answer.json()["ticket"]) as link:
            await http.delete(f"{KEYS}{made['id']}/", headers=actor.headers)

            code, seconds = await asyncio.wait_for(closed_after(link), 10)

    assert (code, seconds < 5) == (4401, True)


def test_the_page_shows_a_new_key_once(acme: House) -> None:
    page = browser(acme.person("member"))

    made = page.post("/settings/keys/", {"name": "Payroll", "scopes": ["ask"], "days": "30"})
    text = made.content.decode()
    key = text.partition('id="made-key">')[2].partition("<")[0]

    assert me(by_key(acme, key)) == 200
    again = page.get("/settings/").content.decode()
    assert key not in again and key[:11] in again
    assert page.post("/settings/keys/", {"name": "x", "scopes": ["people.write"]}).status_code == 400
    row = aside(acme, ApiKey.objects.get)
    assert (row.expires_at - timezone.now()).days in {29, 30}
    page.post(f"/settings/keys/{row.public_id}/revoke/")
    assert me(by_key(acme, key)) == 401


def test_sign_ins_are_listed_and_ended(acme: House, globex: House) -> None:
    actor = acme.person("member")
    mine, other = token(stranger(acme), actor.email).json(), token(stranger(acme), actor.email).json()
    page = browser(actor)
    ours = Client(headers={"host": acme.host, "authorization": f"Bearer {mine['access']}"})
    theirs = Client(headers={"host": acme.host, "authorization": f"Bearer {other['access']}"})

    rows = ours.get("/api/v1/auth/sign-ins/").json()["results"]

    assert [(row["kind"], row["current"]) for row in rows] == [("session", False), ("tokens", False), ("tokens", True)]
    assert globex.person("member").api.delete(f"/api/v1/auth/sign-ins/{rows[0]['id']}/").status_code == 404
    assert acme.person("member2").api.delete(f"/api/v1/auth/sign-ins/{rows[0]['id']}/").status_code == 404
    assert ours.delete(f"/api/v1/auth/sign-ins/{rows[0]['id']}/").status_code == 204
    assert (me(page), me(ours), me(theirs)) == (401, 200, 200)
    assert ours.delete("/api/v1/auth/sign-ins/").status_code == 204
    assert (me(ours), me(theirs)) == (200, 401)
    assert json.loads(events(acme, "auth.sign_ins_ended")[0].details) == {"count": 1}
    fresh = browser(actor)
    fresh.post("/settings/sign-ins/")
    assert (me(fresh), me(ours)) == (200, 401)
