"""Streaming bodies and the caches of a process, for both tenants at once (cases 8 and 12)."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from asgiref.testing import ApplicationCommunicator
from celery import current_app
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.test import Client

from assistants.conversations.models import Conversation
from config import access
from isolation import context, in_thread, tasks
from isolation.pool import clean
from tests.isolation.streaming_urls import shared
from tests.people import Actor, House


@pytest.fixture
def naive(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tenants' sites have the views of `streaming_urls`, too."""
    settings.ROOT_URLCONF = "tests.isolation.streaming_urls"
    for route in ("stream/", "synchronous/", "asynchronous/"):
        monkeypatch.setitem(access.TENANT, route, {"GET": access.ANYBODY})


def scope(actor: Actor, path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in actor.headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


async def read(actor: Actor, *, leave: bool) -> list[list[str]]:
    """The pieces of the stream; who leaves does so after the first."""
    from config.asgi import application

    link = ApplicationCommunicator(application, scope(actor, "/stream/"))
    await link.send_input({"type": "http.request", "body": b""})
    started = await link.receive_output(10)
    assert started["status"] == 200
    pieces: list[list[str]] = []
    while True:
        event = await link.receive_output(10)
        if event.get("body"):
            pieces.append(json.loads(event["body"]))
            if leave:
                await link.send_input({"type": "http.disconnect"})
                await link.wait(5)
                return pieces
        if not event.get("more_body"):
            await link.wait(5)
            return pieces


def begin(actor: Actor) -> str:
    title = f"{actor.local} {actor.house.canary}"
    with actor.acting():
        Conversation.objects.create(owner=actor.user, title=title)
    connections.close_all()
    return title


async def test_case_8_streaming_bodies_stay_at_home_and_give_back_what_they_hold(naive: None, acme: House, globex: House) -> None:
    actors = [acme.person("member"), globex.person("member"), acme.person("member2"), globex.person("member2")]
    for actor in actors:
        assert actor.token
    titles = [await asyncio.to_thread(begin, actor) for actor in actors]

    async def one(number: int) -> None:
        place, leave = number % 4, number % 3 == 0
        pieces = await read(actors[place], leave=leave)
        assert pieces == [[titles[place]]] * (1 if leave else 3)

    pool = connections["default"].pool

    def lent() -> int:
        stats = pool.get_stats()
        return int(stats["pool_size"] - stats["pool_available"])

    before = lent()  # What other threads of the suite hold is theirs.

    await asyncio.gather(*(asyncio.create_task(one(number)) for number in range(24)))

    deadline = time.monotonic() + 1
    while lent() > before:
        assert time.monotonic() < deadline, pool.get_stats()
        await asyncio.sleep(0.02)


@pytest.fixture
def things(acme: House, globex: House, owner: psycopg.Connection) -> Iterator[dict[str, int]]:
    """One content type of the same name in each, under another id."""
    made = {acme.schema: 900_001, globex.schema: 900_002}
    for schema, pk in made.items():
        owner.execute(f"INSERT INTO {schema}.django_content_type (id, app_label, model) VALUES ({pk}, 'case12', 'thing')")
    yield made
    for schema, pk in made.items():
        owner.execute(f"DELETE FROM {schema}.django_content_type WHERE id = {pk}")
        with context.use(context.service(schema)):
            from django.core.cache import cache
            from django.core.files.storage import default_storage

            cache.clear()
            default_storage.delete("case12.txt")
    ContentType.objects.clear_cache()
    connections.close_all()


@tasks.tenant_task(name="tests.case12")
def remember(word: str, into: dict[str, Any]) -> None:
    into.update(shared(word))


def by_view(actor: Actor, path: str) -> dict[str, Any]:
    answer = actor.api.get(path, {"word": actor.house.canary})
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def by_task(actor: Actor) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with actor.acting():
        header = tasks.sign(context.current(), "tests.case12")
    current_app.tasks["tests.case12"].apply(args=(actor.house.canary, found), headers={tasks.HEADER: header}, throw=True)
    return found


def by_consumer(actor: Actor) -> dict[str, Any]:
    async def consume() -> dict[str, Any]:
        context.enter(actor.context)
        return await in_thread(shared, actor.house.canary)

    return asyncio.run(consume())


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("way", ["synchronous", "asynchronous", "task", "consumer"])
def test_case_12_what_a_process_shares_is_apart_per_tenant(
    naive: None, things: dict[str, int], acme: House, globex: House, way: str, first: int
) -> None:
    houses = [acme, globex] if first == 0 else [globex, acme]
    found: dict[str, dict[str, Any]] = {}
    for house in [*houses, *houses]:  # Written, then read with the other's in place.
        actor = house.person("member")
        if way == "task":
            found[house.schema] = by_task(actor)
        elif way == "consumer":
            found[house.schema] = by_consumer(actor)
        else:
            found[house.schema] = by_view(actor, f"/{way}/")

    for house in houses:
        mine = found[house.schema]
        assert (mine["cached"], mine["fragment"], mine["file"]) == (house.canary,) * 3
        assert f"/{house.schema}/" in mine["path"]
        assert mine["type"] == things[house.schema]


def test_case_12_content_types_are_right_under_forced_interleaving(things: dict[str, int], acme: House, globex: House) -> None:
    turn = threading.Barrier(2, timeout=30)

    def ask(house: House) -> list[tuple[int, str]]:
        found = []
        with house.person("member").acting():
            for number in range(100):
                turn.wait()
                if number % 10 == 0 and house is acme:
                    ContentType.objects.clear_cache()
                pk = ContentType.objects.get_by_natural_key("case12", "thing").pk
                found.append((pk, ContentType.objects.get_for_id(pk).model))
        connections.close_all()
        return found

    for house in (acme, globex):
        assert house.person("member").user
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, (acme, globex)))

    assert set(answers[0]) == {(things[acme.schema], "thing")}
    assert set(answers[1]) == {(things[globex.schema], "thing")}


