"""One's own API keys and sign-ins over HTTP."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import keys, sign_ins
from accounts.api.serializers import ApiKeyIn, ApiKeyMade, ApiKeyOut, SignInOut
from accounts.authentication import identity, person
from accounts.models import ApiKey, SignIn
from core.api import CursorPages


class ApiKeyViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[ApiKey]):
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = ApiKeyOut
    pagination_class = CursorPages
    queryset = ApiKey.objects.none()

    def get_queryset(self) -> QuerySet[ApiKey]:
        return ApiKey.objects.visible_to(person(self.request))

    @extend_schema(request=ApiKeyIn, responses={201: ApiKeyMade})
    def create(self, request: Request) -> Response:
        data = ApiKeyIn(data=request.data)
        data.is_valid(raise_exception=True)
        made, key = keys.create(owner=person(request), **data.validated_data)
        return Response({**ApiKeyOut(made).data, "key": key}, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, id: uuid.UUID) -> Response:
        keys.revoke(owner=person(request), identifier=id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SignInViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[SignIn]):
    serializer_class = SignInOut
    pagination_class = CursorPages
    queryset = SignIn.objects.none()

    def get_queryset(self) -> QuerySet[SignIn]:
        return SignIn.objects.open_of(person(self.request))

    def get_serializer_context(self) -> dict[str, object]:
        found = getattr(self.request._request, "identity", None)
        return {**super().get_serializer_context(), "current": found.sign_in if found else None}

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, id: uuid.UUID) -> Response:
        sign_ins.end_one(user=person(request), identifier=id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses={204: None})
    def clear(self, request: Request) -> Response:
        """End all but the one that asks."""
        sign_ins.end_others(user=person(request), keep=identity(request).sign_in)
        return Response(status=status.HTTP_204_NO_CONTENT)
