"""The gateway in the consoles: models that are kept for some; providers stand in a module of their own."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import grants
from accounts.console import ConsoleAdmin, ConsoleForm, tenant_site
from accounts.models import User
from gateway import access, budgets_console, catalogue, providers_console, rules_console
from gateway.models import ModelGrant

__all__ = ["budgets_console", "providers_console", "rules_console"]  # Importing them registers their pages.


class ModelGrantForm(ConsoleForm):
    model = forms.ChoiceField(label=_("model"), help_text=_("Without a grant, a model is everybody's."))
    principal = forms.ChoiceField(label=_("kept for"))

    class Meta:
        model = ModelGrant
        fields = ["model", "principal"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = {principal.text: principal for principal in grants.directory()}
        models, principals = (cast("forms.ChoiceField", self.fields[name]) for name in ("model", "principal"))
        models.choices = [(model.id, model.name) for model in catalogue.available()]
        principals.choices = [(text, principal.label) for text, principal in self.known.items()]


@admin.register(ModelGrant, site=tenant_site)
class ModelGrantAdmin(ConsoleAdmin):
    form = ModelGrantForm
    list_display = ["model", "kept_for", "created_at"]
    list_filter = ["model"]
    search_fields = ["model"]
    fields = ["model", "principal"]
    actions = None

    @admin.display(description=_("kept for"), ordering="principal")
    def kept_for(self, grant: ModelGrant) -> str:
        found = grants.named([grant.principal]).get(grant.principal)
        return found.label if found else "—"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> ModelGrant:
        given = form.cleaned_data
        actor, principal = cast("User", request.user), form.known[given["principal"]]
        return access.keep_model_for(actor=actor, model=given["model"], principal=principal)

    def save_model(self, request: HttpRequest, obj: ModelGrant, form: Any, change: bool) -> None:
        """`save_form` has written it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """As above."""

    def delete_model(self, request: HttpRequest, obj: ModelGrant) -> None:
        access.give_model_back(actor=cast("User", request.user), grant=obj.public_id)
