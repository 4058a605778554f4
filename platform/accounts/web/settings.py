"""One's own settings: name, language, appearance."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_http_methods

from accounts import services
from accounts.web.doors import LANGUAGES, person, set_cookie

THEMES = ("", "light", "dark")


@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Name, language and appearance of the person who asks."""
    user = person(request)
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
        set_cookie(response, settings.LANGUAGE_COOKIE_NAME, user.language)
        theme = request.POST.get("theme", "")
        if theme in THEMES:
            set_cookie(response, "theme", theme)
        return response
    page = {"section": "settings", "languages": settings.LANGUAGES, "theme": request.COOKIES.get("theme", "")}
    return render(request, "accounts/settings.html", page)
