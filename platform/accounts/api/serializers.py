"""Shapes of sign-in and people."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from rest_framework import serializers

from accounts.keys import SCOPES
from accounts.models import ApiKey, Group, SignIn, User

ROLES = [choice for choice in User.Role.choices if choice[0] != User.Role.OPERATOR]


class CredentialsIn(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)
    code = serializers.CharField(max_length=40, required=False, help_text="of the authenticator, or a recovery code")


class RefreshIn(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096)


class SignOutIn(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096, required=False)


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


class ApiKeyIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=[right.value for right in SCOPES]), min_length=1)
    expires_at = serializers.DateTimeField(required=False, help_text="a year from now, where it is left out")


class ApiKeyOut(serializers.ModelSerializer[ApiKey]):
    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = ApiKey
        fields = ["id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at"]


class ApiKeyMade(ApiKeyOut):
    key = serializers.CharField(help_text="shown in this answer only")

    class Meta(ApiKeyOut.Meta):
        fields = [*ApiKeyOut.Meta.fields, "key"]


class SignInOut(serializers.ModelSerializer[SignIn]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    current = serializers.SerializerMethodField()

    class Meta:
        model = SignIn
        fields = ["id", "kind", "agent", "address", "created_at", "last_used_at", "expires_at", "current"]

    def get_current(self, found: SignIn) -> bool:
        return bool(found.public_id == self.context["current"])


class PasswordChangeIn(serializers.Serializer[Any]):
    old = serializers.CharField(max_length=1024, trim_whitespace=False)
    new = serializers.CharField(trim_whitespace=False)


class PasswordResetIn(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254)


class PasswordSetIn(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=200)
    password = serializers.CharField(trim_whitespace=False)


class PasswordLinkOut(serializers.Serializer[Any]):
    link = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="seconds")


class PersonIn(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=ROLES, default=User.Role.MEMBER)
    first_name = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    last_name = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    language = serializers.ChoiceField(choices=settings.LANGUAGES, required=False)
    password = serializers.CharField(max_length=1024, required=False, trim_whitespace=False, write_only=True)

    def validate_password(self, password: str) -> str:
        try:
            validate_password(password)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages) from error
        return password


class PersonPatch(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=ROLES, required=False)
    is_active = serializers.BooleanField(required=False)
    first_name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    last_name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    language = serializers.ChoiceField(choices=settings.LANGUAGES, required=False)


class PersonOut(serializers.ModelSerializer[User]):
    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = User
        fields = ["id", "email", "first_name", "last_name", "role", "language", "is_active", "created_at", "last_login"]


class GroupIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    members = serializers.ListField(child=serializers.UUIDField(), max_length=10_000, required=False)


class GroupPatch(GroupIn):
    name = serializers.CharField(max_length=100, required=False)


class GroupOut(serializers.ModelSerializer[Group]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    members = serializers.SerializerMethodField(help_text="ids of people")

    class Meta:
        model = Group
        fields = ["id", "name", "members", "created_at"]

    def get_members(self, group: Group) -> list[str]:
        return [str(found) for found in self.context["members"].get(group.pk, [])]
