"""Assistants in the tenant's console, and whom each is kept for."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import grants
from accounts.console import ConsoleAdmin, ConsoleForm, tenant_site
from accounts.models import User
from assistants.profiles import services
from assistants.profiles.models import Assistant


class AssistantForm(ConsoleForm):
    kept_for = forms.MultipleChoiceField(
        label=_("kept for"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Nobody chosen: everybody here may use it."),
    )

    class Meta:
        model = Assistant
        fields = ["name", "description", "instructions", "model", "starters", "position", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = {principal.text: principal for principal in grants.directory()}
        field = cast("forms.MultipleChoiceField", self.fields["kept_for"])
        if self.instance.pk:
            kept = services.kept_for(self.instance)
            self.known |= {principal.text: principal for principal in kept}
            field.initial = [principal.text for principal in kept]
        field.choices = [(text, principal.label) for text, principal in self.known.items()]


@admin.register(Assistant, site=tenant_site)
class AssistantAdmin(ConsoleAdmin):
    form = AssistantForm
    list_display = ["name", "is_active", "model", "kept", "position"]
    search_fields = ["name"]
    fields = ["name", "description", "instructions", "model", "starters", "position", "is_active", "kept_for"]
    actions = None

    @admin.display(description=_("kept for some"), boolean=True)
    def kept(self, assistant: Assistant) -> bool:
        return bool(assistant.readers)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Others' conversations name it, and nobody here may see or change those: switch it off instead."""
        return False

    def save_model(self, request: HttpRequest, obj: Assistant, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        chosen = [form.known[text] for text in form.cleaned_data["kept_for"]]
        services.set_kept_for(actor=cast("User", request.user), assistant=obj, principals=chosen)
