"""The registry in the operator's console: organisations made, closed and removed, with what is going on shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.console import Block, ConsoleAdmin, NamedInlines, badge, operator_site, tone
from accounts.models import User
from core.errors import AppError
from tenants import jobs_console, provisioning, services, sites, walls_console
from tenants.models import Domain, Tenant, TenantJob

__all__ = ["jobs_console", "walls_console"]  # Importing them registers their pages.

STATUS = Tenant.Status


class DomainInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Domain
    formset = NamedInlines
    fields = ["domain", "is_primary"]
    extra = 0


def _changed(part: Any) -> list[str]:
    """The names of what a form, or the forms of a set, has changed."""
    return [name for form in getattr(part, "forms", [part]) for name in form.changed_data]


@admin.register(Tenant, site=operator_site)
class TenantAdmin(ConsoleAdmin):
    change_form_template = "tenants/organisation.html"
    list_display = ["name", "state", "hosts", "language", "created_at"]
    list_filter = ["status"]
    search_fields = ["name"]
    fields = ["name", "state", "language", "colour", "colour_ink", "cors_origins", "schema_name", "created_at", "purge_after"]
    readonly_fields = ["state", "schema_name", "created_at", "purge_after"]
    inlines = [DomainInline]
    actions = None

    @admin.display(description=_("state"), ordering="status")
    def state(self, tenant: Tenant) -> SafeString:
        return badge(tenant.status, tenant.get_status_display())

    @admin.display(description=_("hosts"))
    def hosts(self, tenant: Any) -> str:
        return ", ".join(domain.domain for domain in tenant.domains.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("domains")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # Django's deletion knows neither grace nor schemas: the pages below do it.

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return redirect("admin:tenants_tenantjob_add")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        tenant, changed = form.instance, [name for part in (form, *formsets) for name in _changed(part)]
        # After the commit: no process may read the old host again, and the two logs stand in two schemas.
        transaction.on_commit(sites.forget)
        if changed:
            told = {"fields": ", ".join(sorted(set(changed)))}
            transaction.on_commit(lambda: services.record(tenant, "tenant.changed", details=told))

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/delete/", wrap(self.delete_page), name="tenants_tenant_delete"),
            path("<int:pk>/purge/", wrap(self.purge), name="tenants_tenant_purge"),
            *(
                path(f"<int:pk>/{name}/", wrap(self._mover(act, told)), name=f"tenants_tenant_{name}")
                for name, act, told in (
                    ("suspend", services.suspend, _("The site is closed.")),
                    ("resume", services.resume, _("The site is open again.")),
                    ("restore", services.restore, _("The organisation is back, as it was.")),
                )
            ),
        ]
        return [*own, *super().get_urls()]

    def _found(self, request: HttpRequest, pk: int, *, post: bool) -> Tenant:
        if not self.has_change_permission(request) or (post and request.method != "POST"):
            raise PermissionDenied
        tenant = Tenant.objects.filter(pk=pk).first()
        if tenant is None:
            raise Http404
        return tenant

    def _back(self, tenant: Tenant) -> HttpResponse:
        return redirect("admin:tenants_tenant_change", tenant.pk)

    def _mover(self, act: Callable[[Tenant], None], told: Any) -> Callable[..., HttpResponse]:
        def move(request: HttpRequest, pk: int) -> HttpResponse:
            tenant = self._found(request, pk, post=True)
            try:
                act(tenant)
            except AppError as error:
                self.message_user(request, str(error.detail), messages.ERROR)
            else:
                self.message_user(request, str(told), messages.SUCCESS)
            return self._back(tenant)

        return move

    def delete_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The second step: the name is typed, and what will happen stands beside the field."""
        tenant = self._found(request, pk, post=False)
        wrong = ""
        if request.method == "POST":
            try:
                services.delete(tenant, typed=request.POST.get("typed", "")[:200])
            except AppError as error:
                wrong = str(error.detail)
            else:
                self.message_user(request, str(_("The site is closed. It can be restored until its day.")), messages.SUCCESS)
                return self._back(tenant)
        page = {
            **self.admin_site.each_context(request),
            "title": _("Delete %(name)s?") % {"name": tenant.name},
            "opts": self.opts,
            "object": tenant,
            "organisation": tenant,
            "days": services.GRACE.days,
            "wrong": wrong,
        }
        return TemplateResponse(request, "tenants/delete.html", page, status=400 if wrong else 200)

    def purge(self, request: HttpRequest, pk: int) -> HttpResponse:
        tenant, operator = self._found(request, pk, post=True), cast("User", request.user)
        try:
            job = provisioning.ask_to_purge(tenant, asked_by=operator.pk, asked_by_name=operator.email)
        except AppError as error:
            self.message_user(request, str(error.detail), messages.ERROR)
            return self._back(tenant)
        return redirect("admin:tenants_tenantjob_change", job.pk)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        tenant = kwargs.get("obj")
        if tenant:
            context["organisation"] = tenant
            context["site_url_of"] = jobs_console.address(request, tenant)
            context["open_job"] = TenantJob.objects.open().filter(tenant=tenant).first()
        return super().render_change_form(request, context, *args, **kwargs)


@operator_site.board
def tenants(request: HttpRequest) -> Block:
    """Who lives here, and where."""
    rows = [
        {
            "name": tenant.name,
            "sub": ", ".join(domain.domain for domain in tenant.domains.all()),
            "cells": [],
            "state": tenant.get_status_display(),
            "tone": tone(tenant.status)[0],
            "icon": tone(tenant.status)[1],
            "url": reverse("admin:tenants_tenant_change", args=[tenant.pk]),
        }
        for tenant in Tenant.objects.prefetch_related("domains").order_by("name")
    ]
    return {"name": _("Organisations"), "heads": [_("Name"), _("State")], "rows": rows}
