"""A principal as the API names it: `{type: user|group, id}` or `{type: role, name}`."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts import grants
from accounts.grants import KINDS, Principal


class PrincipalIn(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=KINDS)
    id = serializers.UUIDField(required=False, help_text="of a person or group")
    name = serializers.CharField(max_length=20, required=False, help_text="of a role")

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        wanted = "name" if given["type"] == "role" else "id"
        if wanted not in given:
            raise serializers.ValidationError({wanted: "Required."})
        return given


class PrincipalOut(serializers.Serializer[Any]):
    type = serializers.CharField(source="kind")
    id = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()


def principal_of(given: dict[str, Any]) -> Principal:
    """Raises `NoSuchPrincipal`."""
    return grants.find(given["type"], id=given.get("id"), name=given.get("name"))
