"""Audit events over HTTP, newest first."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.serializers import AuditEventOut, AuditQuery
from audit.models import AuditEvent
from core.api import CursorPages


class NewestFirst(CursorPages):
    ordering = "-seq"


class AuditEventView(generics.ListAPIView[AuditEvent]):
    serializer_class = AuditEventOut
    pagination_class = NewestFirst
    queryset = AuditEvent.objects.none()

    def get_queryset(self) -> QuerySet[AuditEvent]:
        query = AuditQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        asked: dict[str, Any] = query.validated_data
        events = AuditEvent.objects.all()
        if action := asked.get("action"):
            events = events.filter(Q(action=action) | Q(action__startswith=f"{action}."))
        if since := asked.get("since"):
            events = events.filter(at__gte=since)
        return events.filter(at__lt=asked["until"]) if "until" in asked else events

    @extend_schema(parameters=[AuditQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)
