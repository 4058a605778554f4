"""The audit log in both consoles: read, filtered, never changed. (Here, because `audit` knows no console.)"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.console import ConsoleAdmin, ReadOnlyAdmin, operator_site, tenant_site
from audit import services
from audit.models import AuditEvent, ReadingPolicy


@admin.register(AuditEvent, site=operator_site)
@admin.register(AuditEvent, site=tenant_site)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["seq", "at", "action", "who", "target", "address", "shown"]
    list_filter = ["action"]
    search_fields = ["action", "actor_name", "target"]
    fields = ["seq", "at", "action", "who", "address", "target", "shown", "hash"]

    @admin.display(description=_("who"), ordering="actor_name")
    def who(self, event: AuditEvent) -> str:
        return event.actor_name or (str(event.actor) if event.actor else "—")

    @admin.display(description=_("details"))
    def shown(self, event: AuditEvent) -> SafeString | str:
        return format_html_join(" · ", "{}: {}", event.facts.items()) or "—"


@admin.register(ReadingPolicy, site=tenant_site)
class ReadingPolicyAdmin(ConsoleAdmin):
    list_display = ["__str__", "private_reading", "changed"]
    fields = ["private_reading", "changed"]
    readonly_fields = ["changed"]
    actions = None

    @admin.display(description=_("last changed"), ordering="changed_at")
    def changed(self, policy: ReadingPolicy) -> datetime:
        return policy.changed_at

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ReadingPolicy, form: Any, change: bool) -> None:
        services.set_private_reading(allowed=obj.private_reading)
