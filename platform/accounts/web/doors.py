"""Pages of signing in and out."""

from __future__ import annotations

import time
from typing import Any, cast

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import federation, second_factor, services, throttle
from accounts.models import User
from accounts.throttle import Throttled
from isolation import context

YEAR = 365 * 24 * 3600  # seconds
LANGUAGES = tuple(code for code, _name in settings.LANGUAGES)
PENDING = "pending"  # in the session of somebody whose password was right
PATIENCE = 600  # seconds between password and code
BACKEND = settings.AUTHENTICATION_BACKENDS[0]


def wanted_page(request: HttpRequest) -> str:
    """Where the person wanted to go, on this host only."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    inside = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) and wanted.startswith("/")
    return wanted if inside else settings.LOGIN_REDIRECT_URL


def enter(request: HttpRequest, user: User, *, method: str = "password") -> None:
    """Sign the person in with this browser's session."""
    request.sign_in_method = method  # type: ignore[attr-defined]
    # Sign-in writes the person's row, which only sign-in's own context may.
    with context.use(context.auth(context.current().schema)):
        auth.login(request, user, backend=BACKEND)


def hold(request: HttpRequest, user: User, wanted: str) -> HttpResponse:
    """Remember whose password was right, and ask for the code (or for setting one up)."""
    request.session.flush()
    kept = {"user": user.pk, "hash": user.get_session_auth_hash(), "until": int(time.time()) + PATIENCE, "next": wanted}
    request.session[PENDING] = kept
    return redirect("login-code" if second_factor.of(user) else "login-enrol")


def door(request: HttpRequest, status: int = 200, **page: Any) -> HttpResponse:
    """The sign-in page, with what went wrong."""
    shown = {"next": wanted_page(request), "email": "", "providers": federation.enabled(), **page}
    response = render(request, "accounts/login.html", shown, status=status)
    if wait := page.get("wait"):
        response.headers["Retry-After"] = str(wait)
    return response


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(wanted_page(request))
    if request.method != "POST":
        return door(request)
    email = request.POST.get("email", "")[:254]
    try:
        with throttle.attempt(request, email), context.use(context.auth(context.current().schema)):
            user = services.authenticate(email=email, password=request.POST.get("password", ""))
    except services.WrongCredentials:
        usage = throttle.tries_left(request, email)
        return door(request, 401, email=email, failed=True, left=usage.left, pause=usage.wait)
    except Throttled as error:
        return door(request, error.status, email=email, wait=error.extra["retry_after"])
    if second_factor.of(user) or second_factor.is_required():
        return hold(request, user, wanted_page(request))
    enter(request, user)
    return redirect(wanted_page(request))


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    response = redirect("login")
    response.headers["Clear-Site-Data"] = '"cache","cookies","storage"'
    return response


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """The language of pages in this browser, before anybody has signed in."""
    response = redirect(wanted_page(request))
    if request.POST.get("language") in LANGUAGES:
        set_cookie(response, settings.LANGUAGE_COOKIE_NAME, request.POST["language"])
    return response


def set_cookie(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)


def person(request: HttpRequest) -> User:
    return cast("User", request.user)
