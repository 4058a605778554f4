"""The shape of a model that one may use."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class ModelOut(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="what `model` of a message takes")
    name = serializers.CharField()
    provider = serializers.CharField()
    locality = serializers.ChoiceField(choices=["local", "cloud"])
    context_window = serializers.IntegerField(help_text="tokens")


class ModelList(serializers.Serializer[Any]):
    """Few enough for one page; in the shape of the other lists."""

    results = ModelOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
