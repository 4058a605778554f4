"""Signing in by another service: the way there, and the way back."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirect
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import federation, oidc
from accounts.web.doors import door, enter, wanted_page
from core.errors import AppError
from core.sealing import CannotUnseal, seal, unseal
from isolation import context

LIFE = 600  # seconds to sign in at the provider


def _cookie() -> str:
    return "__Host-oidc" if settings.SESSION_COOKIE_SECURE else "oidc"


def _about() -> str:
    return f"{context.current().schema}|oidc flow"


@never_cache
@require_GET
def start(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """To the provider. What the way back needs is in a sealed cookie: this changes nothing in the database."""
    try:
        provider, client = federation.client_of(public_id)
        connections.close_all()  # Nobody waits for a connection while we wait for a provider.
        url, flow = oidc.start(client)
    except federation.NoSuchProvider as error:
        raise Http404 from error
    except AppError as error:
        return door(request, error.status, problem=str(error.detail), problem_code=error.code)
    kept = {**asdict(flow), "provider": str(provider.public_id), "next": wanted_page(request), "until": int(time.time()) + LIFE}
    response = HttpResponseRedirect(url)
    response.set_cookie(
        _cookie(),
        seal(json.dumps(kept), about=_about()),
        max_age=LIFE,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


@never_cache
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """From the provider."""
    try:
        kept = json.loads(unseal(request.COOKIES.get(_cookie(), ""), about=_about()))
    except (CannotUnseal, ValueError):
        return redirect_to_login("/")
    try:
        response = _arrive(request, kept)
    except AppError as error:
        response = door(request, error.status, problem=str(error.detail), problem_code=error.code)
    response.delete_cookie(_cookie(), samesite="Lax")
    return response


def _arrive(request: HttpRequest, kept: dict[str, str]) -> HttpResponse:
    if int(kept["until"]) < time.time() or not constant_time_compare(request.GET.get("state", ""), kept["state"]):
        raise oidc.ProviderRefused
    provider, client = federation.client_of(uuid.UUID(kept["provider"]))
    code = request.GET.get("code", "")
    if not code or request.GET.get("error") or request.GET.get("iss", client.issuer) != client.issuer:
        raise oidc.ProviderRefused
    connections.close_all()
    claims = oidc.finish(client, oidc.Flow(kept["state"], kept["nonce"], kept["verifier"]), code)
    enter(request, federation.person_for(provider, claims), method="oidc")
    return HttpResponseRedirect(kept["next"])
