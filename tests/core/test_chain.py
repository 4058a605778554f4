"""The request chain: its order, other origins, limits and their headers, what is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

from core import metrics, rate_limiter, streams
from core.middleware import trace
from core.rate_limiter import LocalBuckets
from tenants import sites
from tests.people import Actor, House

ORIGIN = "https://intranet.example.org"


@pytest.fixture
def limits(settings: Any, monkeypatch: pytest.MonkeyPatch, flush: None) -> Iterator[None]:
    """The product's own figures."""
    settings.CLOISON_RATE_PER_MINUTE, settings.CLOISON_RATE_BURST = 60, 100
    settings.CLOISON_LIMITER_TIMEOUT = 2.0
    monkeypatch.setattr(rate_limiter, "_shield", LocalBuckets())
    yield


@pytest.fixture
def flush(servers: None) -> None:
    """Empty buckets' keys."""
    import redis
    from django.conf import settings

    link = redis.Redis.from_url(settings.REDIS.runs)
    for key in link.scan_iter("rate:*"):
        link.delete(key)
    link.close()


@pytest.fixture
def listed(acme: House, owner: Any) -> Iterator[None]:
    """Acme lets one integrator's origin read its API."""
    owner.execute("UPDATE public.tenants_tenant SET cors_origins = %s WHERE schema_name = %s", ([ORIGIN], acme.schema))
    sites.forget()
    yield
    owner.execute("UPDATE public.tenants_tenant SET cors_origins = '{}'")
    sites.forget()


def http(actor: Actor | None = None, house: House | None = None, **headers: str) -> AsyncClient:
    host = (house or actor.house).host  # type: ignore[union-attr]
    bearer = {"authorization": f"Bearer {actor.token}"} if actor else {}
    from config.asgi import application

    return AsyncClient(transport=ASGITransport(application), base_url=f"http://{host}", headers={**bearer, **headers})


ALL = ["cors", "rate_limit.address", "tenant", "person", "rate_limit.principal", "right", "security_headers", "metrics"]


@pytest.mark.parametrize(
    ("path", "headers", "status", "steps"),
    [
        ("/api/v1/me/", {}, 200, ALL),
        ("/api/v1/users/", {}, 403, ALL),
        ("/api/v1/me/", {"authorization": "Bearer nonsense"}, 401, [s for s in ALL if s != "right"]),
        ("/api/v1/me/", {"host": "nobody.test"}, 404, ["cors", "rate_limit.address", "tenant", "security_headers", "metrics"]),
        ("/api/v1/nothing/", {}, 404, [s for s in ALL if s != "right"]),
        ("/health/live", {}, 200, ["security_headers", "metrics"]),
    ],
)
async def test_the_steps_follow_each_other_in_the_originals_order(
    acme: House, path: str, headers: dict[str, str], status: int, steps: list[str]
) -> None:
    client = http(acme.person("member"), **headers)

    written = trace.begin()
    answer = await client.get(path)

    assert answer.status_code == status
    assert written == steps


@pytest.mark.parametrize(
    "origin", ["https://evil.test", "null", "http://globex.localhost", "https://intranet.example.org.evil.test"]
)
async def test_case_27_no_origin_is_reflected(acme: House, listed: None, origin: str) -> None:
    client = http(acme.person("member"), origin=origin)

    answers = [
        await client.get("/api/v1/me/"),
        await client.get("/api/v1/nothing/"),
        await client.options("/api/v1/me/", headers={"access-control-request-method": "GET"}),
    ]

    for answer in answers:
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        assert "Origin" in answer.headers["Vary"]


async def test_case_27_a_listed_origin_reads_the_api_without_credentials(acme: House, globex: House, listed: None) -> None:
    client = http(acme.person("member"), origin=ORIGIN)

    answers = [await client.get("/api/v1/me/"), await client.get("/api/v1/nothing/")]
    asked = await client.options("/api/v1/me/", headers={"access-control-request-method": "PATCH"})
    page = await client.get("/login/")
    elsewhere = await http(globex.person("member"), origin=ORIGIN).get("/api/v1/me/")

    for answer in (*answers, asked):
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert asked.status_code == 204
    assert "PATCH" in asked.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in page.headers
    assert "Access-Control-Allow-Origin" not in elsewhere.headers


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    yield
    await streams.close()


