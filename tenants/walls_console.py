"""Test our walls, in a tenant's console: a button, a report that grows while one looks on, and its signed copy."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.console import ReadOnlyAdmin, badge, tenant_site
from accounts.models import User
from accounts.permissions import Right, allows
from audit import walls
from audit.models import WallReport

Group = dict[str, Any]


def _here(texts: dict[str, str]) -> str:
    """The text in the reader's language."""
    return texts.get(get_language() or "en") or texts.get("en", "")


def _allowed(request: HttpRequest) -> User:
    """Who may test. Raises `PermissionDenied`."""
    person = cast("User", request.user)
    if not allows(person, Right.TEST_WALLS):
        raise PermissionDenied
    return person


def _groups(report: WallReport) -> list[Group]:
    """The findings by section, in the reader's language: one line per attempt, nothing summed up away."""
    rows = [
        {**row, "section": _here(row["section"]), "what": _here(row["what"]), "outcome": _here(row["outcome"])}
        for row in json.loads(report.findings)
    ]
    found = []
    for name, tries in groupby(rows, key=lambda row: str(row["section"])):
        group = list(tries)
        holes = sum(not row["held"] for row in group)
        found.append({"name": name, "tries": group, "holes": holes, "result": _result(len(group), holes)})
    return found


def _result(tried: int, holes: int) -> str:
    if holes:
        return ngettext("%(n)d hole", "%(n)d holes", holes) % {"n": holes}
    return ngettext("%(n)d attempt, and it held", "%(n)d attempts, and all held", tried) % {"n": tried}


@admin.register(WallReport, site=tenant_site)
class WallReportAdmin(ReadOnlyAdmin):
    change_list_template = "tenants/walls_list.html"
    list_display = ["created_at", "result", "asked_by_name", "version"]
    list_per_page = walls.KEPT

    @admin.display(description=_("result"), ordering="holes")
    def result(self, report: WallReport) -> SafeString:
        if report.state != WallReport.State.DONE:
            return badge(report.state, report.get_state_display())
        return badge("failed" if report.holes else "ready", _result(report.tried, report.holes))

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        own = [
            path("start/", wrap(self.start), name="audit_wallreport_start"),
            path("<int:pk>/report.json", wrap(self.signed), name="audit_wallreport_json"),
            path("<int:pk>/report.txt", wrap(self.text), name="audit_wallreport_text"),
        ]
        return [*own, *super().get_urls()]

    def start(self, request: HttpRequest) -> HttpResponse:
        person = _allowed(request)
        if request.method != "POST":
            raise Http404
        site: Any = request.site
        report = walls.ask(person=person.pk, person_name=person.email, organisation=site.name)
        return redirect("admin:audit_wallreport_change", report.pk)

    def _ended(self, request: HttpRequest, pk: int) -> WallReport:
        _allowed(request)
        report = WallReport.objects.filter(pk=pk, state=WallReport.State.DONE).first()
        if report is None:
            raise Http404
        return report

    def signed(self, request: HttpRequest, pk: int) -> HttpResponse:
        report = self._ended(request, pk)
        answer = JsonResponse(walls.signed(report), json_dumps_params={"ensure_ascii": False, "indent": 1})
        return _as_file(answer, report, "json")

    def text(self, request: HttpRequest, pk: int) -> HttpResponse:
        report = self._ended(request, pk)
        text = render_to_string("tenants/walls.txt", {"report": report, "groups": _groups(report)})
        return _as_file(HttpResponse(text, content_type="text/plain; charset=utf-8"), report, "txt")

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """The report; while it is made, its progress. With `?part` only what changes."""
        report = self.get_object(request, object_id)
        if report is None or not self.has_view_permission(request, report):
            raise Http404
        lost = report.is_open and report.created_at < timezone.now() - walls.GIVEN_UP
        page = {
            **self.admin_site.each_context(request),
            "title": str(report),
            "opts": self.opts,
            "object": report,
            "report": report,
            "groups": _groups(report),
            "result": _result(report.tried, report.holes),
            "step": _here(json.loads(report.step)) if report.step else "",
            "refresh": report.is_open and not lost,
            "failed": lost or report.state == WallReport.State.FAILED,
            "done": report.state == WallReport.State.DONE,
            "start_url": reverse("admin:audit_wallreport_start"),
        }
        return TemplateResponse(request, "tenants/_walls.html" if "part" in request.GET else "tenants/walls.html", page)


def _as_file(response: HttpResponse, report: WallReport, ending: str) -> HttpResponse:
    name = f"cloison-walls-{report.created_at:%Y-%m-%d}-{report.pk}.{ending}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
