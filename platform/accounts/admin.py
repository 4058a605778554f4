"""People in the consoles. A password's hash is never shown; who leaves is switched off, not deleted."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.password_validation import validate_password
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.console import Block, ConsoleAdmin, ConsoleForm, badge, operator_site, tenant_site
from accounts.models import User

ROLES = [choice for choice in User.Role.choices if choice[0] != User.Role.OPERATOR]


class PersonForm(ConsoleForm):
    role = forms.ChoiceField(label=_("role"), choices=ROLES)

    class Meta:
        model = User
        fields = ["email", "first_name", "last_name", "role", "language", "is_active"]

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()


class NewPersonForm(PersonForm):
    password = forms.CharField(
        label=_("password"), widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), validators=[validate_password]
    )


@admin.register(User, site=tenant_site)
class PersonAdmin(ConsoleAdmin):
    form = PersonForm
    list_display = ["name", "state", "email", "role", "language", "last_login"]
    list_filter = ["role", "is_active"]
    search_fields = ["email", "first_name", "last_name"]
    readonly_fields = ["last_login", "created_at"]
    fields = ["email", "first_name", "last_name", "role", "language", "is_active", "last_login", "created_at"]
    actions = None

    @admin.display(description=_("name"), ordering="last_name")
    def name(self, person: User) -> str:
        return str(person)

    @admin.display(description=_("state"), ordering="is_active")
    def state(self, person: User) -> SafeString:
        return badge("active", _("active")) if person.is_active else badge("inactive", _("switched off"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({} if change else {"form": NewPersonForm}), **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ["email", "first_name", "last_name", "role", "language", "password"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Nobody edits their own role.
        own = ["role", "is_active"] if obj and obj.pk == request.user.pk else []
        return [*self.readonly_fields, *own] if obj else []

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.set_password(form.cleaned_data["password"])
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User, site=operator_site)
class OperatorAdmin(PersonAdmin):
    """Operators: looked at here, made by command."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@tenant_site.board
def people(request: HttpRequest) -> Block:
    """How many people have each role."""
    counts = dict(User.objects.filter(is_active=True).order_by().values_list("role").annotate(Count("pk")))
    url = reverse("admin:accounts_user_changelist") + "?role__exact="
    rows = [{"name": label.capitalize(), "cells": [counts[role]], "url": url + role} for role, label in ROLES if counts.get(role)]
    return {"name": _("Active people"), "heads": [_("Role"), _("People")], "rows": rows}
