"""New organisations in the operator's console: a form, then a page that shows each step until the site answers."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.password_validation import validate_password
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from accounts.console import ConsoleAdmin, ConsoleForm, badge, operator_site
from accounts.models import User
from core.errors import AppError
from tenants import provisioning
from tenants.first_access import first_password
from tenants.models import Tenant, TenantJob

LANGUAGES = [("en", "English"), ("fr", "Français")]
STEPS = {
    TenantJob.Kind.CREATE: ("registry", "schema", "tables", "administrator", "ready"),
    TenantJob.Kind.PURGE: ("closing", "rows", "files", "caches", "gone"),
}


def address(request: HttpRequest, tenant: Tenant | None) -> str:
    """The tenant's site as this visitor's browser reaches it; "" without a host."""
    domain = tenant.domains.order_by("-is_primary", "pk").first() if tenant else None
    if domain is None:
        return ""
    port = request.get_port()
    usual = {"http": "80", "https": "443"}[request.scheme or "http"]
    return f"{request.scheme}://{domain.domain}{'' if port == usual else f':{port}'}/"


class NewOrganisationForm(ConsoleForm):
    language = forms.ChoiceField(label=_("language"), choices=LANGUAGES)
    password = forms.CharField(
        label=_("first password"),
        required=False,
        help_text=_("Left empty, one is chosen at random. It is shown once."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        validators=[validate_password],
    )

    class Meta:
        model = TenantJob
        fields = ["name", "domain", "admin_email", "language", "colour", "colour_ink"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("domain", "admin_email"):
            self.fields[name].required = True
        for name in ("language", "password"):
            self.fields[name].label = capfirst(str(self.fields[name].label))

    def validate_constraints(self) -> None:
        """The service says it, in words."""


@admin.register(TenantJob, site=operator_site)
class TenantJobAdmin(ConsoleAdmin):
    form = NewOrganisationForm
    list_display = ["name", "kind", "shown", "asked_by_name", "created_at", "finished_at"]
    list_filter = ["kind", "state"]
    search_fields = ["name"]
    fields = ["name", "domain", "admin_email", "password", "language", "colour", "colour_ink"]
    actions = None

    @admin.display(description=_("state"), ordering="state")
    def shown(self, job: TenantJob) -> SafeString:
        return badge(job.state, job.get_state_display(), job.error if job.state == TenantJob.State.FAILED else "")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        # `password` is the form's own; the model keeps a hash only, and only until it is used.
        return super().get_form(request, obj, change, **{**kwargs, "fields": self.form.Meta.fields})

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> TenantJob:
        operator, given = cast("User", request.user), form.cleaned_data
        password, secret = first_password(given["password"])
        job = provisioning.ask_to_create(
            name=given["name"],
            domain=given["domain"],
            admin_email=given["admin_email"],
            admin_secret=secret,
            language=given["language"],
            colour=given["colour"],
            colour_ink=given["colour_ink"],
            asked_by=operator.pk,
            asked_by_name=operator.email,
        )
        # Through the operator's own cookie: it is shown by the next page and kept nowhere.
        text = _("Password for {email}: {password} — it is shown only here. Hand it over; it is to be changed at once.")
        self.message_user(
            request,
            format_html(
                str(text).replace("{password}", "<code>{password}</code>"), email=given["admin_email"], password=password
            ),
            messages.SUCCESS,
        )
        return job

    def save_model(self, request: HttpRequest, obj: TenantJob, form: Any, change: bool) -> None:
        """`save_form` has written it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """As above."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The audit log has it, when it is done."""

    def response_add(self, request: HttpRequest, obj: TenantJob, post_url_continue: str | None = None) -> HttpResponse:
        return redirect("admin:tenants_tenantjob_change", obj.pk)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        page = {"title": _("New organisation"), "show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**page, **(extra_context or {})})

    def get_urls(self) -> list[Any]:
        again = path("<int:pk>/again/", self.admin_site.admin_view(self.again), name="tenants_tenantjob_again")
        return [again, *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """The steps, and how far they are. With `?part` only what changes: the page asks for it every half second."""
        job = self.get_object(request, object_id)
        if job is None or not self.has_view_permission(request, job):
            raise Http404
        if job.state == TenantJob.State.QUEUED:
            provisioning.wake()  # The marker may have been lost with the process that should have left it.
        names = STEPS[TenantJob.Kind(job.kind)]
        reached = names.index(job.step) if job.step in names else -1
        page = {
            **self.admin_site.each_context(request),
            "title": capfirst(str(job)),
            "opts": self.opts,
            "object": job,
            "job": job,
            "steps": [(TenantJob.Step(name).label, place - reached) for place, name in enumerate(names)],
            "done": job.state == TenantJob.State.DONE,
            "refresh": job.is_open,
            "link": address(request, job.tenant) if job.kind == TenantJob.Kind.CREATE else "",
        }
        part = "part" in request.GET
        return TemplateResponse(request, "tenants/_job.html" if part else "tenants/job.html", page)

    def again(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A job that failed, asked for once more; what it had done stays done."""
        job = TenantJob.objects.filter(pk=pk, state=TenantJob.State.FAILED).first()
        if job is None or request.method != "POST" or not self.has_change_permission(request, job):
            raise Http404
        operator = cast("User", request.user)
        by: dict[str, Any] = {"asked_by": operator.pk, "asked_by_name": operator.email}
        try:
            if job.kind == TenantJob.Kind.PURGE and job.tenant:
                fresh = provisioning.ask_to_purge(job.tenant, **by)
            else:
                wishes = ("name", "domain", "admin_email", "admin_secret", "language", "colour", "colour_ink")
                fresh = provisioning.ask_to_create(**{name: getattr(job, name) for name in wishes}, **by)
        except AppError as error:
            self.message_user(request, str(error.detail), messages.ERROR)
            return redirect("admin:tenants_tenantjob_change", job.pk)
        return redirect("admin:tenants_tenantjob_change", fresh.pk)
