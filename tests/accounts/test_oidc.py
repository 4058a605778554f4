"""Signing in by another service, against a provider that runs on this machine and that nobody here wrote."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

from accounts import oidc, outgoing
from accounts.models import ExternalIdentity, OIDCProvider, User
from tests.accounts.doors import browser, events, me, stranger, token
from tests.conftest import free_port
from tests.people import House, aside

PEOPLE = {
    "nadia": {"email": "Member@acme.test", "email_verified": True},
    "new": {"email": "new@acme.test", "email_verified": True, "given_name": "Noé", "family_name": "Roy"},
    "unverified": {"email": "other@acme.test", "email_verified": False},
    "silent": {"email": "silent@acme.test"},
    "elsewhere": {"email": "new@evil.test", "email_verified": True},
    "operator": {"email": "operator@cloison.test", "email_verified": True},
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    port = free_port()
    claims = [part for sub, more in PEOPLE.items() for part in ("--user-claims", json.dumps({"sub": sub, **more}))]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true", *claims]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                httpx.get(address, timeout=1)
            except httpx.HTTPError:
                time.sleep(0.1)
            else:
                break
        yield address
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def provider(acme: House, issuer: str, settings: Any) -> OIDCProvider:
    """Saved in the console, as an administrator does it."""
    settings.CLOISON_OIDC_ALLOWED_HOSTS = [urlsplit(issuer).netloc]
    oidc._known.clear()
    save(acme, issuer, create_people="on")
    return aside(acme, OIDCProvider.objects.get)


def save(house: House, issuer: str, where: str = "add", **more: str) -> Any:
    body = {"name": "Acme ID", "issuer": issuer, "client_id": "cloison", "new_secret": "s3cret-of-the-client"}
    body |= {"allowed_domains": f"{house.name.lower()}.test", "default_role": "viewer", "is_enabled": "on", **more}
    return browser(house.person("admin")).post(f"/admin/accounts/oidcprovider/{where}/", body, follow=True)


def start(client: Any, provider: OIDCProvider, wanted: str = "/") -> str:
    answer = client.get(f"/login/oidc/{provider.public_id}/?next={wanted}")
    assert answer.status_code == 302, answer.content
    return str(answer.headers["Location"])


def consent(url: str, sub: str) -> str:
    """Where the provider sends the browser once `sub` has agreed: path and query."""
    answer = httpx.post(url, data={"sub": sub})
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    assert (back.netloc, back.path) == ("acme.localhost", "/login/oidc/callback/")
    return f"{back.path}?{back.query}"


def sign_in(house: House, provider: OIDCProvider, sub: str, wanted: str = "/") -> tuple[Any, Any]:
    client = stranger(house)
    return client, client.get(consent(start(client, provider, wanted), sub))


def test_the_way_there_carries_pkce_state_and_nonce(acme: House, provider: OIDCProvider) -> None:
    client = stranger(acme)
    page = client.get("/login/").content.decode()
    assert f"/login/oidc/{provider.public_id}/" in page and "Acme ID" in page

    asked = parse_qs(urlsplit(start(client, provider)).query)

    assert asked["code_challenge_method"] == ["S256"] and len(asked["code_challenge"][0]) == 43
    assert asked["redirect_uri"] == ["http://acme.localhost/login/oidc/callback/"]
    assert len(asked["state"][0]) >= 32 and len(asked["nonce"][0]) >= 32
    assert asked["scope"] == ["openid email profile"]
    assert client.cookies["oidc"]["httponly"] and client.cookies["oidc"]["samesite"] == "Lax"
    assert asked["nonce"][0] not in client.cookies["oidc"].value


def test_somebody_new_is_created_with_the_default_role_and_known_again(
    acme: House, globex: House, provider: OIDCProvider
) -> None:
    client, answer = sign_in(acme, provider, "new", "/documents/")

    assert answer.headers["Location"] == "/documents/", answer.content
    assert client.get("/api/v1/me/").json() | {"id": ""} == {
        "id": "",
        "email": "new@acme.test",
        "first_name": "Noé",
        "last_name": "Roy",
        "role": "viewer",
        "language": "en",
    }
    assert me(sign_in(acme, provider, "new")[0]) == 200
    assert aside(acme, ExternalIdentity.objects.count) == 1
    assert aside(globex, lambda: User.objects.filter(email="new@acme.test").count()) == 0
    assert events(acme, "auth.sign_in")[0].facts["method"] == "oidc"
    assert events(acme, "auth.identity_linked")[0].facts == {"provider": str(provider.public_id)}
    assert token(stranger(acme), "new@acme.test", "").status_code == 400, "no password came with it"


@pytest.mark.parametrize(
    ("sub", "code"),
    [
        ("nadia", "account_has_password"),
        ("unverified", "email_not_verified"),
        ("silent", "email_not_verified"),
        ("elsewhere", "email_domain_not_allowed"),
        ("operator", "email_domain_not_allowed"),
    ],
)
def test_who_is_not_meant_does_not_come_in(acme: House, provider: OIDCProvider, sub: str, code: str) -> None:
    before = aside(acme, User.objects.count)

    client, answer = sign_in(acme, provider, sub)

    assert answer.status_code == 403
    assert code in answer.content.decode()
    assert me(client) == 401
    assert (aside(acme, User.objects.count), aside(acme, ExternalIdentity.objects.count)) == (before, 0)


def test_an_account_with_a_password_is_linked_only_where_the_administrator_allowed_it(
    acme: House, provider: OIDCProvider
) -> None:
    aside(acme, lambda: None)
    save(acme, provider.issuer, f"{provider.pk}/change", new_secret="", link_by_email="on")

    client, answer = sign_in(acme, provider, "nadia")

    assert answer.status_code == 302, answer.content
    assert client.get("/api/v1/me/").json()["role"] == "member"
    aside(acme, lambda: User.objects.filter(email="member@acme.test").update(is_active=False))
    stopped, refused = sign_in(acme, provider, "nadia")
    assert (refused.status_code, me(stopped)) == (403, 401)
    assert "account_off" in refused.content.decode()


def test_without_leave_to_create_nobody_is_created(acme: House, provider: OIDCProvider) -> None:
    save(acme, provider.issuer, f"{provider.pk}/change", new_secret="")

    _client, answer = sign_in(acme, provider, "new")

    assert "not_invited" in answer.content.decode()


def test_the_way_back_counts_once_in_the_browser_that_went(acme: House, globex: House, provider: OIDCProvider) -> None:
    ours = stranger(acme)
    back = consent(start(ours, provider), "new")

    assert stranger(acme).get(back).headers["Location"].startswith("/login/"), "another browser has no cookie"
    abroad = stranger(globex)
    abroad.cookies["oidc"] = ours.cookies["oidc"].value
    assert abroad.get(back).headers["Location"].startswith("/login/"), "the cookie is sealed for one tenant"
    other = stranger(acme)
    start(other, provider)
    assert other.get(back).status_code == 401, "state of another try"
    kept = ours.cookies["oidc"].value
    assert ours.get(back).status_code == 302
    ours.cookies["oidc"] = kept
    replay = stranger(acme)
    replay.cookies["oidc"] = kept
    assert replay.get(back).status_code == 401, "the code was used"
    for query in ("", "?state=x&code=y", "?error=access_denied"):
        assert stranger(acme).get(f"/login/oidc/callback/{query}").status_code == 302


def test_a_token_for_another_nonce_is_refused(acme: House, provider: OIDCProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    client = stranger(acme)
    back = consent(start(client, provider), "new")
    real = oidc.finish
    monkeypatch.setattr(
        oidc, "finish", lambda ours, flow, code: real(ours, oidc.Flow(flow.state, "another", flow.verifier), code)
    )

    answer = client.get(back)

    assert (answer.status_code, me(client)) == (401, 401)
    assert "provider_refused" in answer.content.decode()


def test_the_secret_is_sealed_and_never_shown(acme: House, provider: OIDCProvider, owner: psycopg.Connection) -> None:
    secret = "s3cret-of-the-client"
    stored = str(owner.execute(f"SELECT to_jsonb(t)::text FROM {acme.schema}.accounts_oidcprovider t").fetchone())
    page = browser(acme.person("admin")).get(f"/admin/accounts/oidcprovider/{provider.pk}/change/").content.decode()

    assert secret not in stored and secret not in page
    assert "http://acme.localhost/login/oidc/callback/" in page
    moved = save(acme, "https://login.example.com", f"{provider.pk}/change", new_secret="").content.decode()
    assert aside(acme, OIDCProvider.objects.get).issuer == provider.issuer, moved


def test_only_administrators_manage_providers_and_only_their_own(acme: House, globex: House, provider: OIDCProvider) -> None:
    for local in ("manager", "auditor"):
        assert browser(acme.person(local)).get("/admin/accounts/oidcprovider/").status_code == 403
    with acme.person("manager").acting():
        assert OIDCProvider.objects.count() == 0
    assert stranger(globex).get(f"/login/oidc/{provider.public_id}/").status_code == 404
    assert "Acme ID" not in stranger(globex).get("/login/").content.decode()
    gone = browser(acme.person("admin")).post(f"/admin/accounts/oidcprovider/{provider.pk}/delete/", {"post": "yes"})
    assert gone.status_code == 302
    assert stranger(acme).get(f"/login/oidc/{provider.public_id}/").status_code == 404
    assert [events(acme, action)[0].target for action in ("provider.saved", "provider.removed")] == [
        f"provider:{provider.public_id}"
    ] * 2


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com",
        "https://127.0.0.1",
        "https://localhost",
        "https://[::1]",
        "https://10.0.0.5",
        "https://169.254.169.254",
        "https://0.0.0.0",
        "https://2130706433",
        "https://user:pass@127.0.0.1",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "https://",
        "https://[",
        "",
    ],
)
def test_case_42_an_issuer_inside_the_network_is_refused(url: str) -> None:
    with pytest.raises(outgoing.AddressRefused):
        outgoing.check(url)


def test_case_42_the_operators_list_opens_one_host_and_port(settings: Any) -> None:
    settings.CLOISON_OIDC_ALLOWED_HOSTS = ["127.0.0.1:9000"]

    assert outgoing.check("http://127.0.0.1:9000/x") == "127.0.0.1"
    for url in ("http://127.0.0.1:9001", "http://127.0.0.1", "file://127.0.0.1:9000/x"):
        with pytest.raises(outgoing.AddressRefused):
            outgoing.check(url)
