"""Reading others' private conversations in the tenant's console: person, reason, list, conversation; nothing to change."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _

from accounts.console import ReadOnlyAdmin, tenant_site
from accounts.models import User
from assistants.conversations import ratings_console, reading, retention_console, sharing_console
from audit.models import Reading
from core.errors import AppError, NotFound

__all__ = ["ReadingAdmin", "ratings_console", "retention_console", "sharing_console"]  # Django looks for consoles here.

PAGE = 50
LIST = "admin:audit_reading_changelist"


@admin.register(Reading, site=tenant_site)
class ReadingAdmin(ReadOnlyAdmin):
    list_display = ["opened_at", "reader_name", "reason", "expires_at"]
    search_fields = ["reader_name", "reason"]
    fields = ["opened_at", "reader_name", "reason", "expires_at"]

    def get_urls(self) -> list[Any]:
        pages: list[tuple[str, Any, str]] = [
            ("people/", self.people, "reading-people"),
            ("people/<uuid:person>/", self.reason, "reading-reason"),
            ("<uuid:leave>/conversations/", self.conversations, "reading-conversations"),
            ("<uuid:leave>/conversations/<uuid:conversation>/", self.conversation, "reading-conversation"),
        ]
        own = [path(route, self.admin_site.admin_view(view), name=name) for route, view, name in pages]
        return [*own, *super().get_urls()]

    def _page(self, request: HttpRequest, template: str, title: str, **more: Any) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.model._meta, **more}
        return render(request, f"audit/{template}.html", context)

    def _refused(self, request: HttpRequest, error: AppError) -> HttpResponse:
        if isinstance(error, NotFound):
            raise Http404
        messages.error(request, str(error.detail))
        return redirect(LIST)

    def people(self, request: HttpRequest) -> HttpResponse:
        query = request.GET.get("q", "")[:200]
        try:
            found = reading.people(cast("User", request.user), query)
        except AppError as error:
            return self._refused(request, error)
        page = Paginator(found, PAGE).get_page(request.GET.get("page"))
        return self._page(request, "reading_people", _("Whose conversations?"), page=page, query=query)

    def reason(self, request: HttpRequest, person: uuid.UUID) -> HttpResponse:
        reader, problem = cast("User", request.user), ""
        given = request.POST.get("reason", "")[:500]
        try:
            subject = reading.find_person(reader, person)
            if request.method == "POST":
                leave = reading.take_leave(reader=reader, person=person, reason=given)
                return redirect("admin:reading-conversations", leave.public_id)
        except AppError as error:
            if error.code != "reason_missing":
                return self._refused(request, error)
            problem = str(error.detail)
        return self._page(
            request, "reading_reason", _("Reason"), subject=subject, original=subject.name, problem=problem, given=given
        )

    def conversations(self, request: HttpRequest, leave: uuid.UUID) -> HttpResponse:
        try:
            found = reading.open_leave(reader=cast("User", request.user), reading=leave)
        except AppError as error:
            return self._refused(request, error)
        page = Paginator(reading.conversations(found), PAGE).get_page(request.GET.get("page"))
        return self._page(request, "reading_conversations", _("Conversations"), leave=found, original=found.reason, page=page)

    def conversation(self, request: HttpRequest, leave: uuid.UUID, conversation: uuid.UUID) -> HttpResponse:
        try:
            found = reading.open_leave(reader=cast("User", request.user), reading=leave)
            opened = reading.open_conversation(leave=found, conversation=conversation)
        except AppError as error:
            return self._refused(request, error)
        page = Paginator(reading.messages(opened), PAGE).get_page(request.GET.get("page"))
        return self._page(
            request, "reading_conversation", str(opened), leave=found, conversation=opened, original=opened, page=page
        )
