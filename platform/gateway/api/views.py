"""The models that the person may use."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from asgiref.sync import async_to_sync
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway import access, catalogue
from gateway.api.serializers import ModelList
from gateway.errors import NoPermittedModel, ProviderError
from gateway.types import ModelInfo


class ModelsView(APIView):
    @extend_schema(responses=ModelList)
    def get(self, request: Request) -> Response:
        try:
            models = async_to_sync(catalogue.load)()
        except (ProviderError, NoPermittedModel):
            models = ()  # No provider answers: none can be used now.
        rows = [_row(model) for model in access.usable(models)]
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
        "health": catalogue.health(model),
    }


def _plain(price: Decimal | None) -> str | None:
    return None if price is None else f"{price.normalize():f}"
