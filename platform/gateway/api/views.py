"""The models that the person may use."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway import access, catalogue
from gateway.api.serializers import ModelList
from gateway.errors import NoPermittedModel, ProviderError


class ModelsView(APIView):
    @extend_schema(responses=ModelList)
    def get(self, request: Request) -> Response:
        try:
            models = async_to_sync(catalogue.load)()
        except (ProviderError, NoPermittedModel):
            models = ()  # No provider answers: none can be used now.
        return Response(ModelList({"results": access.usable(models), "next": None, "previous": None}).data)
