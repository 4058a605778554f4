"""The second factor: its step after the password, codes that work once, and what an administrator may do."""

from __future__ import annotations

import re
import time
from typing import Any

import psycopg
import pyotp
import pytest
from django.test import Client

from accounts.models import SecondFactor, SignInPolicy
from tests.accounts.doors import address, browser, events, me, stranger, token
from tests.people import PASSWORD, Actor, House, aside

PAGE = "/settings/second-factor/"


def field(page: Any, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page.content.decode())
    assert found, page.content.decode()
    return found[1]


def secret_in(page: Any) -> str:
    found = re.search(r"<code>([A-Z2-7]{32})</code>", page.content.decode())
    assert found, page.content.decode()
    return found[1]


def codes_in(page: Any) -> list[str]:
    return re.findall(r"<li><code>([a-z0-9-]{11})</code>", page.content.decode())


def enrol(actor: Actor) -> tuple[Client, str, list[str]]:
    client = browser(actor)
    page = client.get(PAGE)
    secret, sealed = secret_in(page), field(page, "sealed")
    done = client.post(PAGE, {"act": "enable", "sealed": sealed, "password": PASSWORD, "code": pyotp.TOTP(secret).now()})
    assert done.status_code == 200, done.content
    return client, secret, codes_in(done)


def next_code(house: House, secret: str) -> str:
    """A code that counts as unused, whatever was spent before."""
    aside(house, lambda: SecondFactor.objects.update(last_step=0))
    return pyotp.TOTP(secret).now()


def test_a_code_is_asked_for_after_the_password_on_page_and_api(acme: House, globex: House) -> None:
    actor = acme.person("member")
    _client, secret, codes = enrol(actor)
    assert len(codes) == len(set(codes)) == 10

    without = token(stranger(acme), actor.email)
    assert (without.status_code, without.json()["code"]) == (401, "second_factor_required")
    assert token(stranger(acme), actor.email, "wrong", code="1").json()["code"] == "wrong_credentials"
    assert token(stranger(acme), actor.email, code="000000").json()["code"] == "wrong_code"
    assert token(stranger(acme), actor.email, code=next_code(acme, secret)).status_code == 200

    page = stranger(acme)
    first = page.post("/login/", {"email": actor.email, "password": PASSWORD, "next": "/documents/"})
    assert first.headers["Location"] == "/login/code/"
    assert me(page) == 401
    assert page.get("/documents/").status_code == 302
    assert page.post("/login/code/", {"code": "123"}).status_code == 401
    done = page.post("/login/code/", {"code": next_code(acme, secret)})
    assert done.headers["Location"] == "/documents/"
    assert me(page) == 200
    assert events(acme, "auth.second_factor_enabled")[0].actor == actor.user.pk
    assert events(acme, "auth.sign_in")[0].facts["method"] == "password and code"
    assert token(stranger(globex), "member@globex.test").status_code == 200, "the same keys elsewhere are somebody else"


def test_a_code_and_a_recovery_code_work_once(acme: House) -> None:
    actor = acme.person("member")
    _client, secret, codes = enrol(actor)
    code = next_code(acme, secret)

    assert token(stranger(acme), actor.email, code=code).status_code == 200
    assert token(stranger(acme), actor.email, code=code).json()["code"] == "wrong_code"
    assert token(stranger(acme), actor.email, code=pyotp.TOTP(secret).at(int(time.time()) - 300)).status_code == 401
    assert token(stranger(acme), actor.email, code=codes[0].upper()).status_code == 200
    assert token(stranger(acme), actor.email, code=codes[0]).status_code == 401
    assert events(acme, "auth.second_factor_recovery_used")[0].subject == actor.user.pk


def test_the_secret_is_sealed_and_recovery_codes_are_hashed(acme: House, owner: psycopg.Connection) -> None:
    _client, secret, codes = enrol(acme.person("member"))

    tables = ("accounts_secondfactor", "accounts_recoverycode", "django_session", "audit_auditevent")
    for table in tables:
        text = str(
            owner.execute(f"SELECT coalesce(string_agg(to_jsonb(t)::text, ''), '') FROM {acme.schema}.{table} t").fetchone()
        )
        assert secret not in text
        assert not any(code in text or code.replace("-", "") in text for code in codes)


def test_wrong_codes_are_throttled_like_passwords(acme: House) -> None:
    actor = acme.person("member")
    _client, secret, _codes = enrol(actor)
    client = stranger(acme)

    found = [token(client, actor.email, code="000000").status_code for _try in range(6)]

    assert found == [401] * 5 + [429]
    assert token(client, actor.email, code=next_code(acme, secret)).status_code == 429


def test_switching_on_needs_the_password_and_off_a_code(acme: House) -> None:
    actor = acme.person("member")
    page = browser(actor)
    shown = page.get(PAGE)
    body = {"act": "enable", "sealed": field(shown, "sealed"), "code": pyotp.TOTP(secret_in(shown)).now()}
    assert page.post(PAGE, {**body, "password": "wrong"}).status_code == 403
    other = browser(acme.person("member2"))
    assert other.post(PAGE, {**body, "password": PASSWORD}).status_code == 400, "sealed for somebody else"

    client, secret, codes = enrol(actor)

    assert client.post(PAGE, {"act": "disable", "code": "000000"}).status_code == 401
    fresh = codes_in(client.post(PAGE, {"act": "renew", "code": codes[1]}))
    assert len(fresh) == 10 and not set(fresh) & set(codes)
    assert client.post(PAGE, {"act": "disable", "code": codes[2]}).status_code == 401
    assert client.post(PAGE, {"act": "disable", "code": next_code(acme, secret)}).status_code == 302
    assert token(stranger(acme), actor.email).status_code == 200
    assert events(acme, "auth.second_factor_disabled")[0].actor == actor.user.pk


