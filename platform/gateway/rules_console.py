"""The rules for models in a tenant's console: what is personal, what follows, how a model is chosen."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.console import ConsoleAdmin, ConsoleForm, tenant_site
from accounts.models import User
from core.errors import AppError
from gateway import rules
from gateway.models import ModelRules
from gateway.privacy import DEFAULT, PrivacyPolicy

OUTCOMES = [
    ("local", _("stays on a local model")),
    ("pseudonymise", _("leaves with placeholders, which are put back into the answer")),
    ("refuse", _("is not answered")),
    ("allow", _("leaves as it is")),
]
CHOICES = [
    ("", _("as the installation is set")),
    ("pinned", _("the first of the list below")),
    ("cheapest", _("the cheapest that is able")),
    ("fastest", _("the one that answers fastest")),
    ("auto", _("by the question's difficulty")),
]
LINES = _("one a line")


class FewLines(forms.Textarea):
    def __init__(self) -> None:
        super().__init__({"rows": 3})


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


class RulesForm(ConsoleForm):
    outcome = forms.ChoiceField(label=_("A turn with personal data"), choices=OUTCOMES)
    threshold = forms.FloatField(label=_("from this score on"), min_value=0, max_value=1, help_text=_("0 to 1; 0.7 by default"))
    weights = forms.JSONField(
        label=_("weights"),
        required=False,
        widget=FewLines,
        help_text=_("kind to number from 0 to 1; unread stands for pictures and sounds, which nothing can check"),
    )
    words = forms.CharField(label=_("further sensitive words"), required=False, widget=FewLines, help_text=LINES)
    never = forms.CharField(label=_("never sensitive"), required=False, widget=FewLines, help_text=LINES)
    names = forms.CharField(label=_("names to mask"), required=False, widget=FewLines, help_text=LINES)
    patterns = forms.JSONField(
        widget=FewLines,
        label=_("further patterns"),
        required=False,
        help_text=_("a list of {name, pattern, weight}; patterns are regular expressions"),
    )
    choose = forms.ChoiceField(label=_("How a model is chosen"), choices=CHOICES, required=False)
    models = forms.CharField(label=_("models to choose from"), required=False, widget=FewLines, help_text=LINES)
    fallbacks = forms.CharField(label=_("who takes over when it fails"), required=False, widget=FewLines, help_text=LINES)
    continues = forms.BooleanField(label=_("another model goes on with an answer that broke off"), required=False)
    hedge_after = forms.FloatField(
        label=_("ask the next one beside it, after seconds of silence"),
        required=False,
        min_value=0,
        help_text=_("The first to speak answers; both providers may bill the question. Empty or 0: never."),
    )
    builtin = forms.BooleanField(label=_("the built-in model is the last resort"), required=False)

    actor: User  # Who fills the form in; set by `RulesAdmin.get_form`.

    class Meta:
        model = ModelRules
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        privacy = PrivacyPolicy.from_json(self.instance.privacy) if self.instance.pk else DEFAULT
        plain = privacy.to_json()
        self.initial.update({name: plain[name] for name in ("outcome", "threshold", "weights", "patterns")})
        self.initial.update({name: "\n".join(plain[name]) for name in ("words", "never", "names")})
        self.off = plain["off"]
        routing = self.instance.routing or {}
        self.initial.update({name: "\n".join(routing.get(name, ())) for name in ("models", "fallbacks")})
        self.initial.update({name: routing.get(name, False) for name in ("continues", "builtin")})
        self.initial.update(choose=routing.get("choose", ""), hedge_after=routing.get("hedge_after") or None)
        self.hard_from = routing.get("threshold")  # Not in this form: kept as it is.

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.errors:
            return given
        privacy = {name: given[name] for name in ("outcome", "threshold")} | {
            "weights": {} if given["weights"] is None else given["weights"],
            "patterns": [] if given["patterns"] is None else given["patterns"],
            "off": self.off,
            **{name: _lines(given[name]) for name in ("words", "never", "names")},
        }
        routing: dict[str, Any] = {}
        if given["choose"]:
            routing = {name: given[name] for name in ("choose", "continues", "builtin")}
            routing |= {name: _lines(given[name]) for name in ("models", "fallbacks")}
            routing["hedge_after"] = given["hedge_after"] or 0
            if self.hard_from is not None:
                routing["threshold"] = self.hard_from
        try:
            rules.save(actor=self.actor, privacy=privacy, routing=routing)
        except AppError as error:
            where = str(error.extra.get("field", "")).partition(".")[0]
            raise forms.ValidationError({where if where in self.fields else NON_FIELD_ERRORS: str(error.detail)}) from error
        return given


@admin.register(ModelRules, site=tenant_site)
class RulesAdmin(ConsoleAdmin):
    form = RulesForm
    list_display = ["__str__", "changed_at"]
    actions = None
    fieldsets = [
        (_("Privacy"), {"fields": ["outcome", "threshold", "weights", "words", "never", "names", "patterns"]}),
        (_("Choice of models"), {"fields": ["choose", "models", "fallbacks", "hedge_after", "continues", "builtin"]}),
    ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        bound = type("BoundRulesForm", (RulesForm,), {"actor": cast("User", request.user)})
        return super().get_form(request, obj, change, form=bound, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ModelRules, form: Any, change: bool) -> None:
        """The form's validation has written it: what the service refuses is an error of a field."""
