"""Shapes of sign-in and people."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.models import User


class CredentialsIn(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)


class RefreshIn(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096)


class TokensOut(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="seconds")


class TicketOut(serializers.Serializer[Any]):
    ticket = serializers.CharField()


class MeOut(serializers.ModelSerializer[User]):
    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = User
        fields = ["id", "email", "first_name", "last_name", "role", "language"]
