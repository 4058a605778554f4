"""What a browser is told, and what it is refused: headers, CSRF, handshakes, hosts (cases 25, 26, 28, 29)."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import websockets
from django.conf import settings
from httpx import ASGITransport, AsyncClient

from core import streams
from core.middleware.rate_limit import rate_limiter
from tests.conftest import Live
from tests.people import PASSWORD, House
from tests.wire import client

ALL = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-permitted-cross-domain-policies": "none",
    "permissions-policy": (
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(self), midi=(), payment=(), usb=()"
    ),
}
API = ALL | {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}
PAGE = ALL | {"referrer-policy": "same-origin"}
POLICY = re.compile(
    r"default-src 'none'; script-src 'self' 'nonce-([A-Za-z0-9_-]{22,})'; style-src 'self'; img-src 'self' blob:; "
    r"media-src 'self' blob:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; "
    r"frame-ancestors 'none'"
)
NEVER = ("server", "x-powered-by", "via", "strict-transport-security")


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    yield
    await streams.close()


def inside(house: House, base: str = "http", **headers: str) -> AsyncClient:
    """The whole application, in this process, so that a test can break a part of it."""
    from config.asgi import application

    transport = ASGITransport(application, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url=f"{base}://{house.host}", headers=headers)


def check(answer: httpx.Response, expected: dict[str, str], name: str) -> None:
    for header, value in expected.items():
        assert answer.headers.get_list(header) == [value], f"case 25: {name}: {header}"
    for header in NEVER:
        assert header not in answer.headers, f"case 25: {name}: {header}"


async def test_case_25_every_kind_of_answer_carries_its_headers(
    live: Live, acme: House, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    from accounts.api.views import MeView

    member = acme.person("member")
    bearer = {"Authorization": f"Bearer {member.token}"}
    async with client(live, member) as http:
        uploaded = (await http.post("/api/v1/documents/", files={"file": ("note.txt", b"A short note of two lines.")})).json()
        user_file = await http.get(f"/api/v1/documents/{uploaded['id']}/file/")
        conversation = (await http.post("/api/v1/conversations/", json={})).json()["id"]
        stream = await http.post(
            f"/api/v1/conversations/{conversation}/messages/",
            json={"content": "Bonjour"},
            headers={"Accept": "text/event-stream"},
        )
        static = await http.get("/static/design/app.css")
        console = await http.get("/admin/", headers={"Authorization": f"Bearer {acme.person('admin').token}"})
        too_large = await http.post("/api/v1/search/", content=b"x" * 3_000_000)
    async with inside(acme) as http:
        kinds = {
            ("page", 302): await http.get("/"),
            ("page", 200): await http.get("/login/"),
            ("page", 404): await http.get("/nothing/"),
            ("chat", 200): await http.get("/", headers=bearer),
            ("page", 403): await http.post("/login/", data={"email": "x"}),
            ("api", 200): await http.get("/api/v1/me/", headers=bearer),
            ("api", 401): await http.get("/api/v1/me/"),
            ("api", 404): await http.get("/api/v1/nothing/", headers=bearer),
            ("api", 405): await http.delete("/api/v1/me/", headers=bearer),
        }
        settings.CLOISON_RATE_PER_MINUTE, settings.CLOISON_RATE_BURST = 1, 1
        monkeypatch.setattr(rate_limiter, "_limiters", type(rate_limiter._limiters)())
        await http.get("/api/v1/me/")
        kinds["api", 429] = await http.get("/api/v1/me/")
        kinds["page", 429] = await http.get("/login/")
        settings.CLOISON_RATE_PER_MINUTE, settings.CLOISON_RATE_BURST = 600_000, 100_000

        def broken(*args: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(MeView, "get", broken)
        kinds["api", 500] = await http.get("/api/v1/me/", headers=bearer)

    nonces = set()
    for (kind, status), answer in kinds.items():
        name = f"{kind} {status}"
        assert answer.status_code == status, name
        check(answer, API if kind == "api" else PAGE, name)
        if kind == "api":
            assert "charset=utf-8" in answer.headers["content-type"], name
        else:
            found = POLICY.fullmatch(answer.headers["content-security-policy"])
            assert found, f"case 25: {name}"
            nonces.add(found[1])
    assert len(nonces) == sum(kind != "api" for kind, _status in kinds)
    assert kinds["chat", 200].headers["cache-control"] == "no-store, max-age=0"
    assert "ZeroDivisionError" not in kinds["api", 500].text
    check(stream, API, "event stream")
    check(static, ALL, "static file")
    check(too_large, API, "413")
    assert too_large.status_code == 413
    check(user_file, ALL, "user file")
    assert user_file.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert user_file.headers["content-disposition"].startswith("attachment; ")
    check(console, PAGE | {"cache-control": "no-store, max-age=0"}, "console")
    assert POLICY.fullmatch(console.headers["content-security-policy"])


async def test_case_25_strict_transport_on_https_only(acme: House) -> None:
    async with inside(acme, "https") as http:
        secure = await http.get("/login/")
    async with inside(acme) as http:
        plain = await http.get("/login/")

    assert secure.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"
    assert "strict-transport-security" not in plain.headers


async def sign_in(http: httpx.AsyncClient, local: str, house: House) -> str:
    """Through the page's form; returns the session's CSRF token."""
    await http.get("/login/")
    form = {"email": f"{local}@{house.name.lower()}.test", "password": PASSWORD, "csrfmiddlewaretoken": http.cookies["csrftoken"]}
    answer = await http.post("/login/", data=form)
    assert answer.status_code == 302, answer.text
    return str(http.cookies["csrftoken"])


async def test_case_25_cookies(acme: House) -> None:
    async with inside(acme) as http:
        await sign_in(http, "member", acme)
        answer = await http.get("/login/")
        out = await http.post("/logout/", data={"csrfmiddlewaretoken": http.cookies["csrftoken"]})
        cookies = [cookie for cookie in http.cookies.jar if cookie.name == settings.SESSION_COOKIE_NAME]

    assert answer.status_code == 302
    assert out.headers["clear-site-data"] == '"cache","cookies","storage"'
    assert not cookies


async def test_case_26_a_cookie_needs_its_own_token_and_origin(acme: House, globex: House) -> None:
    async with inside(acme) as mine, inside(acme) as colleague, inside(globex) as elsewhere:
        token = await sign_in(mine, "member", acme)
        others = {
            "no token": {},
            "a colleague's": {"X-CSRFToken": await sign_in(colleague, "member2", acme)},
            "another tenant's": {"X-CSRFToken": await sign_in(elsewhere, "member", globex)},
            "a foreign origin": {"X-CSRFToken": token, "Origin": "https://evil.test"},
            "the sibling's origin": {"X-CSRFToken": token, "Origin": f"http://{globex.host}"},
            "no origin at all": {"X-CSRFToken": token, "Origin": "null"},
        }
        made = await mine.post("/api/v1/conversations/", json={}, headers={"X-CSRFToken": token})
        path = f"/api/v1/conversations/{made.json()['id']}/"
        refused = {
            (name, method): (await mine.request(method, path if method != "POST" else "/send/", headers=headers)).status_code
            for name, headers in others.items()
            for method in ("POST", "PATCH", "DELETE")
        }
        allowed = await mine.delete(path, headers={"X-CSRFToken": token, "Origin": f"http://{acme.host}"})
    async with inside(acme, Authorization=f"Bearer {acme.person('member').token}") as bearer:
        without = await bearer.post("/api/v1/conversations/", json={})

    assert made.status_code == 201
    assert set(refused.values()) == {403}, f"case 26: {refused}"
    assert allowed.status_code == 204
    assert without.status_code == 201


async def handshake(live: Live, host: str, path: str = "/ws/", **headers: str) -> int:
    """The status of a refused handshake, or the code with which an accepted one was closed; 0 for an open socket."""
    try:
        link = await websockets.connect(
            f"ws://{host}:{live.port}{path}", host="127.0.0.1", port=live.port, additional_headers=headers, origin=None
        )
    except websockets.InvalidStatus as refused:
        return refused.response.status_code
    await link.send('{"type":"ping"}')
    try:
        await link.recv()
    except websockets.ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    await link.close()
    return 0


async def test_case_28_handshakes(live: Live, acme: House, globex: House) -> None:
    async with client(live, Host=f"{acme.host}:{live.port}") as http:
        await http.get("/login/")
        form = {"email": "member@acme.test", "password": PASSWORD, "csrfmiddlewaretoken": http.cookies["csrftoken"]}
        await http.post("/login/", data=form)
        cookie = {"Cookie": f"sessionid={http.cookies['sessionid']}"}
    own, sibling = (f"http://{house.host}:{live.port}" for house in (acme, globex))

    async def ticket(house: House) -> str:
        async with client(live, house.person("member")) as http:
            return f"/ws/?ticket={(await http.post('/api/v1/auth/ws-ticket/')).json()['ticket']}"

    refused = {
        "no origin": await handshake(live, acme.host, **cookie),
        "foreign origin": await handshake(live, acme.host, Origin="https://evil.test", **cookie),
        "sibling's origin": await handshake(live, acme.host, Origin=sibling, **cookie),
        "own host, other port": await handshake(live, acme.host, Origin=f"http://{acme.host}:1", **cookie),
        "no sign-in": await handshake(live, acme.host, Origin=own),
        "cookie of another tenant": await handshake(live, globex.host, Origin=sibling, **cookie),
        "invented ticket": await handshake(live, acme.host, "/ws/?ticket=" + "x" * 43),
        "ticket of another tenant": await handshake(live, acme.host, await ticket(globex)),
        "unknown host": await handshake(live, "nobody.localhost", Origin=own, **cookie),
    }
    once = await ticket(acme)
    first, second = await handshake(live, acme.host, once), await handshake(live, acme.host, once)

    assert set(refused.values()) <= {403, 4401, 4403}, f"case 28: {refused}"
    assert (first, second) == (0, 403)
    assert await handshake(live, acme.host, Origin=own, **cookie) == 0


def status_for(live: Live, *hosts: str, **more: str) -> tuple[int, str]:
    """Of a request for `/api/v1/me/` with these Host headers, byte for byte."""
    lines = [f"Host: {host}" for host in hosts] + [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    request = "GET /api/v1/me/ HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in lines) + "Connection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as link:
        link.sendall(request.encode())
        answer = b""
        while part := link.recv(65536):
            answer += part
    return int(answer.split(b" ")[1]), answer.decode("latin-1")


async def test_case_29_hosts(live: Live, acme: House, globex: House) -> None:
    token = f"Bearer {acme.person('member').token}"
    right = [acme.host, f"{acme.host}:{live.port}", acme.host.upper(), f"{acme.host}."]
    wrong: list[tuple[str, ...]] = [
        ("nobody.test",),
        ("",),
        (),
        ("10.0.0.1",),
        (acme.host, globex.host),
        (f"{acme.host}.evil.test",),
        (f"evil.{acme.host}",),
        (f"{acme.host}@evil.test",),
        (f"{acme.host}/",),
    ]

    for host in right:
        status, body = status_for(live, host, Authorization=token)
        assert status == 200, f"case 29: {host}"
        assert "member@acme.test" in body
    for hosts in wrong:
        assert status_for(live, *hosts, Authorization=token)[0] in {400, 404}, f"case 29: {hosts}"
    forwarded, body = status_for(live, acme.host, Authorization=token, X_Forwarded_Host=globex.host)
    assert forwarded == 200
    assert "member@acme.test" in body
