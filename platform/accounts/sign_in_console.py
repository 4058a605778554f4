"""How a tenant's people sign in, in its console: the rule for second factors, and the services that vouch for people."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts import federation, second_factor
from accounts.console import ConsoleAdmin, ConsoleForm, badge, tenant_site
from accounts.models import OIDCProvider, SignInPolicy, User
from isolation import context


@admin.register(SignInPolicy, site=tenant_site)
class SignInPolicyAdmin(ConsoleAdmin):
    list_display = ["__str__", "second_factor_required"]
    fields = ["second_factor_required"]
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: SignInPolicy, form: Any, change: bool) -> None:
        second_factor.require_for_all(actor=cast("User", request.user), required=obj.second_factor_required)


class ProviderForm(ConsoleForm):
    new_secret = forms.CharField(
        label=_("client secret"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Never shown again. Empty keeps the one that is there."),
    )

    class Meta:
        model = OIDCProvider
        fields = [
            "name",
            "issuer",
            "client_id",
            "allowed_domains",
            "default_role",
            "create_people",
            "link_by_email",
            "is_enabled",
        ]


@admin.register(OIDCProvider, site=tenant_site)
class OIDCProviderAdmin(ConsoleAdmin):
    form = ProviderForm
    list_display = ["name", "state", "issuer", "create_people"]
    readonly_fields = ["redirect_uri"]
    fields = [
        "name",
        "issuer",
        "client_id",
        "new_secret",
        "redirect_uri",
        "allowed_domains",
        "default_role",
        "create_people",
        "link_by_email",
        "is_enabled",
    ]
    actions = None

    @admin.display(description=_("state"), ordering="is_enabled")
    def state(self, provider: OIDCProvider) -> SafeString:
        return badge("active", _("active")) if provider.is_enabled else badge("inactive", _("switched off"))

    @admin.display(description=_("redirect address, to be registered there"))
    def redirect_uri(self, provider: OIDCProvider) -> str:
        return federation.redirect_uri(context.current().schema)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> OIDCProvider:
        """Through the service; what it refuses is said on the page."""
        actor = cast("User", request.user)
        return federation.save_provider(actor=actor, provider=form.instance, secret=form.cleaned_data["new_secret"])

    def save_model(self, request: HttpRequest, obj: OIDCProvider, form: Any, change: bool) -> None:
        """`save_form` has written it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """As above."""

    def delete_model(self, request: HttpRequest, obj: OIDCProvider) -> None:
        federation.remove_provider(actor=cast("User", request.user), provider=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[OIDCProvider]) -> None:
        for provider in queryset:
            self.delete_model(request, provider)
