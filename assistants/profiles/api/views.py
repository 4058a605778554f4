"""The assistants one may use, and, for those who manage them, whom each is kept for."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.grants import principal_of
from accounts.authentication import person
from accounts.grants import Principal
from assistants.profiles import services
from assistants.profiles.api.serializers import AssistantGrantIn, AssistantGrantList, AssistantGrantOut, AssistantOut
from assistants.profiles.models import Assistant
from core.api import CursorPages


class ByPosition(CursorPages):
    ordering = ("position", "id")  # type: ignore[assignment]


class AssistantViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Assistant]):
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = AssistantOut
    pagination_class = ByPosition
    queryset = Assistant.objects.none()

    def get_queryset(self) -> QuerySet[Assistant]:
        if self.action == "list":
            return Assistant.objects.visible_to(person(self.request))
        return Assistant.objects.all()  # Whoever manages them has the right already.

    @extend_schema(responses=AssistantGrantList)
    @action(detail=True, methods=["get"], pagination_class=None)
    def grants(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        rows: list[dict[str, Any]] = [{"principal": one} for one in services.kept_for(self.get_object())]
        return Response(AssistantGrantList({"results": rows, "next": None, "previous": None}).data)

    @extend_schema(request=AssistantGrantIn, responses={201: AssistantGrantOut})
    @grants.mapping.post
    def keep(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        assistant, principal = self.get_object(), self._principal(request)
        services.keep_for(actor=person(request), assistant=assistant, principal=principal)
        return Response(AssistantGrantOut({"principal": principal}).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=AssistantGrantIn, responses={204: None})
    @grants.mapping.delete
    def give_back(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        assistant, principal = self.get_object(), self._principal(request)
        services.give_back(actor=person(request), assistant=assistant, principal=principal)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @staticmethod
    def _principal(request: Request) -> Principal:
        data = AssistantGrantIn(data=request.data)
        data.is_valid(raise_exception=True)
        return principal_of(data.validated_data["principal"])
