"""Providers in both consoles: the installation's for operators, an organisation's own for its administrators."""

from __future__ import annotations

from typing import Any, cast

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.console import ConsoleAdmin, ConsoleForm, NamedInlines, badge, operator_site, tenant_site
from accounts.models import User
from core.errors import AppError
from gateway import catalogue, discovery, provider_accounts
from gateway.models import CatalogueModel, ProviderAccount

PRICES = ["input_price", "output_price", "currency"]


class ProviderForm(ConsoleForm):
    key = forms.CharField(
        label=_("key"),
        required=False,
        max_length=provider_accounts.LONGEST_KEY,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    forget_key = forms.BooleanField(label=_("remove the stored key"), required=False)

    class Meta:
        model = ProviderAccount
        fields = ["name", "wire", "base", "locality", "country", "local_network", "enabled"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hint = self.instance.key_hint
        self.fields["key"].help_text = (
            _("Stored: %(hint)s. Leave it empty to keep it.") % {"hint": hint} if hint else _("It is not shown again.")
        )
        if not hint:
            del self.fields["forget_key"]

    @property
    def new_key(self) -> str | None:
        """None leaves the stored key as it is."""
        if self.cleaned_data.get("key"):
            return str(self.cleaned_data["key"])
        return "" if self.cleaned_data.get("forget_key") else None


class ModelInline(admin.TabularInline):  # type: ignore[type-arg]
    model = CatalogueModel
    formset = NamedInlines
    fields = ["name", "title", "locality", "country", "context_window", "abilities", *PRICES, "enabled"]
    extra = 0


class ProviderAdmin(ConsoleAdmin):
    change_form_template = "gateway/provider.html"
    change_list_template = "gateway/providers.html"
    form = ProviderForm
    list_display = ["name", "wire", "base", "place", "key_hint", "state"]
    list_filter = ["wire", "locality", "enabled"]
    search_fields = ["name", "base"]
    inlines = [ModelInline]
    actions = None

    @admin.display(description=_("where it runs"), ordering="locality")
    def place(self, account: ProviderAccount) -> str:
        return f"{account.get_locality_display()} {account.country}".strip()

    @admin.display(description=_("state"), ordering="enabled")
    def state(self, account: ProviderAccount) -> SafeString:
        return badge("active", _("in use")) if account.enabled else badge("inactive", _("switched off"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = ["local_network"] if self.admin_site is operator_site else []
        stored = ["forget_key"] if obj and obj.key_hint else []
        return ["name", "wire", "base", "key", *stored, "locality", "country", *own, "enabled"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        names = [name for name in self.get_fields(request, obj) if name not in {"key", "forget_key"}]
        return super().get_form(request, obj, change, **{**kwargs, "fields": names})

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> ProviderAccount:
        account = super().save_form(request, form, change)
        return provider_accounts.save_account(actor=cast("User", request.user), account=account, key=form.new_key)

    def save_model(self, request: HttpRequest, obj: ProviderAccount, form: Any, change: bool) -> None:
        """`save_form` has written it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if any(formset.has_changed() for formset in formsets):
            provider_accounts.models_changed(actor=cast("User", request.user), account=form.instance)

    def delete_model(self, request: HttpRequest, obj: ProviderAccount) -> None:
        provider_accounts.remove_account(actor=cast("User", request.user), account=obj)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/test/", wrap(self.test), name="gateway_provideraccount_test"),
            path("<int:pk>/models/", wrap(self.take_models), name="gateway_provideraccount_models"),
            path("health/", wrap(self.health), name="gateway_provideraccount_health"),
        ]
        if self.admin_site is operator_site:
            own.append(path("found/", wrap(self.found), name="gateway_provideraccount_found"))
        return [*own, *super().get_urls()]

    def _account(self, request: HttpRequest, pk: int) -> ProviderAccount:
        if not self.has_change_permission(request) or request.method != "POST":
            raise PermissionDenied
        account = ProviderAccount.objects.filter(pk=pk).first()
        if account is None:
            raise Http404
        return account

    def _asked(self, request: HttpRequest, account: ProviderAccount) -> provider_accounts.Tested | None:
        try:
            return async_to_sync(provider_accounts.ask)(provider_accounts.opened(account))
        except AppError as error:
            self.message_user(request, str(error.detail), messages.ERROR)
            return None

    def test(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the provider for its list, and say how long it took."""
        account = self._account(request, pk)
        if answer := self._asked(request, account):
            told = _("%(name)s answers in %(milliseconds)d ms: %(models)s") % {
                "name": account.name,
                "milliseconds": answer.milliseconds,
                "models": ", ".join(answer.models[:12]) or "—",
            }
            self.message_user(request, str(told) if answer.works else answer.error, 25 if answer.works else messages.ERROR)
        return redirect("admin:gateway_provideraccount_change", pk)

    def take_models(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a row for each model that the provider lists."""
        account = self._account(request, pk)
        answer = self._asked(request, account)
        if answer and answer.works:
            made = provider_accounts.add_models(actor=cast("User", request.user), account=account, names=answer.models)
            told = ngettext("%(n)d model added", "%(n)d models added", made) % {"n": made}
            self.message_user(request, told, messages.SUCCESS)
        elif answer:
            self.message_user(request, answer.error, messages.ERROR)
        return redirect("admin:gateway_provideraccount_change", pk)

    def health(self, request: HttpRequest) -> HttpResponse:
        """Every provider that counts here, and what it answers now."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        providers = catalogue.providers()
        answers = async_to_sync(provider_accounts.ask_all)(providers) if request.method == "POST" else []
        tested = {answer.name: answer for answer in answers}
        rows = [{"provider": provider, "answer": tested.get(provider.name)} for provider in providers]
        page = {**self.admin_site.each_context(request), "title": _("Health of the providers"), "opts": self.opts, "rows": rows}
        return TemplateResponse(request, "gateway/health.html", {**page, "asked": bool(answers)})

    def found(self, request: HttpRequest) -> HttpResponse:
        """What runs on this machine, connected by one click."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        servers = async_to_sync(discovery.local_servers)()
        if request.method == "POST":
            wanted = [server for server in servers if server.address == request.POST.get("address")]
            if not wanted:
                self.message_user(request, str(_("It no longer answers.")), messages.ERROR)
                return redirect("admin:gateway_provideraccount_found")
            account = provider_accounts.connect_local(actor=cast("User", request.user), server=wanted[0])
            self.message_user(request, str(_("Connected: every organisation can use it.")), messages.SUCCESS)
            return redirect("admin:gateway_provideraccount_change", account.pk)
        page = {**self.admin_site.each_context(request), "title": _("Model servers on this machine"), "opts": self.opts}
        return TemplateResponse(request, "gateway/found.html", {**page, "servers": servers})


tenant_site.register(ProviderAccount, ProviderAdmin)
operator_site.register(ProviderAccount, ProviderAdmin)
