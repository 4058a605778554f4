"""Who asks is remembered for seconds, and forgotten before a revocation is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from httpx import ASGITransport, AsyncClient

from accounts import keys, people, principals, remembered, services, sign_ins
from accounts.remembered import Memory
from core import stamps, streams
from isolation import context
from tests.people import Actor, House


@pytest.fixture(autouse=True)
async def shared(settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    settings.CLOISON_LIMITER_TIMEOUT = 2.0
    monkeypatch.setattr(principals, "memory", Memory())
    yield
    await streams.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each look into the database for who stands behind a credential."""
    seen: list[str] = []
    real = principals.bearer

    def counted(schema: str, token: str) -> Any:
        seen.append(schema)
        return real(schema, token)

    monkeypatch.setattr(principals, "bearer", counted)
    return seen


def client(actor: Actor, token: str = "") -> AsyncClient:
    from config.asgi import application

    bearer = {"authorization": f"Bearer {token or actor.token}"}
    return AsyncClient(transport=ASGITransport(application), base_url=f"http://{actor.house.host}", headers=bearer)


async def me(http: AsyncClient) -> Any:
    return await http.get("/api/v1/me/")


async def test_the_third_request_asks_nobody(acme: House, reads: list[str]) -> None:
    http = client(acme.person("member"))

    answers = [await me(http) for _ in range(6)]

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["email"] for answer in answers} == {"member@acme.test"}
    assert len(reads) == 2


def acting(actor: Actor, work: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        try:
            with actor.acting():
                return work()
        finally:
            connections.close_all()

    return run


async def test_a_key_that_is_revoked_is_refused_by_the_next_request(acme: House, reads: list[str]) -> None:
    member = acme.person("member")
    row, key = await sync_to_async(acting(member, lambda: keys.create(owner=member.user, name="x", scopes=["read", "ask"])))()
    http = client(member, key)
    before = [(await me(http)).status_code for _ in range(4)]

    await sync_to_async(acting(member, lambda: keys.revoke(owner=member.user, identifier=row.public_id)))()
    after = [(await me(http)).status_code for _ in range(2)]

    assert before == [200] * 4
    assert len(reads) >= 3
    assert after == [401, 401]


async def test_a_role_and_a_name_count_at_once(acme: House, reads: list[str]) -> None:
    admin, viewer = acme.person("admin"), acme.person("viewer")
    http = client(viewer)
    assert [(await me(http)).json()["first_name"] for _ in range(4)][-1] == viewer.user.first_name

    await sync_to_async(
        acting(viewer, lambda: services.change_profile(user=viewer.user, first_name="Zoé", last_name="F", language="fr"))
    )()
    renamed = await me(http)
    await sync_to_async(acting(admin, lambda: people.change_person(actor=admin.user, person=viewer.user, role="member")))()
    ended = await me(http)
    await sync_to_async(acting(admin, lambda: people.change_person(actor=admin.user, person=viewer.user, role="viewer")))()

    assert renamed.json()["first_name"] == "Zoé"
    assert ended.status_code == 401  # A role change ends what was signed in before.


async def test_a_sign_in_that_ended_is_refused_by_the_next_request(acme: House) -> None:
    member = acme.person("member2")
    http = client(member)
    assert [(await me(http)).status_code for _ in range(4)] == [200] * 4

    def leave() -> None:
        try:
            with member.acting():
                sign_ins.end_others(user=member.user, keep=None)
        finally:
            connections.close_all()

    await sync_to_async(leave)()

    assert (await me(http)).status_code == 401
    member.__dict__.pop("token")


async def test_a_request_that_changes_its_person_changes_nobody_elses(acme: House) -> None:
    http = client(acme.person("member"))
    for _ in range(4):
        await me(http)
    entry = principals.memory.find(Memory.key(acme.schema, "bearer", http.headers["authorization"][7:]))
    assert entry is not None and entry.identity is not None

    entry.identity.user.first_name = "Changed"

    assert (await me(http)).json()["first_name"] != "Changed"


async def test_a_token_remembered_as_a_bearer_is_no_session(acme: House) -> None:
    http = client(acme.person("member"))
    for _ in range(4):
        await me(http)
    token = http.headers.pop("authorization")[7:]

    as_cookie = await http.get("/api/v1/me/", headers={"cookie": f"sessionid={token}"})

    assert as_cookie.status_code == 401


async def test_without_redis_nothing_remembered_counts(acme: House, reads: list[str], settings: Any) -> None:
    http = client(acme.person("member"))
    for _ in range(4):
        await me(http)
    looked = len(reads)

    settings.CLOISON_LIMITER_TIMEOUT = 0
    await me(http)

    assert len(reads) == looked + 1


def test_what_was_read_before_the_stamps_were_seen_is_not_kept(acme: House) -> None:
    identity = remembered.Identity(acme.person("member").user)
    memory, key = Memory(), b"k"

    memory.note(key, identity, read_at=10.0, seen=(b"new",))  # Read at 10, perhaps before the stamp changed.
    memory.note(key, identity, read_at=5.0, seen=(b"new",))  # Another request's, read even earlier.

    assert memory.find(key) is None


def test_a_stamp_is_renewed_after_the_commit_only(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import transaction

    renewed: list[str] = []
    monkeypatch.setattr(stamps, "renew", lambda *names: renewed.extend(names))
    with context.use(context.auth(acme.schema)):
        with transaction.atomic():
            remembered.person_changed(7)
            inside = list(renewed)
        outside = list(renewed)
    connections.close_all()

    assert (inside, outside) == ([], [f"{acme.schema}:person:7"])