def test_case_24_no_page_of_the_operator_opens_a_tenants_content(acme: House, owner: psycopg.Connection) -> None:
    from accounts.console import operator_site
    from tests.people import PASSWORD

    title = begin(acme.person("member"))
    client = Client(headers={"host": "localhost"}, raise_request_exception=False)
    client.post("/admin/login/", {"username": "operator@cloison.test", "password": PASSWORD, "next": "/admin/"})
    paths = ["/", "/admin/"]
    for model in operator_site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        paths += [base, f"{base}?q=member"]
        paths += [f"{base}{pk}/change/" for (pk,) in owner.execute(f"SELECT id FROM public.{model._meta.db_table} LIMIT 20")]

    opened = 0
    for path in paths:
        answer = client.get(path)
        assert answer.status_code in {200, 302}, path
        opened += answer.status_code == 200
        assert acme.canary not in answer.content.decode(), path
    assert opened > 10
    for path in (
        "/api/v1/conversations/",
        "/documents/",
        "/c/01900000-0000-7000-8000-000000000000/",
        "/admin/documents/document/",
    ):
        assert client.get(path).status_code == 404
    assert title in acme.person("member").api.get("/api/v1/conversations/").content.decode()  # The rightful reader sees it.


def test_a_connection_that_comes_back_is_wiped(acme: House) -> None:
    """As by DISCARD ALL, but for plans: whatever one request leaves on a connection, the next does not find."""
    with psycopg.connect(settings.DATABASE_URL, autocommit=True, prepare_threshold=None) as link:
        link.execute(f"SET ROLE {acme.schema}")
        link.execute(f"SET search_path = {acme.schema}; SET app.ctx = 'somebody'; SET statement_timeout = 1234")
        link.execute("PREPARE mine AS SELECT 1")
        link.execute("DECLARE held CURSOR WITH HOLD FOR SELECT 1")
        link.execute("LISTEN something; SELECT pg_advisory_lock(7)")

        clean(link)

        left = "SELECT current_user, current_setting('search_path'), coalesce(current_setting('app.ctx', true), ''), count(*)"
        left += " FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        assert link.execute(left).fetchone() == ("cloison_app", '"$user", public', "", 0)
        assert link.execute("SHOW statement_timeout").fetchone() == ("30s",)
        for kept in ("pg_prepared_statements", "pg_cursors", "pg_listening_channels()"):
            assert link.execute(f"SELECT count(*) FROM {kept}").fetchone() == (0,), kept
    assert settings.DATABASES["default"]["OPTIONS"]["pool"]["reset"] is clean
