"""The models that the person may use, what was used, and the budgets."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import grants
from accounts.api.grants import principal_of
from accounts.authentication import person
from core.api import CursorPages
from gateway import access, budget_subjects, budgets, catalogue, picking, usage
from gateway.api.serializers import (
    BudgetIn,
    BudgetOut,
    BudgetPatch,
    ModelGrantIn,
    ModelGrantOut,
    ModelGrantQuery,
    ModelList,
    UsageOut,
    UsageQuery,
)
from gateway.errors import NoPermittedModel, ProviderError
from gateway.models import Budget, ModelGrant
from gateway.types import ModelInfo


class ModelsView(APIView):
    @extend_schema(responses=ModelList)
    def get(self, request: Request) -> Response:
        try:
            models = async_to_sync(catalogue.load)()
        except (ProviderError, NoPermittedModel):
            models = ()  # No provider answers: none can be used now.
        usable = access.usable(models)
        healths = catalogue.healths(usable)
        whys = picking.unavailable(person(request), usable, healths)
        rows = [{**_row(model), "health": healths[model.id], "unavailable": whys[model.id] or None} for model in usable]
        return Response(ModelList({"results": rows, "next": None, "previous": None}).data)


def _row(model: ModelInfo) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": catalogue.title_of(model),
        "provider": model.provider,
        "locality": model.locality,
        "country": model.country,
        "context_window": model.context_window,
        "abilities": sorted(model.abilities),
        "input_price": _plain(model.input_price),
        "output_price": _plain(model.output_price),
        "currency": model.currency,
    }


def _plain(price: Decimal | None) -> str | None:
    return None if price is None else f"{price.normalize():f}"


class UsageView(APIView):
    @extend_schema(parameters=[UsageQuery], responses=UsageOut)
    def get(self, request: Request) -> Response:
        query = UsageQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        rows = usage.sums(person(request), **query.validated_data)
        page = {"results": rows, "next": None, "previous": None}
        return Response(UsageOut({**page, "total": usage.total(rows), "currency": settings.CLOISON_CURRENCY}).data)


class BudgetViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Budget]):
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = BudgetOut
    pagination_class = CursorPages
    queryset = Budget.objects.none()

    def get_queryset(self) -> QuerySet[Budget]:
        return Budget.objects.all()

    def get_serializer_context(self) -> dict[str, Any]:
        subjects = Budget.objects.filter(scope__in=["group", "user"]).values_list("subject", flat=True)[: grants.MOST_LISTED]
        return {**super().get_serializer_context(), "names": {text: p.name for text, p in grants.named(subjects).items()}}

    @extend_schema(request=BudgetIn, responses={201: BudgetOut})
    def create(self, request: Request) -> Response:
        data = BudgetIn(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        made = budgets.set_budget(
            actor=person(request),
            scope=given["scope"],
            subject=budget_subjects.find(given["scope"], given.get("subject")),
            period=given["period"],
            limits=_limits(given, Budget()),
        )
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=BudgetPatch, responses=BudgetOut)
    def partial_update(self, request: Request, id: uuid.UUID) -> Response:
        data = BudgetPatch(data=request.data)
        data.is_valid(raise_exception=True)
        budget = self.get_object()
        changed = budgets.change_budget(actor=person(request), budget=budget, limits=_limits(data.validated_data, budget))
        return Response(self.get_serializer(changed).data)

    def destroy(self, request: Request, id: uuid.UUID) -> Response:
        budgets.remove_budget(actor=person(request), budget=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ModelGrantViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[ModelGrant]):
    """Whom models are kept for. A model that no grant names is everybody's."""

    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = ModelGrantOut
    pagination_class = CursorPages
    queryset = ModelGrant.objects.none()

    def get_queryset(self) -> QuerySet[ModelGrant]:
        query = ModelGrantQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        return ModelGrant.objects.filter(**query.validated_data)  # Whoever asks manages them.

    @extend_schema(parameters=[ModelGrantQuery])
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response(self._told(page))

    @extend_schema(request=ModelGrantIn, responses={201: ModelGrantOut})
    def create(self, request: Request) -> Response:
        data = ModelGrantIn(data=request.data)
        data.is_valid(raise_exception=True)
        principal = principal_of(data.validated_data["principal"])
        made = access.keep_model_for(actor=person(request), model=data.validated_data["model"], principal=principal)
        return Response(self._told([made])[0], status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, id: uuid.UUID) -> Response:
        access.give_model_back(actor=person(request), grant=id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _told(self, rows: Sequence[ModelGrant]) -> Any:
        names = grants.named(row.principal for row in rows)
        return ModelGrantOut(rows, many=True, context={"principals": names}).data


def _limits(given: dict[str, Any], now: Budget) -> budgets.Limits:
    names = ("money_limit", "token_limit", "warn_percent", "enabled")
    return budgets.Limits(**{name: given.get(name, getattr(now, name)) for name in names})
