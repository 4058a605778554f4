"""The shape of a model that one may use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.grants import PrincipalIn, PrincipalOut
from accounts.grants import Principal
from gateway.models import Budget, ModelGrant


class ModelOut(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="what `model` of a message takes")
    name = serializers.CharField()
    provider = serializers.CharField()
    locality = serializers.ChoiceField(choices=["local", "cloud"])
    country = serializers.CharField(help_text="where it runs, ISO 3166; empty where nobody said")
    context_window = serializers.IntegerField(help_text="tokens")
    abilities = serializers.ListField(child=serializers.CharField())
    input_price = serializers.CharField(allow_null=True, help_text="for a million tokens, in `currency`")
    output_price = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    health = serializers.ChoiceField(
        choices=["ok", "down", "unknown"],
        help_text="down: its provider failed again and again, or did not answer when last asked",
    )
    unavailable = serializers.ChoiceField(
        choices=["down", "budget"],
        allow_null=True,
        help_text="why the person cannot choose it now; budget: what they may spend is used up",
    )


class ModelList(serializers.Serializer[Any]):
    """Few enough for one page; in the shape of the other lists."""

    results = ModelOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class UsageQuery(serializers.Serializer[Any]):
    since = serializers.DateField(required=False, help_text="first day, UTC; by default the first of this month")
    until = serializers.DateField(required=False, help_text="last day, UTC; by default today")
    by = serializers.ChoiceField(choices=["day", "model", "user", "route"], default="day")
    mine = serializers.BooleanField(default=False, help_text="only one's own, for those who may see all")

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        today = datetime.now(UTC).date()
        until = given.get("until", today)
        since = given.get("since", until.replace(day=1))
        if since > until or (until - since).days > 366:
            raise serializers.ValidationError({"since": "a year at most, and not after until"})
        return {**given, "since": since, "until": until}


class UsageRowOut(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="the day, the model's id, the person's id or the route")
    name = serializers.CharField()
    calls = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost = serializers.DecimalField(max_digits=20, decimal_places=8)


class UsageOut(serializers.Serializer[Any]):
    results = UsageRowOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    total = UsageRowOut()
    currency = serializers.CharField()


class BudgetPatch(serializers.Serializer[Any]):
    money_limit = serializers.DecimalField(max_digits=12, decimal_places=4, min_value=0, allow_null=True, required=False)
    token_limit = serializers.IntegerField(min_value=0, max_value=10**15, allow_null=True, required=False)
    warn_percent = serializers.IntegerField(min_value=1, max_value=100, required=False)
    enabled = serializers.BooleanField(required=False)


class BudgetIn(BudgetPatch):
    scope = serializers.ChoiceField(choices=["tenant", "group", "user", "key"])
    subject = serializers.UUIDField(required=False, allow_null=True, help_text="the group's, person's or API key's id")
    period = serializers.ChoiceField(choices=Budget.Period.choices, default="month")


class BudgetOut(serializers.ModelSerializer[Budget]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    subject = serializers.SerializerMethodField(help_text="the name of whom it binds; empty: everybody")

    class Meta:
        model = Budget
        fields = ["id", "scope", "subject", "period", "money_limit", "token_limit", "warn_percent", "enabled", "created_at"]

    def get_subject(self, budget: Budget) -> str:
        names: dict[str, str] = self.context.get("names", {})
        return names.get(budget.subject, "")


class ModelGrantQuery(serializers.Serializer[Any]):
    model = serializers.CharField(max_length=250, required=False, help_text="only those of this model")


class ModelGrantIn(serializers.Serializer[Any]):
    model = serializers.CharField(max_length=250, help_text="its id, as `models/` says it")
    principal = PrincipalIn()


class ModelGrantOut(serializers.ModelSerializer[ModelGrant]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    principal = serializers.SerializerMethodField(help_text="null: who is no longer here")

    class Meta:
        model = ModelGrant
        fields = ["id", "model", "principal", "created_at"]

    @extend_schema_field(PrincipalOut(allow_null=True))
    def get_principal(self, grant: ModelGrant) -> dict[str, Any] | None:
        known: dict[str, Principal] = self.context.get("principals", {})
        found = known.get(grant.principal)
        return dict(PrincipalOut(found).data) if found else None
