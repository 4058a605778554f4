"""A person's own use of models, as a page beside their settings."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.models import User
from gateway import usage


@login_required
@require_GET
def own_usage(request: HttpRequest) -> HttpResponse:
    page = {"section": "settings", "usage": usage.chart_context(cast("User", request.user))}
    return render(request, "gateway/usage.html", page)
