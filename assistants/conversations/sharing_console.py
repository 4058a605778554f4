"""Whether conversations may be shared with anyone, in a tenant's console."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest

from accounts.console import ConsoleAdmin, tenant_site
from accounts.models import User
from assistants.conversations import sharing
from assistants.conversations.models import SharingPolicy


@admin.register(SharingPolicy, site=tenant_site)
class SharingPolicyAdmin(ConsoleAdmin):
    list_display = ["__str__", "public_links"]
    fields = ["public_links"]
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: SharingPolicy, form: Any, change: bool) -> None:
        sharing.set_public_links(actor=cast("User", request.user), allowed=obj.public_links)
