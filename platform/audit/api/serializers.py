"""The shape of an audit event."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from audit.models import AuditEvent


class AuditQuery(serializers.Serializer[Any]):
    action = serializers.CharField(max_length=60, required=False, help_text="an action, or the part before its dot")
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class AuditEventOut(serializers.ModelSerializer[AuditEvent]):
    id = serializers.IntegerField(source="seq", read_only=True)
    actor = serializers.CharField(source="actor_name", read_only=True)
    details = serializers.JSONField(source="facts", read_only=True)

    class Meta:
        model = AuditEvent
        fields = ["id", "at", "actor", "address", "action", "target", "details", "hash"]