def test_an_administrator_switches_it_off_and_is_audited(acme: House) -> None:
    actor, admin = acme.person("member"), acme.person("admin")
    enrol(actor)
    console = f"/admin/accounts/user/{actor.user.pk}/change/"
    page = browser(admin)
    assert "_second_factor_off" in page.get(console).content.decode()

    assert browser(acme.person("member2")).post(console, {"_second_factor_off": "1"}).status_code == 403
    assert page.post(console, {"_second_factor_off": "1"}).status_code == 302

    assert token(stranger(acme), actor.email).status_code == 200
    event = events(acme, "auth.second_factor_disabled")[0]
    assert (event.actor, event.subject) == (admin.user.pk, actor.user.pk)


@pytest.fixture
def required(acme: House) -> Any:
    admin = browser(acme.person("admin"))
    policy = aside(acme, SignInPolicy.objects.get)
    change = f"/admin/accounts/signinpolicy/{policy.pk}/change/"
    assert admin.post(change, {"second_factor_required": "on"}).status_code == 302
    yield
    assert admin.post(change, {}).status_code == 302


def test_where_it_is_required_it_is_set_up_at_the_next_sign_in(acme: House, globex: House, required: None) -> None:
    actor = acme.person("member")
    refused = token(stranger(acme), actor.email)
    assert (refused.status_code, refused.json()["code"]) == (401, "second_factor_enrolment_required")
    client = stranger(acme)

    assert client.post("/login/", {"email": actor.email, "password": PASSWORD}).headers["Location"] == "/login/enrol/"
    assert me(client) == 401
    page = client.get("/login/enrol/")
    assert "<svg" in page.content.decode() and "style=" not in page.content.decode()
    secret, sealed = secret_in(page), field(page, "sealed")
    again = client.post("/login/enrol/", {"sealed": sealed, "code": "000000"})
    assert (again.status_code, secret_in(again)) == (401, secret)
    done = client.post("/login/enrol/", {"sealed": sealed, "code": pyotp.TOTP(secret).now()})

    assert len(codes_in(done)) == 10
    assert me(client) == 200
    assert token(stranger(acme), actor.email, code=next_code(acme, secret)).status_code == 200
    assert token(stranger(globex), "member@globex.test").status_code == 200
    assert events(acme, "policy.second_factor")[0].facts == {"required": True}


def test_only_administrators_set_the_rule(acme: House) -> None:
    for local in ("manager", "auditor"):
        assert browser(acme.person(local)).get("/admin/accounts/signinpolicy/").status_code == 403
    with acme.person("manager").acting():
        assert SignInPolicy.objects.update(second_factor_required=True) == 0


def test_the_step_cannot_be_reached_without_the_password(acme: House) -> None:
    enrol(acme.person("member"))
    client = stranger(acme)

    for path in ("/login/code/", "/login/enrol/"):
        assert client.get(path).headers["Location"] == "/login/"
        assert client.post(path, {"code": "000000"}).headers["Location"] == "/login/"


def test_an_operator_signs_in_with_a_code_once_one_is_set_up(acme: House, owner: psycopg.Connection) -> None:
    page, given = "/admin/second-factor/", {"username": "operator@cloison.test", "password": PASSWORD, "next": "/admin/"}

    def door() -> Client:
        return Client(headers={"host": "localhost"}, REMOTE_ADDR=address())

    operator = door()
    assert operator.post("/admin/login/", given).headers["Location"] == "/admin/"
    shown = operator.get(page)
    secret, sealed = secret_in(shown), field(shown, "sealed")
    try:
        wrong = operator.post(page, {"act": "enable", "sealed": sealed, "password": "other", "code": pyotp.TOTP(secret).now()})
        assert wrong.status_code == 403
        done = operator.post(page, {"act": "enable", "sealed": sealed, "password": PASSWORD, "code": pyotp.TOTP(secret).now()})
        codes = codes_in(done)
        assert len(codes) == 10

        without, bad = door().post("/admin/login/", given), door().post("/admin/login/", {**given, "code": "000000"})
        assert (without.status_code, bad.status_code) == (200, 200)
        assert "A code of your authenticator is needed." in without.content.decode()
        assert "This code is wrong, or was used already." in bad.content.decode()
        assert "This code" not in door().post("/admin/login/", {**given, "password": "wrong", "code": codes[0]}).content.decode()

        assert door().post("/admin/login/", {**given, "code": codes[0]}).headers["Location"] == "/admin/"
        assert door().post("/admin/login/", {**given, "code": codes[0]}).status_code == 200
        guesses = door()
        assert [guesses.post("/admin/login/", {**given, "code": "000000"}).status_code for _try in range(6)] == [200] * 5 + [429]
        assert operator.post(page, {"act": "disable", "code": codes[1]}).headers["Location"] == "/admin/"
        assert door().post("/admin/login/", given).headers["Location"] == "/admin/"
    finally:
        owner.execute("DELETE FROM public.accounts_secondfactor")
