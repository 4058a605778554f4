"""Passwords: rules, changing, and links that work once (case 18)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import identify_hasher
from django.core import mail

from accounts import passwords, tasks
from accounts.models import User
from isolation import context
from tests import cluster
from tests.accounts.doors import bearer, browser, events, me, refresh, stranger, token
from tests.conftest import Live
from tests.people import PASSWORD, Actor, House, aside

NEW = "une phrase toute neuve"


def change(client: Any, old: str, new: str) -> Any:
    return client.post("/api/v1/auth/password/change/", {"old": old, "new": new}, content_type="application/json")


def confirm(house: House, link: str, password: str) -> Any:
    token = link.rstrip("/").rpartition("/")[2]
    return stranger(house).post(
        "/api/v1/auth/password/reset/confirm/", {"token": token, "password": password}, content_type="application/json"
    )


def link_for(actor: Actor) -> str:
    return aside(actor.house, lambda: passwords.make_link(User.objects.get(email=actor.email)))


@pytest.mark.parametrize(
    "weak", ["", "short", "password", "12345678", "qwertyuiop", "x" * 1025, "member@acme.test", "my member@ACME.test!"]
)
def test_case_18_weak_passwords_are_refused_with_a_reason(acme: House, weak: str) -> None:
    pair = token(stranger(acme), "member@acme.test").json()

    answer = change(bearer(acme, pair["access"]), PASSWORD, weak)

    assert answer.status_code == 400
    assert weak == "" or (answer.json()["code"] == "weak_password" and answer.json()["reasons"])
    assert token(stranger(acme), "member@acme.test").status_code == 200


@pytest.mark.parametrize("good", ["hügel, brücke & 橋 🌉", "é" * 64, "a b" + "c" * 1021, " spaces matter "])
def test_case_18_long_and_unicode_passwords_count_to_the_last_character(acme: House, good: str) -> None:
    client = stranger(acme)
    pair = token(client, "member@acme.test").json()

    assert change(bearer(acme, pair["access"]), PASSWORD, good).status_code == 200

    assert token(client, "member@acme.test", good).status_code == 200
    for near in (good[:-1], good[:-1] + "!", good + "!"):
        assert token(client, "member@acme.test", near).status_code in {400, 401}
    stored = aside(acme, lambda: User.objects.get(email="member@acme.test").password)
    assert identify_hasher(stored).algorithm == "argon2"


def test_case_16_a_changed_password_ends_every_other_sign_in(acme: House) -> None:
    actor = acme.person("member")
    mine, other = token(stranger(acme), actor.email).json(), token(stranger(acme), actor.email).json()
    page, elsewhere = browser(actor), browser(actor)

    wrong = change(bearer(acme, mine["access"]), "wrong", NEW)
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    next_pair = change(bearer(acme, mine["access"]), PASSWORD, NEW).json()

    assert me(bearer(acme, next_pair["access"])) == 200
    assert refresh(acme, next_pair["refresh"]).status_code == 200
    assert [me(client) for client in (bearer(acme, mine["access"]), bearer(acme, other["access"]), page, elsewhere)] == [401] * 4
    assert refresh(acme, other["refresh"]).status_code == 401
    assert events(acme, "auth.password_changed")[0].actor == actor.user.pk
    again = browser(actor, NEW)
    second = browser(actor, NEW)
    assert again.post("/settings/password/", {"old": NEW, "new": PASSWORD}).status_code == 302
    assert (me(again), me(second)) == (200, 401)


def test_case_18_a_link_works_once_and_ends_every_sign_in(acme: House, globex: House) -> None:
    actor = acme.person("member")
    page = browser(actor)
    link, second = link_for(actor), link_for(actor)
    assert link.startswith("http://acme.localhost/password/reset/")

    assert confirm(globex, link, NEW).json()["code"] == "bad_reset_token"
    assert confirm(acme, link, "short").json()["code"] == "weak_password"
    assert confirm(acme, link, NEW).status_code == 204

    for used in (link, second):
        assert confirm(acme, used, NEW + "!").json()["code"] == "bad_reset_token"
    assert me(page) == 401
    assert token(stranger(acme), actor.email, NEW).status_code == 200
    assert token(stranger(acme), actor.email).status_code == 401
    assert events(acme, "auth.password_reset")[0].subject == actor.user.pk


def test_case_18_a_link_ends_after_an_hour_and_with_the_epoch(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = acme.person("member")
    late, raised = link_for(actor), link_for(actor)

    with context.use(context.auth(acme.schema)):
        with monkeypatch.context() as later:
            later.setattr(passwords.LinkTokens, "_now", lambda _self: datetime.now() + timedelta(seconds=3660))
            assert passwords.whose(late.rstrip("/").rpartition("/")[2]) is None
        assert passwords.whose(late.rstrip("/").rpartition("/")[2]) is not None
        User.objects.filter(pk=actor.user.pk).update(epoch=7)
        assert passwords.whose(raised.rstrip("/").rpartition("/")[2]) is None
    for junk in ("", "x", "x.y", "0" * 32 + ".a-b"):
        assert confirm(acme, f"/{junk}", NEW).status_code == 400


def test_the_page_of_a_link_sets_the_password(acme: House) -> None:
    actor = acme.person("member")
    path = link_for(actor).removeprefix("http://acme.localhost")
    client = stranger(acme)

    assert client.get(path).status_code == 200
    assert client.post(path, {"password": "short"}).status_code == 400
    assert client.post(path, {"password": NEW}).status_code == 302
    assert client.get(path).status_code == client.post(path, {"password": NEW}).status_code == 400
    assert me(browser(actor, NEW)) == 200


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[int]]]:
    """What would go to the worker."""
    found: list[list[int]] = []
    monkeypatch.setattr(tasks.send_password_link, "apply_async", lambda args, **_more: found.append(args))
    yield found


def ask(house: House, email: str, client: Any = None, **headers: str) -> Any:
    client = client or stranger(house)
    return client.post("/api/v1/auth/password/reset/", {"email": email}, content_type="application/json", headers=headers)


def test_case_17_asking_for_a_link_says_nothing_about_who_is_here(acme: House, queued: list[list[int]]) -> None:
    member = acme.person("member")

    known, unknown = ask(acme, member.email), ask(acme, "nobody@acme.test")

    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (202, b"")
    assert queued == [[member.user.pk], [0]]
    page, other = (
        stranger(acme).post("/password/forgotten/", {"email": email}).content.decode() for email in ("a@acme.test", member.email)
    )
    strip = re.compile(r'(csrf\w+"? value="|data-csrf="|nonce=")[^"]+|a@acme\.test|member@acme\.test')
    assert strip.sub("", page) == strip.sub("", other)


def test_asking_for_links_is_limited_by_address_and_by_name(acme: House, queued: list[list[int]]) -> None:
    one = stranger(acme)
    assert [ask(acme, f"limit{number}@acme.test", one).status_code for number in range(4)] == [202, 202, 202, 429]
    assert [ask(acme, "by-name@acme.test").status_code for _time in range(4)] == [202, 202, 202, 429]


def test_case_29_the_message_names_the_registered_host_only(acme: House, globex: House) -> None:
    actor = acme.person("member")
    mail.outbox.clear()

    with context.use(context.auth(acme.schema)):
        tasks.send_password_link.run(actor.user.pk)
        tasks.send_password_link.run(0)

    assert [message.to for message in mail.outbox] == [["member@acme.test"]]
    link = next(line for line in mail.outbox[0].body.splitlines() if line.startswith("http"))
    assert link.startswith("http://acme.localhost/password/reset/")
    assert confirm(acme, link, NEW).status_code == 204


def test_the_worker_writes_the_message_where_no_mail_server_is(live: Live, acme: House) -> None:
    import httpx

    where = cluster.DATA / "mail"
    answer = httpx.post(
        f"{live.base}/api/v1/auth/password/reset/",
        json={"email": "viewer@acme.test"},
        headers={"Host": acme.host, "X-Forwarded-Host": "evil.test"},
    )
    assert answer.status_code == 202

    deadline = time.monotonic() + 20
    while not list(where.glob("*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    text = next(iter(where.glob("*"))).read_text()
    assert f"http://acme.localhost:{live.port}/password/reset/" in text
    assert "evil" not in text
    assert where.stat().st_mode & 0o077 == 0


def test_an_administrator_makes_a_link_and_a_manager_for_members_only(acme: House, globex: House) -> None:
    def link(by: Actor, whose: Actor) -> Any:
        return by.api.post(f"/api/v1/users/{whose.user.public_id}/password-link/")

    made = link(acme.person("admin"), acme.person("member"))

    assert made.status_code == 201
    assert link(acme.person("manager"), acme.person("admin")).status_code == 403
    assert link(acme.person("manager"), acme.person("viewer")).status_code == 201
    assert link(acme.person("member"), acme.person("viewer")).status_code == 403
    assert confirm(globex, made.json()["link"], NEW).status_code == 400
    assert confirm(acme, made.json()["link"], NEW).status_code == 204
    assert events(acme, "person.password_link")[0].subject == acme.person("viewer").user.pk
    console = f"/admin/accounts/user/{acme.person('member').user.pk}/change/"
    page = browser(acme.person("admin"))
    assert "serveur de courriel" in page.get(console).content.decode()
    assert "/password/reset/" in page.post(console, {"_password_link": "1"}, follow=True).content.decode()
