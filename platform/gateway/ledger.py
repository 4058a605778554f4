"""What calls of models cost: records that are only added to, and budgets that are reserved from and settled."""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7

MONEY: dict[str, Any] = {"max_digits": 16, "decimal_places": 8}


class UsageRecord(models.Model):
    """One call of a model. `call` makes it once. Persons, keys and assistants are kept as keys: they may go."""

    class Outcome(models.TextChoices):
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("failed")
        STOPPED = "stopped", _("stopped")

    call = models.UUIDField(unique=True)
    user = models.BigIntegerField(_("person"))
    api_key = models.BigIntegerField(null=True)
    assistant = models.BigIntegerField(null=True)
    conversation = models.UUIDField(null=True)
    run = models.UUIDField(null=True)
    model = models.CharField(_("model"), max_length=250)
    provider = models.CharField(_("provider"), max_length=80)
    route = models.CharField(_("route"), max_length=15)
    input_tokens = models.BigIntegerField(_("tokens in"))
    output_tokens = models.BigIntegerField(_("tokens out"))
    estimated = models.BooleanField(default=False, help_text="counted by us, because the provider did not")
    cost = models.DecimalField(_("cost"), **MONEY)
    currency = models.CharField(_("currency"), max_length=3)
    latency_ms = models.PositiveIntegerField(_("latency, ms"))
    first_token_ms = models.PositiveIntegerField(_("first token, ms"), null=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome)
    # Codes and ids only, nothing of what was said: reasons, difficulty, privacy findings by kind, who took over and why.
    trace = models.JSONField(_("decision"), default=dict)
    created_at = models.DateTimeField(_("when"), auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name = _("call of a model")
        verbose_name_plural = _("calls of models")
        indexes = [
            models.Index(fields=["created_at", "user"], name="gateway_usage_by_time"),
            models.Index(fields=["user", "created_at"], name="gateway_usage_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M} {self.model}"


class Budget(models.Model):
    """A limit for a period (UTC). The installation's stand in the public schema: for all, or for one organisation."""

    class Scope(models.TextChoices):
        PLATFORM = "platform", _("the whole installation")
        TENANT = "tenant", _("the organisation")
        GROUP = "group", _("a group")
        USER = "user", _("a person")
        KEY = "key", _("an API key")

    class Period(models.TextChoices):
        MONTH = "month", _("a month")
        DAY = "day", _("a day")

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    scope = models.CharField(_("for"), max_length=10, choices=Scope)
    subject = models.CharField(max_length=80, blank=True, help_text="group:KEY, user:KEY, key:KEY, or a schema; empty: all")
    period = models.CharField(_("period"), max_length=5, choices=Period, default=Period.MONTH)
    money_limit = models.DecimalField(_("limit in money"), **MONEY, null=True, blank=True, validators=[MinValueValidator(0)])
    token_limit = models.PositiveBigIntegerField(_("limit in tokens"), null=True, blank=True)
    warn_percent = models.PositiveSmallIntegerField(
        _("warn at, percent"), default=80, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    enabled = models.BooleanField(_("in force"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        constraints = [
            models.UniqueConstraint(fields=["scope", "subject", "period"], name="gateway_budget_once"),
            models.CheckConstraint(
                condition=Q(money_limit__isnull=False) | Q(token_limit__isnull=False), name="gateway_budget_limits_something"
            ),
            models.CheckConstraint(
                condition=Q(scope="platform", subject="")
                | Q(scope="tenant", subject__regex=r"^(t_[0-9a-f]{12})?$")
                | Q(scope="group", subject__regex=r"^group:[1-9][0-9]*$")
                | Q(scope="user", subject__regex=r"^user:[1-9][0-9]*$")
                | Q(scope="key", subject__regex=r"^key:[1-9][0-9]*$"),
                name="gateway_budget_names_its_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()}, {self.get_period_display()}"


class BudgetPeriod(models.Model):
    """What one month or day of a budget has spent and holds reserved."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="periods")
    starts = models.DateField(help_text="its first day, UTC")
    spent = models.DecimalField(default=0, **MONEY)
    reserved = models.DecimalField(default=0, **MONEY)
    spent_tokens = models.BigIntegerField(default=0)
    reserved_tokens = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["budget", "starts"], name="gateway_budgetperiod_once"),
            models.CheckConstraint(
                condition=Q(reserved__gte=0, reserved_tokens__gte=0), name="gateway_budgetperiod_holds_no_debt"
            ),
        ]


class BudgetHold(models.Model):
    """What a call in flight may spend of a period. It ends by settlement, or by itself when the call never comes back."""

    call = models.UUIDField()
    period = models.ForeignKey(BudgetPeriod, on_delete=models.CASCADE, related_name="holds")
    money = models.DecimalField(**MONEY)
    tokens = models.BigIntegerField()
    expires_at = models.DateTimeField(db_index=True)
    released = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "period"], name="gateway_budgethold_once")]
