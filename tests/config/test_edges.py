"""The outer edge of the running product: sizes, headers, hosts, health, metrics."""

from __future__ import annotations

import json
import socket
import time

import httpx
import pytest

from tests.conftest import Live
from tests.people import House
from tests.wire import ask, client, sse

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-permitted-cross-domain-policies": "none",
    "permissions-policy": (
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(self), midi=(), payment=(), usb=()"
    ),
}
API = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


def check(answer: httpx.Response, expected: dict[str, str]) -> None:
    for name, value in expected.items():
        assert answer.headers.get_list(name) == [value], name
    for name in ("server", "x-powered-by", "via"):
        assert name not in answer.headers


async def test_every_api_answer_carries_the_headers(live: Live, acme: House) -> None:
    async with client(live, acme.person("member")) as http:
        started = await ask(http, "Bonjour")
        answers = {
            200: await http.get("/api/v1/me/"),
            401: await http.get("/api/v1/me/", headers={"Authorization": "Bearer nonsense"}),
            404: await http.get("/api/v1/nothing/"),
            405: await http.delete("/api/v1/me/"),
        }
        events = await http.get(f"/api/v1/runs/{started['run']['id']}/events/")
    for status, answer in answers.items():
        assert answer.status_code == status
        check(answer, EVERYWHERE | API)
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
            assert {"type", "title", "status", "code", "detail"} <= set(answer.json())
    check(events, EVERYWHERE | API)


async def test_pages_allow_nothing_inline(live: Live, acme: House) -> None:
    async with client(live, Host=acme.host) as http:
        pages = [await http.get("/login/"), await http.get("/nothing-here/"), await http.get("/static/design/app.css")]
    policies = []
    for page in pages[:2]:
        check(page, EVERYWHERE | {"referrer-policy": "same-origin"})
        policies.append(page.headers["content-security-policy"])
        assert "unsafe" not in policies[-1]
        assert policies[-1].startswith("default-src 'none'; script-src 'self' 'nonce-")
    assert policies[0] != policies[1]
    check(pages[2], EVERYWHERE)
    assert pages[2].status_code == 200


@pytest.mark.parametrize("host", ["evil.test", "acme.localhost.evil.test", "10.0.0.1", "xn--nxasmq6b"])
async def test_an_unknown_host_is_404_everywhere_but_health(host: str, live: Live) -> None:
    async with client(live, Host=host) as http:
        for path in ("/", "/login/", "/api/v1/me/", "/admin/", "/metrics"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_host")
            check(answer, EVERYWHERE)
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/health/ready")).json() == {"status": "ready", "parts": {"database": "ok", "redis": "ok"}}


async def test_the_console_has_no_page_by_content_type(live: Live, acme: House) -> None:
    async with client(live, acme.person("admin")) as http:
        found = [(await http.get(f"/admin/r/{kind}/1/")).status_code for kind in range(1, 12)]

    assert set(found) == {404}


async def test_metrics_are_the_operators(live: Live, acme: House) -> None:
    async with client(live) as http:
        shown = await http.get("/metrics", headers={"Host": "localhost"})
        hidden = await http.get("/metrics", headers={"Host": acme.host})

    assert "http_requests_total" in shown.text
    assert "http_request_duration_seconds_bucket" in shown.text
    assert hidden.status_code == 404


def raw(live: Live, request: bytes, body: bytes = b"", seconds: float = 5) -> tuple[bytes, float]:
    """Send bytes as they are; what came back, and after how long."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", live.port), timeout=seconds) as link:
        link.sendall(request)
        try:
            for start in range(0, len(body), 65536):
                link.sendall(body[start : start + 65536])
        except OSError:
            pass
        return link.recv(65536), time.monotonic() - begun


def test_a_body_over_the_limit_is_refused_before_it_is_read(live: Live, acme: House) -> None:
    head = f"POST /api/v1/documents/ HTTP/1.1\r\nHost: {acme.host}\r\nContent-Type: multipart/form-data; boundary=x\r\n"

    answer, seconds = raw(live, f"{head}Content-Length: {60 * 1024 * 1024}\r\n\r\n".encode())
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    chunked, _seconds = raw(live, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), chunk * 820, seconds=20)
    json_body, _seconds = raw(
        live, f"POST /api/v1/search/ HTTP/1.1\r\nHost: {acme.host}\r\nContent-Length: 3000000\r\n\r\n".encode()
    )

    assert seconds < 2
    for refused in (answer, chunked, json_body):
        assert refused.startswith(b"HTTP/1.1 413 ")
        assert b"application/problem+json" in refused
        assert b'"code": "too_large"' in refused


@pytest.mark.parametrize(
    "line",
    [
        "GET /café/ HTTP/1.1",
        "GET /api/v1/search/?q=café HTTP/1.1",
        "GET /ws/?ticket=é HTTP/1.1",
        "GET /api/v1/me/ HTTP/1.1\r\nBad Name: x",
        "GET /api/v1/me/ HTTP/1.1\r\nContent-Length: -1",
        "GET\t/ x y z",
    ],
)
def test_case_25_what_is_no_http_is_refused_with_all_headers(live: Live, acme: House, line: str) -> None:
    answer, _seconds = raw(live, f"{line}\r\nHost: {acme.host}\r\n\r\n".encode())

    head, _blank, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    told = {name.lower(): value for name, value in (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])}
    assert {**EVERYWHERE, **API}.items() <= told.items()
    assert told["content-type"] == "application/problem+json; charset=utf-8"
    assert json.loads(body)["code"] == "bad_request"


def test_what_is_written_as_it_should_be_is_read(live: Live, acme: House) -> None:
    answer, _seconds = raw(live, f"GET /caf%C3%A9/?q=caf%C3%A9 HTTP/1.1\r\nHost: {acme.host}\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_a_page_post_needs_its_csrf_token_and_a_bearer_does_not(live: Live, acme: House) -> None:
    async with client(live, Host=acme.host) as http:
        await http.get("/login/")
        forged = await http.post("/login/", data={"email": "member@acme.test", "password": "x"})
    async with client(live, acme.person("member")) as http:
        allowed = await http.post("/api/v1/conversations/", json={})

    assert forged.status_code == 403
    assert allowed.status_code == 201


async def test_two_hosts_in_one_request_are_refused_or_exact(live: Live, acme: House) -> None:
    request = f"GET /api/v1/me/ HTTP/1.1\r\nHost: {acme.host}\r\nHost: globex.localhost\r\n\r\n".encode()
    answer, _seconds = raw(live, request)

    assert answer.split(b" ")[1] in {b"400", b"404"}
    async with client(live, acme.person("member"), **{"X-Forwarded-Host": "globex.localhost"}) as http:
        assert (await http.get("/api/v1/me/")).json()["email"] == "member@acme.test"
        events = await ask(http, "Bonjour")
        assert (await sse(http, f"/api/v1/runs/{events['run']['id']}/events/"))[-1]["type"] == "run.completed"
