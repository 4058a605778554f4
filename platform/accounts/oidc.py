"""OpenID Connect with one provider: discovery, the way there (PKCE, state, nonce), and the proven claims on the way back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from django.utils.translation import gettext_lazy as _
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from accounts import outgoing
from core.errors import AppError

SCOPE = "openid email profile"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
LEEWAY = 30  # seconds that clocks may differ
FRESH = 600.0  # seconds that a provider's description is kept
ENTRIES = 500


class ProviderFailed(AppError):
    code: ClassVar[str] = "provider_failed"
    status = 502
    title = _("The sign-in service did not answer as it should.")


class ProviderRefused(AppError):
    code: ClassVar[str] = "provider_refused"
    status = 401
    title = _("The sign-in service did not confirm who you are.")


@dataclass(frozen=True, slots=True)
class Client:
    """Ourselves, as the provider knows us."""

    issuer: str
    client_id: str
    secret: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Flow:
    """What the browser's cookie keeps between the way there and the way back."""

    state: str
    nonce: str
    verifier: str


_known: dict[str, tuple[float, dict[str, Any]]] = {}


def _get(url: str) -> dict[str, Any]:
    with outgoing.guard(requests.Session()) as session:
        answer = session.get(url, headers={"Accept": "application/json"}, allow_redirects=False)
        if answer.status_code != 200:
            raise ProviderFailed
        found = answer.json()
    if not isinstance(found, dict):
        raise ProviderFailed
    return found


def discover(issuer: str) -> dict[str, Any]:
    """The provider's description, kept for ten minutes. Raises `ProviderFailed` or `AddressRefused`."""
    now = time.monotonic()
    if (kept := _known.get(issuer)) and kept[0] > now:
        return kept[1]
    try:
        found = _get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    except (requests.RequestException, ValueError) as error:
        raise ProviderFailed from error
    if found.get("issuer") != issuer:  # Exactly: another issuer's description proves nothing about this one.
        raise ProviderFailed
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        outgoing.check(str(found.get(name, "")))
    if len(_known) >= ENTRIES:
        _known.clear()
    _known[issuer] = (now + FRESH, found)
    return found


def _session(client: Client) -> OAuth2Session:
    session = OAuth2Session(
        client.client_id,
        client.secret,
        scope=SCOPE,
        redirect_uri=client.redirect_uri,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic" if client.secret else "none",
    )
    outgoing.guard(session)
    return session


def start(client: Client) -> tuple[str, Flow]:
    """Where to send the browser, and what to keep. Raises as `discover`."""
    found = discover(client.issuer)
    nonce, verifier = generate_token(32), generate_token(64)
    with _session(client) as session:
        url, state = session.create_authorization_url(
            found["authorization_endpoint"], nonce=nonce, code_verifier=verifier, state=generate_token(32)
        )
    return str(url), Flow(str(state), nonce, verifier)


def finish(client: Client, flow: Flow, code: str) -> dict[str, Any]:
    """The claims of the person, proven by the provider's signature. Raises `ProviderFailed` or `ProviderRefused`."""
    found = discover(client.issuer)
    try:
        with _session(client) as session:
            token = session.fetch_token(
                found["token_endpoint"], grant_type="authorization_code", code=code, code_verifier=flow.verifier
            )
        keys = KeySet.import_key_set(_get(found["jwks_uri"]))  # type: ignore[arg-type]  # Asked for each time: keys rotate.
        decoded = jwt.decode(str(token.get("id_token", "")), keys, algorithms=ALGORITHMS)
        options = {"iss": {"essential": True, "value": client.issuer}, "aud": {"essential": True, "value": client.client_id}}
        params = {"nonce": flow.nonce, "client_id": client.client_id, "access_token": token.get("access_token")}
        claims = CodeIDToken(decoded.claims, decoded.header, options, params)
        claims.validate(leeway=LEEWAY)
        if "email" not in claims and found.get("userinfo_endpoint"):
            return _with_userinfo(client, found["userinfo_endpoint"], token, dict(claims))
    except requests.RequestException as error:
        raise ProviderFailed from error
    except (OAuthError, JoseError, ValueError, KeyError) as error:
        raise ProviderRefused from error
    return dict(claims)


def _with_userinfo(client: Client, url: str, token: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
    """Some providers tell the address there only; it counts where it is of the same person."""
    with outgoing.guard(requests.Session()) as session:
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        told = session.get(url, headers=headers, allow_redirects=False).json()
    if not isinstance(told, dict) or told.get("sub") != claims["sub"]:
        raise ProviderRefused
    return {**told, **claims}
