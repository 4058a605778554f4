"""How long conversations stay, in the tenant's console."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.console import ConsoleAdmin, tenant_site
from accounts.models import User
from assistants.conversations import retention
from assistants.conversations.models import RetentionPolicy


@admin.register(RetentionPolicy, site=tenant_site)
class RetentionPolicyAdmin(ConsoleAdmin):
    list_display = ["__str__", "what_happens", "changed_at"]
    fields = ["what_happens", "conversations_days", "bin_days", "changed_at"]
    readonly_fields = ["what_happens", "changed_at"]
    actions = None

    @admin.display(description=_("what happens"))
    def what_happens(self, policy: RetentionPolicy) -> str:
        days = policy.conversations_days
        kept = (
            ngettext(
                "A conversation without a question for %(days)d day is removed for good, with its answers.",
                "A conversation without a question for %(days)d days is removed for good, with its answers.",
                days,
            )
            % {"days": days}
            if days
            else str(_("Conversations stay until their owner deletes them."))
        )
        binned = ngettext(
            "A deleted one can be restored for %(days)d day.",
            "A deleted one can be restored for %(days)d days.",
            policy.bin_days,
        ) % {"days": policy.bin_days}
        return f"{kept} {binned}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: RetentionPolicy, form: Any, change: bool) -> None:
        retention.set_policy(actor=cast("User", request.user), conversations_days=obj.conversations_days, bin_days=obj.bin_days)
