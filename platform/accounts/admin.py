"""People in the consoles. A password's hash is never shown; who leaves is switched off, not deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.password_validation import validate_password
from django.db.models import Count, OuterRef, QuerySet, Subquery, Value
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import audit_console, passwords, people, second_factor, sign_in_console
from accounts.console import Block, ConsoleAdmin, ConsoleForm, badge, operator_site, tenant_site
from accounts.models import Group, User
from accounts.permissions import Right, allows
from core.errors import AppError

__all__ = ["audit_console", "sign_in_console"]  # Importing them registers their models.

ROLES = [choice for choice in User.Role.choices if choice[0] != User.Role.OPERATOR]


def _make_link(actor: User, person: User) -> str:
    link = passwords.link_by_admin(actor=actor, person=person)
    return gettext("Hand this link over yourself; it works once, for an hour: %(link)s") % {"link": link}


def _second_factor_off(actor: User, person: User) -> str:
    second_factor.disable_by_admin(actor=actor, person=person)
    return gettext("The second factor is off.")


BUTTONS: dict[str, Callable[[User, User], str]] = {
    "_password_link": _make_link,
    "_second_factor_off": _second_factor_off,
}


class PersonForm(ConsoleForm):
    role = forms.ChoiceField(label=_("role"), choices=ROLES)

    class Meta:
        model = User
        fields = ["email", "first_name", "last_name", "role", "language", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.actor.role != User.Role.ADMIN and "role" in self.fields:
            self.fields["role"].choices = [choice for choice in ROLES if choice[0] in people.BELOW_MANAGER]  # type: ignore[attr-defined]

    actor: User  # Who fills the form in; set by `PersonAdmin.get_form`.

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

    change_form_template = "admin/accounts/user/change_form.html"

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Beside the form: buttons that do one thing to the person."""
        asked = next((name for name in BUTTONS if name in request.POST), None)
        if object_id is None or request.method != "POST" or asked is None:
            shown = self.get_object(request, object_id) if object_id else None
            factor = bool(shown and second_factor.of(shown))
            more = {"by_mail": bool(settings.EMAIL_HOST), "second_factor": factor, **(extra_context or {})}
            return super().changeform_view(request, object_id, form_url, more)
        found = self.get_object(request, object_id)
        try:
            if found is not None:
                self.message_user(request, BUTTONS[asked](cast("User", request.user), found))
        except AppError as error:
            self.message_user(request, str(error.detail), messages.ERROR)
        return redirect(request.get_full_path())

    @admin.display(description=_("name"), ordering="last_name")
    def name(self, person: User) -> str:
        return str(person)

    @admin.display(description=_("state"), ordering="is_active")
    def state(self, person: User) -> SafeString:
        return badge("active", _("active")) if person.is_active else badge("inactive", _("switched off"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = PersonForm if change else NewPersonForm
        bound = type(form.__name__, (form,), {"actor": request.user})
        return super().get_form(request, obj, change, form=bound, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        user = cast("User", request.user)
        within = obj is None or user.role == User.Role.ADMIN or obj.role in people.BELOW_MANAGER
        return super().has_change_permission(request, obj) and within

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ["email", "first_name", "last_name", "role", "language", "password"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Nobody edits their own role. An address is an identity: it is given once.
        own = ["role", "is_active"] if obj and obj.pk == request.user.pk else []
        own.append("email")
        return [*self.readonly_fields, *own] if obj else []

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> User:
        """Through the service, here and not in `save_model`: what it refuses becomes an error of the form."""
        actor, given = cast("User", request.user), form.cleaned_data
        if change:
            names = [name for name in ("role", "is_active", "first_name", "last_name", "language") if name in given]
            return people.change_person(actor=actor, person=form.instance, **{name: given[name] for name in names})
        return people.add_person(actor=actor, **given)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """`save_form` has written it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """As above."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User, site=operator_site)
class OperatorAdmin(PersonAdmin):
    """Operators: looked at here, made by command."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class GroupForm(ConsoleForm):
    members = forms.ModelMultipleChoiceField(
        label=_("members"),
        queryset=User.objects.none(),
        required=False,
        to_field_name="public_id",
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Group
        fields = ["name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ModelMultipleChoiceField[User]", self.fields["members"])
        field.queryset = User.objects.all()
        if self.instance.pk:
            field.initial = people.members_of(self.instance)


@admin.register(Group, site=tenant_site)
class GroupAdmin(ConsoleAdmin):
    form = GroupForm
    list_display = ["name", "people", "created_at"]
    search_fields = ["name"]
    fields = ["name", "members"]
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        inside = User.objects.filter(group_keys__contains=[OuterRef("pk")]).order_by().annotate(one=Value(1))
        counted = inside.values("one").annotate(n=Count("*")).values("n")
        rows: QuerySet[Any] = super().get_queryset(request).annotate(people_here=Subquery(counted))
        return rows

    @admin.display(description=_("people"), ordering="people_here")
    def people(self, group: Any) -> int:
        return int(group.people_here or 0)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Group:
        actor, given = cast("User", request.user), form.cleaned_data
        members = [person.public_id for person in given["members"]]
        if not change:
            return people.add_group(actor=actor, name=given["name"], members=members)
        people.set_members(actor=actor, group=form.instance, members=members)
        return people.rename_group(actor=actor, group=form.instance, name=given["name"])

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        """`save_form` has written it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """As above."""

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        people.delete_group(actor=cast("User", request.user), group=obj)


@tenant_site.board
def people_by_role(request: HttpRequest) -> Block | None:
    """How many people have each role."""
    if not allows(cast("User", request.user), Right.SEE_PEOPLE):
        return None
    counts = dict(User.objects.filter(is_active=True).order_by().values_list("role").annotate(Count("pk")))
    url = reverse("admin:accounts_user_changelist") + "?role__exact="
    rows = [{"name": label.capitalize(), "cells": [counts[role]], "url": url + role} for role, label in ROLES if counts.get(role)]
    return {"name": _("Active people"), "heads": [_("Role"), _("People")], "rows": rows}
