"""The registry in the operator's console. Tenants are made by command, which alone holds the right to."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.console import Block, ConsoleAdmin, NamedInlines, badge, operator_site, tone
from tenants.models import Domain, Tenant


class DomainInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Domain
    formset = NamedInlines
    fields = ["domain", "is_primary"]
    extra = 0


@admin.register(Tenant, site=operator_site)
class TenantAdmin(ConsoleAdmin):
    list_display = ["name", "state", "hosts", "language", "created_at"]
    list_filter = ["status"]
    search_fields = ["name"]
    fields = ["name", "status", "language", "colour", "colour_ink", "cors_origins", "schema_name", "created_at"]
    readonly_fields = ["schema_name", "created_at"]
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

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
