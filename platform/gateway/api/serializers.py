"""The shape of a model that one may use."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class ModelOut(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="what `model` of a message takes")
    name = serializers.CharField()
    provider = serializers.CharField()
    locality = serializers.ChoiceField(choices=["local", "cloud"])
    country = serializers.CharField(help_text="where it runs, ISO 3166; empty where nobody said")
    context_window = serializers.IntegerField(help_text="tokens")
    abilities = serializers.ListField(child=serializers.CharField())
    input_price = serializers.CharField(allow_null=True, help_text="for a million tokens, in `currency`")
    output_price = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    health = serializers.ChoiceField(choices=["ok", "down", "unknown"], help_text="of its provider, when last asked")


class ModelList(serializers.Serializer[Any]):
    """Few enough for one page; in the shape of the other lists."""

    results = ModelOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
