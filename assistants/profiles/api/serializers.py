"""Shapes of assistants: the instructions stay with those who manage them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.api.grants import PrincipalIn, PrincipalOut
from assistants.profiles.models import Assistant


class AssistantOut(serializers.ModelSerializer[Assistant]):
    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = Assistant
        fields = ["id", "name", "description", "starters", "model"]


class AssistantGrantIn(serializers.Serializer[Any]):
    principal = PrincipalIn()


class AssistantGrantOut(serializers.Serializer[Any]):
    principal = PrincipalOut()


class AssistantGrantList(serializers.Serializer[Any]):
    """Few enough for one page; in the shape of the other lists. None: everybody may use the assistant."""

    results = AssistantGrantOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
