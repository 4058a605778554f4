"""Sign-in over the API: tokens belong to one tenant, refresh tokens work once."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.models import RefreshToken, User
from isolation import context
from tests.conftest import Live
from tests.people import PASSWORD, House
from tests.wire import client


def sign_in(house: House, email: str, password: str = PASSWORD) -> dict[str, Any]:
    answer = Client(headers={"host": house.host}).post(
        "/api/v1/auth/token/", {"email": email, "password": password}, content_type="application/json"
    )
    return {"status": answer.status_code, **answer.json()}


def test_a_password_gives_a_pair_that_opens_the_api(acme: House) -> None:
    pair = sign_in(acme, "member@acme.test")

    me = Client(headers={"host": acme.host, "authorization": f"Bearer {pair['access']}"}).get("/api/v1/me/")

    assert pair["expires_in"] == 300
    assert me.json()["email"] == "member@acme.test"


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("member@acme.test", "wrong"),
        ("nobody@acme.test", PASSWORD),
        ("member@globex.test", PASSWORD),
        ("", ""),
        ("x" * 200, "y" * 1000),
    ],
)
def test_wrong_credentials_say_the_same_to_all(acme: House, email: str, password: str) -> None:
    answer = sign_in(acme, email, password)

    if email:
        assert (answer["status"], answer["code"]) == (401, "wrong_credentials")
    else:
        assert (answer["status"], answer["code"]) == (400, "invalid")


def test_the_same_keys_in_both_tenants_are_different_people(acme: House, globex: House) -> None:
    ours, theirs = acme.person("member"), globex.person("member")

    assert ours.user.public_id == theirs.user.public_id
    assert ours.user.pk == theirs.user.pk
    for owner_house, other in ((acme, globex), (globex, acme)):
        pair = sign_in(owner_house, f"member@{owner_house.name.lower()}.test")
        abroad = Client(headers={"host": other.host, "authorization": f"Bearer {pair['access']}"}).get("/api/v1/me/")
        refreshed = Client(headers={"host": other.host}).post(
            "/api/v1/auth/refresh/", {"refresh": pair["refresh"]}, content_type="application/json"
        )
        assert abroad.status_code == refreshed.status_code == 401


async def test_of_parallel_refreshes_one_wins_and_nothing_is_revoked(live: Live, acme: House) -> None:
    async with client(live, Host=acme.host) as http:
        pair = (await http.post("/api/v1/auth/token/", json={"email": "member@acme.test", "password": PASSWORD})).json()
        answers = await asyncio.gather(*(http.post("/api/v1/auth/refresh/", json={"refresh": pair["refresh"]}) for _ in range(8)))
        won = [answer.json() for answer in answers if answer.status_code == 200]
        me = await http.get("/api/v1/me/", headers={"Authorization": f"Bearer {won[0]['access']}"})

    assert len(won) == 1
    assert me.status_code == 200


def test_a_late_reuse_revokes_the_family(acme: House) -> None:
    pair = sign_in(acme, "member@acme.test")
    with context.use(context.auth(acme.schema)):
        successor = tokens.refresh(acme.schema, pair["refresh"])
        RefreshToken.objects.filter(used_at__isnull=False).update(used_at=timezone.now() - timedelta(seconds=11))

        with pytest.raises(tokens.InvalidToken):
            tokens.refresh(acme.schema, pair["refresh"])
        with pytest.raises(tokens.InvalidToken):
            tokens.refresh(acme.schema, successor["refresh"])
        with pytest.raises(tokens.InvalidToken):
            tokens.verify_access(acme.schema, successor["access"])


def test_signing_out_ends_the_sign_in(acme: House) -> None:
    pair = sign_in(acme, "member@acme.test")
    browser = Client(headers={"host": acme.host})
    done = browser.post("/api/v1/auth/logout/", {"refresh": pair["refresh"]}, content_type="application/json")

    me = Client(headers={"host": acme.host, "authorization": f"Bearer {pair['access']}"}).get("/api/v1/me/")

    assert done.status_code == 204
    assert me.status_code == 401


def forged(pair: dict[str, str], acme: House) -> dict[str, str]:
    head, body, signature = pair["access"].split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    return {
        "refresh used as access": pair["refresh"],
        "alg none": f"{none}.{body}.",
        "alg none with the old signature": f"{none}.{body}.{signature}",
        "wrong signature": f"{head}.{body}.{'A' * len(signature)}",
        "no dots": "x",
        "empty": "",
        "64 KiB": "x" * 65_000,
        "null bytes": "a.\0.b",
    }


def test_what_is_not_an_access_token_is_401(acme: House) -> None:
    pair = sign_in(acme, "member@acme.test")

    for name, token in forged(pair, acme).items():
        answer = Client(headers={"host": acme.host, "authorization": f"Bearer {token}"}).get("/api/v1/me/")
        assert answer.status_code == 401, name
        assert answer["Content-Type"].startswith("application/problem+json"), name


def test_a_raised_epoch_and_a_deactivation_end_tokens_at_once(acme: House) -> None:
    actor = acme.person("viewer")
    assert actor.api.get("/api/v1/me/").status_code == 200

    try:
        with context.use(context.auth(acme.schema)):
            User.objects.filter(pk=actor.user.pk).update(epoch=1)
        assert actor.api.get("/api/v1/me/").status_code == 401
        with context.use(context.auth(acme.schema)):
            User.objects.filter(pk=actor.user.pk).update(epoch=0, is_active=False)
        assert actor.api.get("/api/v1/me/").status_code == 401
    finally:
        with context.use(context.auth(acme.schema)):
            User.objects.filter(pk=actor.user.pk).update(epoch=0, is_active=True)


def test_hosts_decide_exactly(acme: House) -> None:
    def status(host: str) -> int:
        return Client(headers={"host": host}).get("/api/v1/me/").status_code

    assert status("acme.localhost") == status("ACME.localhost:8000") == status("acme.localhost.") == 401
    assert status("evil.test") == status("acme.localhost.evil.test") == status("xacme.localhost") == 404
    assert status("bad host") == status("") == 400
