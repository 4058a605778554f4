"""How answers are rated, in a tenant's console: a chart and counts. No row of it is shown, here or anywhere."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import path

from accounts.console import ReadOnlyAdmin, tenant_site
from accounts.models import User
from assistants.conversations import ratings
from assistants.conversations.models import Feedback

PERIODS = (7, 30, 90, 365)  # days


@admin.register(Feedback, site=tenant_site)
class FeedbackAdmin(ReadOnlyAdmin):
    def get_urls(self) -> list[Any]:
        """One page of counts, and none of a row."""
        return [path("", self.admin_site.admin_view(self.changelist_view), name="conversations_feedback_changelist")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = request.GET.get("days", "")
        days = int(asked) if asked in map(str, PERIODS) else ratings.DAYS
        page = {
            **self.admin_site.each_context(request),
            "title": str(self.opts.verbose_name_plural).capitalize(),
            "opts": self.opts,
            "periods": PERIODS,
            **ratings.page(cast("User", request.user), days=days),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "conversations/ratings.html", page)
