"""Pages of the second factor: its step at sign-in, setting it up, switching it off."""

from __future__ import annotations

import time
from typing import Any, cast

import segno
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import second_factor, throttle
from accounts.models import User
from accounts.web.doors import PENDING, enter, person
from core.errors import AppError
from isolation import context


def _pending(request: HttpRequest) -> tuple[User | None, str]:
    """Who has given the right password in this browser lately, and where they wanted to go."""
    kept = request.session.get(PENDING)
    if not kept or kept["until"] < time.time():
        return None, "/"
    with context.use(context.auth(context.current().schema)):
        user = User.objects.filter(pk=kept["user"], is_active=True).first()
    return (user if user and user.get_session_auth_hash() == kept["hash"] else None), str(kept["next"])


def drawn(uri: str) -> str:
    """The QR code as SVG for the page: attributes only, no style."""
    svg = segno.make(uri, error="m", micro=False).svg_inline(scale=4, border=3, light="#fff", svgclass="qr", lineclass=None)
    return mark_safe(svg)  # noqa: S308 (made here, of squares)


def enrolment(user: User, sealed: str = "") -> dict[str, Any]:
    """What the page shows to be scanned; the same secret again after a wrong code."""
    if sealed:
        try:
            secret = second_factor.secret_of(user, sealed)
            return {"qr": drawn(second_factor.uri(user, secret)), "secret": secret, "sealed": sealed}
        except second_factor.EnrolmentOver:
            pass
    uri, sealed = second_factor.begin(user)
    return {"qr": drawn(uri), "secret": second_factor.secret_of(user, sealed), "sealed": sealed}


def _refused(error: AppError) -> dict[str, Any]:
    return {"problem": str(error.detail), "problem_code": error.code, "wait": error.extra.get("retry_after")}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """The code, after the password."""
    user, wanted = _pending(request)
    if user is None:
        return redirect("login")
    if request.method != "POST":
        return render(request, "accounts/code.html", {})
    try:
        with throttle.attempt(request, user.email, code=True):
            second_factor.verify(user=user, code=request.POST.get("code", "")[:40])
    except AppError as error:
        return render(request, "accounts/code.html", _refused(error), status=error.status)
    enter(request, user, method="password and code")
    return redirect(wanted)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def enrol(request: HttpRequest) -> HttpResponse:
    """Setting it up before the first page, where the organisation asks for it."""
    user, wanted = _pending(request)
    if user is None or second_factor.of(user) is not None:
        return redirect("login")
    if request.method != "POST":
        return render(request, "accounts/enrol.html", enrolment(user))
    sealed = request.POST.get("sealed", "")
    try:
        with throttle.attempt(request, user.email, code=True):
            codes = second_factor.enable(user=user, sealed=sealed, code=request.POST.get("code", "")[:40])
    except AppError as error:
        return render(request, "accounts/enrol.html", {**enrolment(user, sealed), **_refused(error)}, status=error.status)
    enter(request, user, method="password and code")
    return render(request, "accounts/recovery.html", {"codes": codes, "next": wanted})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def manage(request: HttpRequest) -> HttpResponse:
    """One's own, from the settings."""
    return managed(request, "accounts/second_factor.html", back="/settings/#securite")


def managed(request: HttpRequest, page: str, *, back: str, **shown: Any) -> HttpResponse:
    """The page that sets a person's own up or switches it off; `back` is where they came from."""
    user = person(request)
    if request.method == "POST":
        try:
            with throttle.attempt(request, user.email, code=True):
                return _act(request, user, back)
        except AppError as error:
            again = {**shown, **_state(user, request.POST.get("sealed", "")), **_refused(error)}
            return render(request, page, again, status=error.status)
    return render(request, page, {**shown, **_state(user)})


def _state(user: User, sealed: str = "") -> dict[str, Any]:
    found = second_factor.of(user)
    shown = {"section": "settings", "factor": found}
    return {**shown, "left": second_factor.codes_left(user)} if found else {**shown, **enrolment(user, sealed)}


def _act(request: HttpRequest, user: User, back: str) -> HttpResponse:
    asked, given = request.POST.get("act"), request.POST.get("code", "")[:40]
    if asked == "disable":
        second_factor.disable(user=user, code=given)
        messages.success(request, _("The second factor is off."))
        return redirect(back)
    if asked == "renew":
        codes = second_factor.renew_codes(user=user, code=given)
    else:
        # Nobody with a stolen session locks the owner out.
        second_factor.require_password(user=user, password=request.POST.get("password", ""))
        codes = second_factor.enable(user=user, sealed=request.POST.get("sealed", ""), code=given)
    return render(request, "accounts/recovery.html", {"codes": codes, "next": back})


def state_of(user: object) -> dict[str, Any]:
    """For the settings' first page."""
    found = second_factor.of(cast("User", user))
    return {"factor": found, "factor_left": second_factor.codes_left(cast("User", user)) if found else 0}
