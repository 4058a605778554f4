"""Leave to read others' private conversations, and what it opens; and who read one's own."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import person
from assistants.conversations import reading
from assistants.conversations.api.serializers import MessageOut, ReadableOut
from assistants.conversations.api.views import NewestActive, OldestFirst
from assistants.conversations.tree import Tree
from audit.models import Reading
from core.api import CursorPages


class ReadingIn(serializers.Serializer[Any]):
    person = serializers.UUIDField()
    reason = serializers.CharField(max_length=500, allow_blank=True)


class ReadingOut(serializers.ModelSerializer[Reading]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    reader = serializers.CharField(source="reader_name", read_only=True)

    class Meta:
        model = Reading
        fields = ["id", "reader", "reason", "opened_at", "expires_at"]


class ReadingViewSet(viewsets.GenericViewSet[Reading]):
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = ReadingOut
    pagination_class = CursorPages
    queryset = Reading.objects.none()

    @extend_schema(responses=ReadingOut(many=True))
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(reading.readings_by(person(request)))
        return self.get_paginated_response(ReadingOut(page or [], many=True).data)

    @extend_schema(request=ReadingIn, responses={201: ReadingOut})
    def create(self, request: Request) -> Response:
        data = ReadingIn(data=request.data)
        data.is_valid(raise_exception=True)
        leave = reading.take_leave(reader=person(request), **data.validated_data)
        return Response(ReadingOut(leave).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=ReadableOut(many=True))
    @action(detail=True, methods=["get"], pagination_class=NewestActive)
    def conversations(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        rows: Any = reading.conversations(reading.open_leave(reader=person(request), reading=id))
        return self.get_paginated_response(ReadableOut(self.paginate_queryset(rows) or [], many=True).data)

    @extend_schema(responses=MessageOut(many=True))
    @action(detail=True, methods=["get"], url_path="conversations/<uuid:conversation>/messages", pagination_class=OldestFirst)
    def messages(self, request: Request, id: uuid.UUID, conversation: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        leave = reading.open_leave(reader=person(request), reading=id)
        opened = reading.open_conversation(leave=leave, conversation=conversation)
        rows: Any = reading.messages(opened)
        page: list[Any] = list(self.paginate_queryset(rows) or [])
        beside = Tree.of(opened).ids_beside(page)
        return self.get_paginated_response(MessageOut(page, many=True, context={"siblings": beside}).data)


class MyReadingsView(generics.ListAPIView[Reading]):
    """Who took leave to read one's own conversations, when and why."""

    serializer_class = ReadingOut
    pagination_class = CursorPages
    queryset = Reading.objects.none()

    def get_queryset(self) -> QuerySet[Reading]:
        return reading.readings_of(person(self.request))
