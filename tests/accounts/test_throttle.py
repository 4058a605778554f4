"""Trying passwords is slow, and says nothing about who is here (case 17)."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches
from django.test import Client

from accounts.models import User
from core.cache import CounterCache
from tests.accounts.doors import address, events, me, stranger, token
from tests.conftest import Live
from tests.people import PASSWORD, House, aside
from tests.wire import client


def at(house: House, where: str) -> Client:
    return Client(headers={"host": house.host}, REMOTE_ADDR=where, raise_request_exception=False)


def page(client: Client, email: str, password: str) -> Any:
    return client.post("/login/", {"email": email, "password": password})


@pytest.fixture(autouse=True)
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows are fixed minutes: a test must not run over the edge of one."""
    now = time.time()
    monkeypatch.setattr("django_ratelimit.core.time", SimpleNamespace(time=lambda: now))


@pytest.mark.parametrize("door", [token, page])
def test_case_17_the_sixth_try_is_429_even_with_the_right_password(acme: House, globex: House, door: Any) -> None:
    where = address()
    for _try in range(5):
        assert door(at(acme, where), "member@acme.test", "wrong").status_code == 401

    for password in ("wrong", PASSWORD):
        answer = door(at(acme, where), "Member@acme.test ", password)
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 60

    assert door(at(acme, address()), "member@acme.test", PASSWORD).status_code in {200, 302}
    assert door(at(acme, where), "viewer@acme.test", PASSWORD).status_code in {200, 302}
    assert door(at(globex, where), "member@globex.test", PASSWORD).status_code in {200, 302}


def test_case_17_the_429_has_its_code_and_the_page_says_how_long(acme: House) -> None:
    client = stranger(acme)
    first = page(client, "member@acme.test", "wrong").content.decode()
    for _try in range(4):
        last = page(client, "member@acme.test", "wrong").content.decode()

    refused = page(client, "member@acme.test", PASSWORD).content.decode()

    assert "Encore 4 essais avant une pause" in first
    assert "Plus d’essai. Réessayez dans" in last
    assert "Trop d’essais. Réessayez dans" in refused
    answer = token(client, "member@acme.test")
    assert (answer.status_code, answer.json()["code"]) == (429, "login_throttled")


def test_case_17_success_does_not_count(acme: House) -> None:
    client = stranger(acme)

    for _try in range(8):
        assert token(client, "member@acme.test").status_code == 200


async def test_case_17_a_burst_of_guesses_is_counted_one_by_one(live: Live, acme: House) -> None:
    guess = {"email": "burst@acme.test", "password": "wrong"}
    async with client(live, Host=acme.host) as http:
        answers = await asyncio.gather(*(http.post("/api/v1/auth/token/", json=guess) for _ in range(24)))

    codes = [answer.status_code for answer in answers]
    assert set(codes) == {401, 429}
    assert codes.count(401) in {5, 10}, "10 where the minute ended in between"


def test_case_17_names_cannot_be_tried_one_after_the_other(acme: House) -> None:
    where = address()
    for number in range(30):
        assert token(at(acme, where), f"nobody{number}@acme.test", "wrong").status_code == 401

    assert token(at(acme, where), "member@acme.test").status_code == 429
    assert token(stranger(acme), "member@acme.test").status_code == 200


def test_case_17_the_operators_door_is_throttled_too(acme: House) -> None:
    where = address()

    def knock(password: str, where: str = where) -> int:
        door = Client(headers={"host": "localhost"}, REMOTE_ADDR=where)
        return door.post("/admin/login/", {"username": "operator@cloison.test", "password": password}).status_code

    assert [knock("wrong") for _try in range(5)] == [200] * 5  # Django's form shows its error with 200.
    assert knock("wrong") == knock(PASSWORD) == 429
    assert knock(PASSWORD, address()) == 302


def test_case_17_unknown_wrong_and_switched_off_say_the_same_in_the_same_time(acme: House) -> None:
    aside(acme, lambda: User.objects.filter(email="member2@acme.test").update(is_active=False))
    cases = {"unknown": ("nobody@acme.test", "x"), "wrong": ("member@acme.test", "x"), "off": ("member2@acme.test", PASSWORD)}
    times: dict[str, list[float]] = {name: [] for name in cases}
    answers = set()

    for _round in range(15):
        for name, (email, password) in cases.items():
            client = stranger(acme)
            begun = time.perf_counter()
            answer = token(client, email, password)
            times[name].append(time.perf_counter() - begun)
            answers.add((answer.status_code, answer.content))

    assert len(answers) == 1
    medians = {name: statistics.median(found) for name, found in times.items()}
    print("medians in ms:", {name: round(found * 1000, 1) for name, found in medians.items()})
    assert max(medians.values()) <= 1.2 * min(medians.values()), medians


def test_failed_tries_are_audited_without_the_unknown_address(acme: House) -> None:
    token(stranger(acme), "stranger@elsewhere.test", "x")
    token(stranger(acme), "member@acme.test", "x")

    known, unknown = events(acme, "auth.sign_in_failed")[:2]

    assert (known.subject, known.facts) == (acme.person("member").user.pk, {"reason": "password"})
    assert (unknown.subject, unknown.target, unknown.facts) == (None, "", {"reason": "unknown"})
    assert "elsewhere" not in f"{unknown.actor_name}{unknown.details}"


def test_refreshing_is_limited_by_family_and_forgeries_by_address(acme: House) -> None:
    client = stranger(acme)

    def refresh(token: str) -> Any:
        return client.post("/api/v1/auth/refresh/", {"refresh": token}, content_type="application/json")

    pair = token(client, "member@acme.test").json()
    for _time in range(30):
        answer = refresh(pair["refresh"])
        assert answer.status_code == 200
        pair = answer.json()
    assert (refresh(pair["refresh"]).status_code, refresh(pair["refresh"]).json()["code"]) == (429, "refresh_throttled")
    assert [refresh("forged").status_code for _try in range(31)] == [401] * 30 + [429]
    other = token(client, "viewer@acme.test").json()
    assert refresh(other["refresh"]).status_code == 200


@pytest.fixture
def no_redis(houses: dict[str, House]) -> Iterator[None]:
    """The counters' Redis is an address where nobody answers."""
    kept = dict(CounterCache.clients)
    dead = CounterCache.client("redis://10.255.255.1:6379/1", {"KEY_FUNCTION": "isolation.cache.tenant_key"})
    CounterCache.clients.update(dict.fromkeys(kept or [settings.REDIS.cache], dead))
    yield
    CounterCache.clients.clear()
    CounterCache.clients.update(kept)
    CounterCache.down_until = 0.0


def test_case_49_without_redis_the_door_stays_open_and_is_stricter(acme: House, no_redis: None) -> None:
    client = stranger(acme)
    with acme.person("member").acting():
        begun = time.perf_counter()
        caches["counters"].add("probe", 1)
        first = time.perf_counter() - begun

    codes = [token(client, "member@acme.test", "wrong").status_code for _try in range(4)]

    assert codes == [401, 401, 429, 429]
    assert first < 0.05
    assert token(stranger(acme), "member@acme.test").status_code == 200
    assert me(stranger(acme)) == 401
