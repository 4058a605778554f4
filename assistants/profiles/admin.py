"""Assistants in the tenant's console."""

from __future__ import annotations

from django.contrib import admin

from accounts.console import ConsoleAdmin, tenant_site
from assistants.profiles.models import Assistant


@admin.register(Assistant, site=tenant_site)
class AssistantAdmin(ConsoleAdmin):
    list_display = ["name", "is_active", "model", "position"]
    search_fields = ["name"]
    fields = ["name", "description", "instructions", "model", "starters", "position", "is_active"]
    actions = None
