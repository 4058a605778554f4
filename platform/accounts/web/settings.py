"""One's own settings: name, language, appearance, password, sign-ins, keys."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import agents, keys, passwords, services, sign_ins, throttle
from accounts.models import ApiKey, SignIn
from accounts.permissions import Right, allows
from accounts.web.doors import LANGUAGES, person, set_cookie
from accounts.web.second_factor import state_of
from audit.models import Reading
from core.errors import AppError
from isolation import context

THEMES = ("", "light", "dark")
SHOWN = 50  # sign-ins and keys on the page
RIGHTS: dict[Right, str | Promise] = {
    Right.ASK: gettext_lazy("Ask"),
    Right.READ: gettext_lazy("Read documents"),
    Right.UPLOAD: gettext_lazy("Add documents"),
    Right.SEE_PEOPLE: gettext_lazy("See people"),
    Right.MANAGE_PEOPLE: gettext_lazy("Manage people"),
    Right.MANAGE_GROUPS: gettext_lazy("Manage groups"),
    Right.MANAGE_ASSISTANTS: gettext_lazy("Manage assistants"),
    Right.SEE_INVENTORY: gettext_lazy("See the inventory"),
    Right.SEE_AUDIT: gettext_lazy("Read the audit log"),
    Right.SEE_USAGE: gettext_lazy("See usage"),
    Right.SEE_FEEDBACK: gettext_lazy("See how answers are rated"),
}


def _named(scope: str) -> str:
    return str(RIGHTS.get(Right(scope), scope)) if scope in list(Right) else scope


def _keys(request: HttpRequest) -> list[dict[str, Any]]:
    rows = ApiKey.objects.visible_to(person(request))[:SHOWN]
    return [{"key": key, "rights": ", ".join(_named(scope) for scope in key.scopes)} for key in rows]


def _sign_ins(request: HttpRequest) -> list[dict[str, Any]]:
    rows = SignIn.objects.open_of(person(request)).order_by("-last_used_at")[:SHOWN]
    here = request.identity.sign_in  # type: ignore[attr-defined]
    return [
        {"row": row, "name": agents.name(row.agent), "mobile": agents.is_mobile(row.agent), "here": row.public_id == here}
        for row in rows
    ]


def page(request: HttpRequest, status: int = 200, **more: Any) -> HttpResponse:
    """The whole page; `more` is what one section has to say."""
    user = person(request)
    may_keys = allows(user, Right.KEYS)
    shown = {
        "section": "settings",
        "languages": settings.LANGUAGES,
        "theme": request.COOKIES.get("theme", ""),
        "sign_ins": _sign_ins(request),
        **state_of(user),
        "may_keys": may_keys,
        "keys": _keys(request) if may_keys else [],
        "readings": Reading.objects.filter(subject=user.pk)[:SHOWN],
        "scopes": [(right.value, _named(right.value)) for right in keys.scopes_of(user)] if may_keys else [],
        **more,
    }
    return render(request, "accounts/settings.html", shown, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Name, language and appearance of the person who asks."""
    user = person(request)
    if request.method != "POST":
        return page(request)
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
    set_cookie(response, settings.LANGUAGE_COOKIE_NAME, user.language)
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        set_cookie(response, "theme", theme)
    return response


@sensitive_post_parameters("old", "new")
@require_POST
def password(request: HttpRequest) -> HttpResponse:
    user, here = person(request), request.identity.sign_in  # type: ignore[attr-defined]
    try:
        with throttle.attempt(request, user.email):
            changed = passwords.change(user=user, old=request.POST.get("old", ""), new=request.POST.get("new", ""), keep=here)
    except AppError as error:
        reasons = error.extra.get("reasons") or [str(error.detail)]
        return page(request, error.status, password_problem=" ".join(reasons), password_code=error.code)
    with context.use(context.auth(context.current().schema)):
        update_session_auth_hash(request, changed)
    messages.success(request, _("Your password is changed. Your other sign-ins have ended."))
    return redirect("settings")


@require_POST
def end_sign_ins(request: HttpRequest) -> HttpResponse:
    """One of them (`id`), or all others."""
    user, here = person(request), request.identity.sign_in  # type: ignore[attr-defined]
    try:
        if given := request.POST.get("id"):
            sign_ins.end_one(user=user, identifier=uuid.UUID(given))
        else:
            sign_ins.end_others(user=user, keep=here)
    except (ValueError, sign_ins.NoSuchSignIn):
        messages.info(request, _("This sign-in has ended already."))
    return redirect("/settings/#securite")


@require_POST
def create_key(request: HttpRequest) -> HttpResponse:
    """The answer is the only page that ever shows the key."""
    days = request.POST.get("days", "")
    ends = timezone.now() + timedelta(days=int(days)) if days.isdecimal() and len(days) < 5 else None
    name = request.POST.get("name", "").strip()
    try:
        made, key = keys.create(owner=person(request), name=name or "—", scopes=request.POST.getlist("scopes"), expires_at=ends)
    except AppError as error:
        return page(request, error.status, key_problem=error.detail, key_code=error.code, key_name=name)
    return page(request, 201, made=made, made_key=key)


@require_POST
def revoke_key(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    try:
        keys.revoke(owner=person(request), identifier=public_id)
    except keys.NoSuchKey as error:
        if not ApiKey.objects.filter(owner=person(request), public_id=public_id).exists():
            raise Http404 from error
        messages.info(request, _("This key was revoked already."))
    return redirect("/settings/#cles")
