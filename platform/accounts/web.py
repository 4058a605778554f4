"""Pages of sign-in and of one's own settings."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import services
from accounts.models import User
from audit.models import Reading
from isolation import context

THEMES = ("", "light", "dark")
YEAR = 365 * 24 * 3600  # seconds
LANGUAGES = tuple(code for code, _name in settings.LANGUAGES)


def _next(request: HttpRequest) -> str:
    """Where the person wanted to go, on this host only."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    inside = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) and wanted.startswith("/")
    return wanted if inside else settings.LOGIN_REDIRECT_URL


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(_next(request))
    page = {"next": _next(request), "email": "", "failed": False}
    if request.method == "POST":
        email = request.POST.get("email", "")[:254]
        user = auth.authenticate(request, username=email, password=request.POST.get("password", "")[:1024])
        if user is not None:
            # Sign-in writes the person's row, which only sign-in's own context may.
            with context.use(context.auth(context.current().schema)):
                auth.login(request, user)
            return redirect(_next(request))
        page |= {"email": email, "failed": True}
    return render(request, "accounts/login.html", page, status=401 if page["failed"] else 200)


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    response = redirect("login")
    response.headers["Clear-Site-Data"] = '"cache","cookies","storage"'
    return response


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """The language of pages in this browser, before anybody has signed in."""
    response = redirect(_next(request))
    if request.POST.get("language") in LANGUAGES:
        _set_cookie(response, settings.LANGUAGE_COOKIE_NAME, request.POST["language"])
    return response


def _set_cookie(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Name, language and appearance of the person who asks."""
    user = cast("User", request.user)
    if request.method == "POST":
        chosen = request.POST.get("language", "")
        services.change_profile(
            user=user,
            first_name=request.POST.get("first_name", ""),
            last_name=request.POST.get("last_name", ""),
            language=chosen if chosen in LANGUAGES else user.language,
        )
        with override(user.language):
            messages.success(request, _("Saved"))
        response = redirect("settings")
        _set_cookie(response, settings.LANGUAGE_COOKIE_NAME, user.language)
        theme = request.POST.get("theme", "")
        if theme in THEMES:
            _set_cookie(response, "theme", theme)
        return response
    page: dict[str, Any] = {"section": "settings", "languages": settings.LANGUAGES, "theme": request.COOKIES.get("theme", "")}
    page["readings"] = Reading.objects.filter(subject=user.pk)[:50]
    return render(request, "accounts/settings.html", page)
