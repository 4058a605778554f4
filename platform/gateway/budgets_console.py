"""Budgets and usage in both consoles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts import grants
from accounts.console import Block, ConsoleAdmin, ConsoleForm, ReadOnlyAdmin, operator_site, tenant_site
from accounts.models import User
from accounts.permissions import Right, allows
from gateway import budget_subjects, budgets, reasons, usage
from gateway.models import Budget, BudgetPeriod, UsageRecord

TIMES = ["latency_ms", "first_token_ms", "outcome"]
LIMITS = ["money_limit", "token_limit", "warn_percent", "enabled"]


def _tenants() -> list[tuple[str, str]]:
    """Schema and name; the registry stands above this app, so it is asked for by name."""
    return list(apps.get_model("tenants", "Tenant")._default_manager.order_by("name").values_list("schema_name", "name"))


def _principals(rows: Iterable[Budget]) -> list[str]:
    return [row.subject for row in rows if row.scope in {"group", "user"}]


class BudgetForm(ConsoleForm):
    binds = forms.ChoiceField(label=_("for"))

    class Meta:
        model = Budget
        fields = ["period", *LIMITS]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            for name in ("binds", "period"):
                self.fields.pop(name, None)
        else:
            cast("forms.ChoiceField", self.fields["binds"]).choices = self.subjects()

    def subjects(self) -> list[tuple[str, Any]]:
        return [("", _("the organisation")), *budget_subjects.choices()]

    def chosen(self) -> tuple[str, str]:
        """Scope and subject."""
        subject = self.cleaned_data["binds"]
        return subject.partition(":")[0] or "tenant", subject

    def clean(self) -> Any:
        given = super().clean() or {}
        if given.get("money_limit") is None and given.get("token_limit") is None:
            raise forms.ValidationError(str(budgets.NoLimit.title))
        return given


class TenantBudgetForm(BudgetForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "binds" in self.fields:
            self.fields["binds"].required = False


class OperatorBudgetForm(BudgetForm):
    def subjects(self) -> list[tuple[str, Any]]:
        return [("platform", _("the whole installation")), *_tenants()]

    def chosen(self) -> tuple[str, str]:
        subject = self.cleaned_data["binds"]
        return ("platform", "") if subject == "platform" else ("tenant", subject)


class BudgetAdmin(ConsoleAdmin):
    list_display = ["binds", "period", "money_limit", "token_limit", "spent", "enabled"]
    list_filter = ["scope", "period", "enabled"]
    actions = None

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page's names and sums in two queries, not two for each row."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        names = {text: principal.label for text, principal in grants.named(_principals(rows)).items()}
        if self.admin_site is operator_site:
            names |= dict(_tenants())
        running = {(p.budget_id, p.starts): p for p in BudgetPeriod.objects.filter(budget__in=rows)}
        for row in rows:
            row.named = names.get(row.subject, "—") if row.subject else row.get_scope_display()
            row.running = running.get((row.pk, budgets.starts(row.period)))
        changes.result_list = rows
        return changes

    @admin.display(description=_("for"), ordering="scope")
    def binds(self, budget: Any) -> str:
        return str(budget.named)

    @admin.display(description=_("spent"))
    def spent(self, budget: Any) -> str:
        period = budget.running
        return f"{budgets.share(budget, period.spent, period.spent_tokens):.0f} %" if period else "0 %"

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = OperatorBudgetForm if self.admin_site is operator_site else TenantBudgetForm
        fields = LIMITS if obj else ["period", *LIMITS]
        return super().get_form(request, obj, change, **{**kwargs, "form": form, "fields": fields})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return LIMITS if obj else ["binds", "period", *LIMITS]

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Budget:
        actor, given = cast("User", request.user), form.cleaned_data
        limits = budgets.Limits(**{name: given[name] for name in LIMITS})
        if change:
            return budgets.change_budget(actor=actor, budget=form.instance, limits=limits)
        scope, subject = form.chosen()
        return budgets.set_budget(actor=actor, scope=scope, subject=subject, period=given["period"], limits=limits)

    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:
        """`save_form` has written it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """As above."""

    def delete_model(self, request: HttpRequest, obj: Budget) -> None:
        budgets.remove_budget(actor=cast("User", request.user), budget=obj)


tenant_site.register(Budget, BudgetAdmin)
operator_site.register(Budget, BudgetAdmin)


@admin.register(UsageRecord, site=tenant_site)
class UsageAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "who", "model", "route", "input_tokens", "output_tokens", "cost", "currency", "outcome"]
    list_filter = ["route", "outcome", "model"]
    date_hierarchy = "created_at"
    fields = ["created_at", "who", "model", "route", "input_tokens", "output_tokens", "cost", "currency", *TIMES, "decision"]
    readonly_fields = ["who", "decision"]
    show_full_result_count = False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page's names in one query."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        names = grants.named({f"user:{row.user}" for row in rows})
        for row in rows:
            found = names.get(f"user:{row.user}")
            row.named = found.label if found else "—"
        changes.result_list = rows
        return changes

    @admin.display(description=_("decision"))
    def decision(self, record: UsageRecord) -> SafeString | str:
        """Why this model answered, in the order in which it was decided."""
        trace = record.trace
        lines = [reasons.text_of(code) or code for code in trace.get("reasons", ())]
        if "difficulty" in trace:
            lines.append(_("Difficulty of the question: %(score)s of 1.") % {"score": trace["difficulty"]})
        for each in trace.get("rerouted", ()):
            why = reasons.text_of(each["reason"]) or each["reason"]
            lines.append(f"{each['from']} → {each['to']}: {why}")
        if trace.get("fallbacks"):
            lines.append(_("Next in line: %(models)s.") % {"models": ", ".join(trace["fallbacks"])})
        return format_html_join("", "<p>{}</p>", ((line,) for line in lines)) or "—"

    @admin.display(description=_("person"), ordering="user")
    def who(self, record: Any) -> str:
        if not hasattr(record, "named"):  # The record's own page.
            found = grants.named([f"user:{record.user}"]).get(f"user:{record.user}")
            record.named = found.label if found else "—"
        return str(record.named)


@tenant_site.board
def this_month(request: HttpRequest) -> Block | None:
    """The organisation's answers by day and route, what they cost, and its budgets."""
    user = cast("User", request.user)
    if not allows(user, Right.SEE_USAGE):
        return None
    return {"template": "gateway/_usage.html", "usage": usage.chart_context(user, mine=False)}