async def test_case_48_headers_and_body(acme: House, limits: None) -> None:
    client = http(acme.person("member"))

    answers = [await client.get("/api/v1/me/") for _ in range(120)]

    first = answers[0]
    assert first.headers["RateLimit-Policy"] == '"default";q=100;w=100'
    assert first.headers["RateLimit"] == '"default";r=99;t=1'
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    body = refused.json()
    assert body["type"].endswith("#quota-exceeded")
    assert (body["code"], body["violated-policies"]) == ("rate_limited", ["default"])
    assert int(refused.headers["Retry-After"]) == body["retry_after"] >= 1
    assert refused.headers["RateLimit"].startswith('"default";r=0;')


async def test_case_47_buckets_are_apart(acme: House, globex: House, limits: None, settings: Any) -> None:
    """Same primary key in both tenants; two tokens of one person share."""
    settings.CLOISON_RATE_PER_MINUTE = 1  # So that a slow machine's seconds refill nothing.
    mine = http(acme.person("member"))
    for _ in range(103):
        last = await mine.get("/api/v1/me/")
    assert last.status_code == 429

    second_token = await http(acme.person("member")).get("/api/v1/me/")
    others = [
        await http(globex.person("member")).get("/api/v1/me/"),
        await http(acme.person("member2")).get("/api/v1/me/"),
        await http(house=acme).get("/login/"),
    ]

    assert second_token.status_code == 429
    assert [answer.status_code for answer in others] == [200, 200, 200]


async def test_case_47_a_tenants_aggregate_bites_at_its_figure(acme: House, globex: House, limits: None, settings: Any) -> None:
    settings.CLOISON_TENANT_RATE_FACTOR = 1.2
    settings.CLOISON_RATE_PER_MINUTE = 1
    people = [http(acme.person(name)) for name in ("member", "member2", "viewer")]

    statuses = [(await people[turn % 3].get("/api/v1/me/")).status_code for turn in range(140)]
    refused = await people[0].get("/api/v1/me/")

    assert 118 <= statuses.count(200) <= 124
    assert refused.json()["violated-policies"][0] in {"tenant", "address"}


async def test_what_stops_an_answer_is_exempt(acme: House, limits: None, settings: Any) -> None:
    settings.CLOISON_RATE_PER_MINUTE = 1
    client = http(acme.person("member"))
    for _ in range(103):
        await client.get("/api/v1/me/")

    stop = await client.post("/api/v1/runs/01900000-0000-7000-8000-000000000000/stop/")
    page = await client.get("/")

    assert stop.status_code == 404
    assert page.status_code == 429
    assert "text/html" in page.headers["Content-Type"]


async def test_wrong_tokens_use_up_the_addresss_bucket(acme: House, limits: None, settings: Any) -> None:
    settings.CLOISON_RATE_PER_MINUTE = 1
    client = http(house=acme, authorization="Bearer nonsense")

    statuses = [(await client.get("/api/v1/me/")).status_code for _ in range(103)]

    assert statuses[0] == 401
    assert statuses[-1] == 429


async def test_requests_are_counted_by_tenant_and_people_as_active(acme: House) -> None:
    def counted() -> float:
        return metrics.REQUESTS.labels(acme.schema, "GET", "200")._value.get()  # type: ignore[no-any-return]

    before = counted()
    for name in ("member", "viewer"):
        await http(acme.person(name)).get("/api/v1/me/")

    assert counted() == before + 2
    assert metrics.ACTIVE_USERS.labels(acme.schema)._value.get() >= 2


def test_tenants_labels_are_bounded(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_tenants", set())
    settings.CLOISON_METRICS_TENANTS = 2

    labels = [metrics.tenant_label(name) for name in ("t_1", "t_2", "t_3", "t_1")]

    assert labels == ["t_1", "t_2", "others", "t_1"]
