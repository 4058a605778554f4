"""What ends a sign-in ends everything that hangs on it; what is another tenant's is refused and written down."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import jwt
import pytest
import websockets
from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone

from accounts import mismatch, people, tokens
from accounts.models import RefreshToken, SignIn, User
from tests.accounts.doors import bearer, browser, events, me, refresh, stranger, token
from tests.conftest import Live
from tests.people import PASSWORD, Actor, House, aside
from tests.wire import client


def signed(house: House, **claims: Any) -> str:
    """An access token of the member with other claims; None leaves one out."""
    actor = house.person("member")
    pair = aside(house, lambda: tokens.sign_in(house.schema, actor.user))
    good = jwt.decode(pair["access"], options={"verify_signature": False})
    body = {key: value for key, value in {**good, **claims}.items() if value is not None}
    return jwt.encode(body, tokens._backend(house.schema).prepared_signing_key, "HS256")


NOW = int(time.time())
BAD: dict[str, dict[str, Any]] = {
    "expired": {"exp": NOW - 31, "iat": NOW - 400, "nbf": NOW - 400},
    "not yet valid": {"nbf": NOW + 900, "exp": NOW + 1800},
    "no tid": {"tid": None},
    "no aud": {"aud": None},
    "no iss": {"iss": None},
    "no epoch": {"epoch": None},
    "no family": {"family": None},
    "no nbf": {"nbf": None},
    "no exp": {"exp": None},
    "no kind": {"kind": None},
    "another tid": {"tid": "t_0123456789ab"},
    "another kind": {"kind": "refresh"},
    "another epoch": {"epoch": 99},
    "another person": {"sub": str(uuid.uuid4())},
    "no family of ours": {"family": str(uuid.uuid4())},
    "a family that is no id": {"family": "x"},
    "another issuer": {"iss": "evil"},
}


def test_case_14_a_token_that_is_not_whole_is_401_with_one_body(acme: House) -> None:
    bodies = set()

    for name, claims in BAD.items():
        answer = bearer(acme, signed(acme, **claims)).get("/api/v1/me/")
        assert answer.status_code == 401, name
        bodies.add(answer.content)

    for junk in ("x" * 65_000, "a.b.c", "", "a.\0.b"):
        answer = bearer(acme, junk).get("/api/v1/me/")
        assert answer.status_code == 401
        bodies.add(answer.content)
    assert len(bodies) == 1
    assert me(bearer(acme, signed(acme))) == 200
    assert me(bearer(acme, signed(acme, nbf=NOW + 20, iat=NOW + 20))) == 200, "clocks may differ by 30 s"


def test_case_15_late_reuse_revokes_the_family_and_is_audited(acme: House) -> None:
    pair = token(stranger(acme), "member@acme.test").json()
    successor = refresh(acme, pair["refresh"]).json()
    assert refresh(acme, pair["refresh"]).status_code == 401
    assert me(bearer(acme, successor["access"])) == 200, "a lost race revokes nothing"
    used = timezone.now() - timedelta(seconds=11)
    aside(acme, lambda: RefreshToken.objects.filter(used_at__isnull=False).update(used_at=used))
    before = len(events(acme, "auth.token_reused"))

    assert refresh(acme, pair["refresh"]).status_code == 401

    assert refresh(acme, successor["refresh"]).status_code == 401
    assert me(bearer(acme, successor["access"])) == 401
    found = events(acme, "auth.token_reused")
    assert len(found) == before + 1
    assert found[0].subject == acme.person("member").user.pk


async def test_case_15_twenty_rounds_of_eight_parallel_refreshes_have_one_winner_each(live: Live, acme: House) -> None:
    async with client(live, Host=acme.host) as http:
        pair = (await http.post("/api/v1/auth/token/", json={"email": "member@acme.test", "password": PASSWORD})).json()
        winners = 0
        for _round in range(20):
            sent = (http.post("/api/v1/auth/refresh/", json={"refresh": pair["refresh"]}) for _ in range(8))
            answers = await asyncio.gather(*sent)
            won = [answer.json() for answer in answers if answer.status_code == 200]
            assert {answer.status_code for answer in answers} == {200, 401}
            winners += len(won)
            pair = won[0]

    assert winners == 20


def test_case_16_a_page_that_signs_out_ends_its_session_for_good(acme: House) -> None:
    member = acme.person("member")
    ours = browser(member)
    copy = stranger(acme)
    copy.cookies[settings.SESSION_COOKIE_NAME] = ours.cookies[settings.SESSION_COOKIE_NAME].value
    assert me(ours) == me(copy) == 200

    ours.post("/logout/")

    assert me(copy) == 401
    assert events(acme, "auth.sign_out")[0].actor == member.user.pk
    assert me(browser(member)) == 200


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"is_active": False}])
def test_case_16_a_new_role_or_a_switched_off_account_ends_sessions_and_tokens(acme: House, change: dict[str, Any]) -> None:
    member = acme.person("member2")
    page = browser(member)
    pair = token(stranger(acme), member.email).json()
    assert me(page) == me(bearer(acme, pair["access"])) == 200

    admin = acme.person("admin")
    with admin.acting():
        people.change_person(actor=admin.user, person=member.user, **change)

    assert me(page) == me(bearer(acme, pair["access"])) == 401
    assert refresh(acme, pair["refresh"]).status_code == 401
    again = token(stranger(acme), member.email)
    assert again.status_code == (200 if "role" in change else 401)


def test_case_16_signing_out_over_the_api_needs_no_refresh_token(acme: House) -> None:
    pair = token(stranger(acme), "member@acme.test").json()
    client = bearer(acme, pair["access"])

    assert client.post("/api/v1/auth/logout/", {}, content_type="application/json").status_code == 204

    assert me(client) == 401
    assert refresh(acme, pair["refresh"]).status_code == 401


def test_case_2_a_genuine_credential_of_another_tenant_is_refused_and_written_down(acme: House, globex: House) -> None:
    for ours, theirs in ((acme, globex), (globex, acme)):
        member = ours.person("member")
        pair = token(stranger(ours), member.email).json()
        page = browser(member)
        assert me(bearer(ours, pair["access"])) == me(page) == 200
        before = len(events(theirs, "auth.tenant_mismatch"))
        abroad = stranger(theirs)
        abroad.cookies[settings.SESSION_COOKIE_NAME] = page.cookies[settings.SESSION_COOKIE_NAME].value

        assert me(bearer(theirs, pair["access"])) == 401
        assert refresh(theirs, pair["refresh"]).status_code == 401
        assert me(abroad) == 401
        abroad.cookies[settings.SESSION_COOKIE_NAME] = page.cookies[settings.SESSION_COOKIE_NAME].value
        assert abroad.get("/").headers["Location"].startswith("/login/")

        found = events(theirs, "auth.tenant_mismatch")
        assert len(found) == before + 3
        assert [event.facts["credential"] for event in found[:3]] == ["session", "refresh token", "access token"]


def test_case_2_what_somebody_made_up_fills_no_log(acme: House, globex: House) -> None:
    before = len(events(globex, "auth.tenant_mismatch"))
    good = token(stranger(acme), "member@acme.test").json()["access"]
    head, body, signature = good.split(".")
    forged = jwt.encode({"tid": acme.schema, "aud": acme.schema}, "x" * 32, "HS256")

    for fake in (f"{head}.{body}.{signature[::-1]}", forged, "clsn_" + "A" * 40):
        assert me(bearer(globex, fake)) == 401
    page = stranger(globex)
    page.cookies[settings.SESSION_COOKIE_NAME] = "A" * 40
    assert me(page) == 401
    assert len(events(globex, "auth.tenant_mismatch")) == before

    for _again in range(5):  # A genuine one counts once a minute.
        assert me(bearer(globex, good)) == 401
    assert len(events(globex, "auth.tenant_mismatch")) == before + 1
    mismatch._seen.clear()


@asynccontextmanager
async def open_socket(live: Live, house: House, ticket: str) -> Any:
    url = f"ws://{house.host}:{live.port}/ws/?ticket={ticket}"
    async with websockets.connect(url, host="127.0.0.1", port=live.port) as link:
        await link.send('{"type": "ping"}')
        assert json.loads(await link.recv()) == {"type": "pong"}
        yield link


async def closed_after(link: Any) -> tuple[int, float]:
    """The close code, and after how many seconds it came."""
    begun = time.monotonic()
    with pytest.raises(websockets.ConnectionClosed):
        async with asyncio.timeout(10):
            while True:
                await link.recv()
    return link.close_code, time.monotonic() - begun


async def log_out(http: Any, pair: dict[str, Any], actor: Actor) -> None:
    await http.post("/api/v1/auth/logout/", json={"refresh": pair["refresh"]})


async def reuse(http: Any, pair: dict[str, Any], actor: Actor) -> None:
    assert (await http.post("/api/v1/auth/refresh/", json={"refresh": pair["refresh"]})).status_code == 200
    used = timezone.now() - timedelta(seconds=11)
    await sync_to_async(aside)(actor.house, lambda: RefreshToken.objects.filter(used_at__isnull=False).update(used_at=used))
    assert (await http.post("/api/v1/auth/refresh/", json={"refresh": pair["refresh"]})).status_code == 401


def changed(**change: Any) -> Callable[..., Awaitable[None]]:
    async def act(http: Any, pair: dict[str, Any], actor: Actor) -> None:
        def write() -> None:
            user = User.objects.get(pk=actor.user.pk)
            User.objects.filter(pk=user.pk).update(epoch=user.epoch + 1, **change)

        await sync_to_async(aside)(actor.house, write)

    return act


async def ended(http: Any, pair: dict[str, Any], actor: Actor) -> None:
    now = timezone.now()
    await sync_to_async(aside)(actor.house, lambda: SignIn.objects.filter(user_id=actor.user.pk).update(ended_at=now))


ENDS = {
    "logout": log_out,
    "reuse": reuse,
    "role": changed(role="viewer"),
    "deactivation": changed(is_active=False),
    "ended elsewhere": ended,
}


@pytest.mark.parametrize("end", ENDS)
async def test_case_16_a_socket_closes_within_five_seconds_of(live: Live, acme: House, end: str) -> None:
    actor, other = acme.person("member2"), acme.person("member")
    async with client(live, Host=acme.host) as http:
        pair = (await http.post("/api/v1/auth/token/", json={"email": actor.email, "password": PASSWORD})).json()
        mine = {"Authorization": f"Bearer {pair['access']}"}
        ticket = (await http.post("/api/v1/auth/ws-ticket/", headers=mine)).json()["ticket"]
        theirs = (await http.post("/api/v1/auth/ws-ticket/", headers=other.headers)).json()["ticket"]
        async with open_socket(live, acme, ticket) as link, open_socket(live, acme, theirs) as control:
            await ENDS[end](http, pair, actor)

            code, seconds = await closed_after(link)

            assert code == 4401
            assert seconds < 5
            await control.send('{"type": "ping"}')
            assert json.loads(await control.recv()) == {"type": "pong"}


async def test_case_2_a_ticket_of_another_tenant_opens_nothing(live: Live, acme: House, globex: House) -> None:
    actor = acme.person("member")
    async with client(live, actor) as http:
        ticket = (await http.post("/api/v1/auth/ws-ticket/")).json()["ticket"]
    before = len(await sync_to_async(events)(globex, "auth.tenant_mismatch"))

    with pytest.raises(websockets.InvalidStatus):
        async with open_socket(live, globex, ticket):
            pass

    assert len(await sync_to_async(events)(globex, "auth.tenant_mismatch")) == before + 1
    async with open_socket(live, acme, ticket):
        pass
