"""Pages for a new password: asked for by mail, or opened by a link."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import passwords, tasks, throttle
from accounts.throttle import Throttled
from isolation import context


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """The same answer for every address."""
    page: dict[str, object] = {"by_mail": bool(settings.EMAIL_HOST)}
    if request.method != "POST":
        return render(request, "accounts/forgotten.html", page)
    email = request.POST.get("email", "")[:254]
    try:
        throttle.count_reset(request, email)
    except Throttled as error:
        minutes = -(-error.extra["retry_after"] // 60)
        response = render(request, "accounts/forgotten.html", {**page, "email": email, "minutes": minutes}, status=error.status)
        response.headers["Retry-After"] = str(error.extra["retry_after"])
        return response
    try:
        tasks.ask_for_link(email)
    except tasks.MailUnavailable as error:
        return render(request, "accounts/forgotten.html", {**page, "email": email, "away": True}, status=error.status)
    return render(request, "accounts/forgotten.html", {**page, "sent": True, "email": email})


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def reset(request: HttpRequest, token: str) -> HttpResponse:
    """Set a new password by a link."""
    if request.method == "POST":
        try:
            passwords.reset(token=token[:200], password=request.POST.get("password", ""))
        except passwords.WeakPassword as error:
            return render(request, "accounts/reset.html", {"reasons": error.extra["reasons"]}, status=error.status)
        except passwords.BadLink:
            return render(request, "accounts/reset.html", {"bad": True}, status=400)
        messages.success(request, _("Your password is set. Sign in with it."))
        return redirect("login")
    with context.use(context.auth(context.current().schema)):
        good = passwords.whose(token[:200]) is not None
    return render(request, "accounts/reset.html", {"bad": not good}, status=200 if good else 400)
