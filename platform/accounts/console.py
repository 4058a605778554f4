"""The two consoles: Django's own admin in the product's dress, for a tenant's administrators and for operators.

`tenant_site` and `operator_site` are mounted at `/admin/`, each on its own host. Apps register in their `admin` module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import BaseInlineFormSet, BaseModelFormSet, CharField, ChoiceField, ModelForm, PasswordInput, TextInput
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from accounts import second_factor, services, throttle
from accounts.models import User
from accounts.permissions import Right, allows
from accounts.web.second_factor import managed
from core.errors import AppError
from isolation import context

# What stands in the sidebar, in this order; a model left out is not shown.
SECTIONS: list[tuple[Any, list[str]]] = [
    (_("Access"), ["User", "Group", "SignInPolicy", "OIDCProvider", "SharingPolicy"]),
    (_("Knowledge"), ["Document", "Folder", "Assistant"]),
    (
        _("Platform"),
        ["ModelRules", "ProviderAccount", "ModelGrant", "Budget", "UsageRecord", "Feedback", "Tenant", "Domain", "TenantJob"],
    ),
    (_("Audit"), ["AuditEvent", "RetentionPolicy", "ReadingPolicy", "Reading", "WallReport"]),
]
TONES = {  # state: tone, icon. Colour never speaks alone.
    "ready": ("ok", "check"),
    "processing": ("", "loader-circle"),
    "queued": ("", "clock"),
    "failed": ("danger", "circle-alert"),
    "active": ("ok", "check"),
    "inactive": ("", "x"),
    "creating": ("", "loader-circle"),
    "suspended": ("warn", "pause"),
    "deleted": ("danger", "trash-2"),
    "running": ("", "loader-circle"),
    "done": ("ok", "check"),
}

Block = dict[str, Any]
Board = Callable[[HttpRequest], Block | None]


def tone(state: str) -> tuple[str, str]:
    """A state's class and icon."""
    return TONES.get(state, ("", "info"))


def badge(state: str, label: str | Promise, reason: str = "") -> SafeString:
    """A state in a list: glyph, word, and under it why."""
    css, icon = tone(state)
    html = format_html(
        '<span class="badge {}"><svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg> {}</span>',
        css,
        static("design/icons.svg"),
        icon,
        label,
    )
    return format_html('{}<span class="sub{}">{}</span>', html, " danger" if css == "danger" else "", reason) if reason else html


class Named:
    """Fields in a table have a column head but no label: give each its name, and the delete box the name of its row."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)  # type: ignore[misc]
        for name, field in form.fields.items():
            row = f", {form.instance}" if name == "DELETE" and form.instance.pk else ""
            field.widget.attrs.setdefault("aria-label", f"{field.label}{row}")


class NamedInlines(Named, BaseInlineFormSet):  # type: ignore[type-arg]
    """For TabularInline.formset."""


class NamedRows(Named, BaseModelFormSet):  # type: ignore[type-arg]
    """For lists with list_editable, through ConsoleAdmin."""


class ConsoleForm(ModelForm):  # type: ignore[type-arg]
    """Labels stand above their field and need no colon."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        for field in self.fields.values():
            field.label = capfirst(field.label)


class ConsoleAdmin(ModelAdmin):  # type: ignore[type-arg]
    form = ConsoleForm

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A language is chosen from those there are."""
        if db_field.name == "language":
            return ChoiceField(label=capfirst(db_field.verbose_name), choices=settings.LANGUAGES, required=not db_field.blank)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """What a service refuses is said on the page, and nothing was changed."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except AppError as error:
            self.message_user(request, str(error.detail), messages.ERROR)
            if request.resolver_match and "object_id" in request.resolver_match.kwargs:
                return redirect(request.get_full_path())
            return self._asked_again(request)

    def _asked_again(self, request: HttpRequest) -> Any:
        """The page of a new row once more, with what was typed; secrets are typed again."""
        fields = self.get_form(request).base_fields.items()
        shown = {name: field for name, field in fields if not isinstance(field.widget, PasswordInput)}
        request.typed = {  # type: ignore[attr-defined]
            name: field.widget.value_from_datadict(request.POST, request.FILES, name) for name, field in shown.items()
        }
        request.method = "GET"
        return super().changeform_view(request)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().get_changeform_initial_data(request), **getattr(request, "typed", {})}

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_formset(request, **{"formset": NamedRows, **kwargs})


class ReadOnlyAdmin(ConsoleAdmin):
    """Metadata that is looked at here and changed elsewhere."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ConsoleSite(AdminSite):
    """One of the two consoles. `right` is who may enter."""

    enable_nav_sidebar = False  # base_site.html has its own.
    index_template = "admin/index.html"
    right = Right.CONSOLE

    def __init__(self) -> None:
        super().__init__(name="admin")
        self.boards: list[Board] = []

    def get_urls(self) -> list[Any]:
        """Without "view on site": no row of ours has a page of its own by content type, and shared types have no table here."""
        return [url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"]

    def board(self, make: Board) -> Board:
        """Put a table on the first page: `{name, heads, rows: [{name, sub?, cells, state?, tone?, icon?, url?}]}`.

        A block with `template` is shown by that one instead, as `block`.

        None where the person may not see it.
        """
        self.boards.append(make)
        return make

    def has_permission(self, request: HttpRequest) -> bool:
        return allows(cast("User", request.user), self.right)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        site: Any = request.site
        tenant = None
        if not site.is_operator:
            css = reverse("tenant-css")
            tenant = {"name": site.name, "letter": site.name[:1], "host": site.host, "css": css}
        theme = request.COOKIES.get("theme", "")
        theme = theme if theme in {"light", "dark"} else ""
        return {**super().each_context(request), "tenant": tenant, "theme": theme}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = super().get_app_list(request, app_label)
        if app_label:
            return apps
        models = {model["object_name"]: model for app in apps for model in app["models"]}
        sections = [(name, [models[n] for n in names if n in models]) for name, names in SECTIONS]
        return [{"name": name, "app_label": "", "app_url": "", "models": found} for name, found in sections if found]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().index(
            request, {"blocks": [block for make in self.boards if (block := make(request))], **(extra_context or {})}
        )

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Back to the door: Django's page of thanks says nothing that anybody needs."""
        response: HttpResponse = super().logout(request, extra_context)
        if response.status_code == 200:
            response = redirect("admin:login")
        response.headers["Clear-Site-Data"] = '"cache","cookies","storage"'
        return response


class TenantSite(ConsoleSite):
    """A tenant's people come through the product's own sign-in."""

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"), reverse("login"))


class OperatorForm(AdminAuthenticationForm):
    """Address, password, and the code of those who have set a second factor up."""

    code = CharField(
        label=_("Code"),
        required=False,
        max_length=40,
        help_text=_("Of your authenticator, or a recovery code; empty if you have set up none."),
        widget=TextInput(attrs={"autocomplete": "one-time-code"}),
    )
    refused: AppError | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        for field in self.fields.values():
            field.label = capfirst(field.label)

    def confirm_login_allowed(self, user: Any) -> None:
        super().confirm_login_allowed(user)
        if second_factor.of(user) is None:
            return
        self.request.sign_in_method = "password and code"  # type: ignore[union-attr]
        try:
            second_factor.pass_step(user=user, code=self.data.get("code", "")[:40])
        except AppError as error:
            self.refused = error
            raise ValidationError(str(error.title), code=error.code) from error


class OperatorSite(ConsoleSite):
    right = Right.OPERATE
    login_form = OperatorForm

    def get_urls(self) -> list[Any]:
        return [path("second-factor/", self.admin_view(self.second_factor), name="second_factor"), *super().get_urls()]

    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """An operator's own."""
        shown = {**self.each_context(request), "title": _("Second factor")}
        return managed(request, "admin/second_factor.html", back=reverse("admin:index"), **shown)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method != "POST":
            return super().login(request, extra_context)
        name = request.POST.get("username", "")
        answer: Any = None
        try:
            # Sign-in writes the person's row, which only sign-in's own context may.
            code = bool(request.POST.get("code"))
            with throttle.attempt(request, name, code=code), context.use(context.auth(context.current().schema)):
                answer = super().login(request, extra_context)
                if not request.user.is_authenticated:
                    raise answer.context_data["form"].refused or services.WrongCredentials
        except (services.SignInRefused, second_factor.SecondFactorRequired):
            return answer
        except throttle.LoginThrottled as error:
            page = {**self.each_context(request), "title": _("Sign in"), "form": self.login_form(request)}
            shown = TemplateResponse(request, "admin/login.html", {**page, "problem": error.detail}, status=error.status)
            shown.headers["Retry-After"] = str(error.extra["retry_after"])
            return shown
        return answer


def count_rows(states: Iterable[tuple[str, str]], counts: dict[str, int], url: str) -> list[Block]:
    """A row per state that occurs, with its badge and a link to the list of it."""
    return [
        {
            "name": label,
            "cells": [counts[state]],
            "state": label,
            "tone": tone(state)[0],
            "icon": tone(state)[1],
            "url": url + state,
        }
        for state, label in states
        if counts.get(state)
    ]


tenant_site = TenantSite()
operator_site = OperatorSite()
