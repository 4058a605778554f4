"""Grants of folders and documents over HTTP: the same three verbs under both."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import grants
from accounts.api.grants import PrincipalIn, PrincipalOut, principal_of
from accounts.authentication import person
from documents import sharing
from documents.models import FolderGrant


class GrantIn(serializers.Serializer[Any]):
    principal = PrincipalIn()
    access = serializers.ChoiceField(choices=FolderGrant.Access.choices, default=FolderGrant.Access.READ)


class GrantGone(serializers.Serializer[Any]):
    principal = PrincipalIn()


class GrantOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    principal = PrincipalOut()
    access = serializers.CharField()


class GrantList(serializers.Serializer[Any]):
    """Few enough for one page; in the shape of the other lists."""

    results = GrantOut(many=True)
    next = serializers.CharField(allow_null=True, default=None)
    previous = serializers.CharField(allow_null=True, default=None)


class Granting:
    """For a viewset whose `get_object` gives a folder or document that the person sees."""

    @extend_schema(responses=GrantList)
    @action(detail=True, methods=["get"], pagination_class=None)
    def grants(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        found = sharing.shares(user=person(request), thing=self.get_object())  # type: ignore[attr-defined]
        return Response(GrantList({"results": found, "next": None, "previous": None}).data)

    @extend_schema(request=GrantIn, responses={201: GrantOut})
    @grants.mapping.post
    def grant(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        data = GrantIn(data=request.data)
        data.is_valid(raise_exception=True)
        thing = self.get_object()  # type: ignore[attr-defined]
        principal = principal_of(data.validated_data["principal"])
        made = sharing.share(user=person(request), thing=thing, principal=principal, access=data.validated_data["access"])
        return Response(GrantOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=GrantGone, responses={204: None})
    @grants.mapping.delete
    def revoke(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        data = GrantGone(data=request.data)
        data.is_valid(raise_exception=True)
        thing = self.get_object()  # type: ignore[attr-defined]
        sharing.unshare_with(user=person(request), thing=thing, principal=principal_of(data.validated_data["principal"]))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses={204: None})
    @action(detail=True, methods=["delete"], url_path="grants/<uuid:grant>")
    def revoke_one(self, request: Request, id: uuid.UUID, grant: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        sharing.unshare(user=person(request), thing=self.get_object(), grant=grant)  # type: ignore[attr-defined]
        return Response(status=status.HTTP_204_NO_CONTENT)


class PrincipalsView(APIView):
    """Whom one may share with: roles, groups and people, by `?q=`, a part of the name or address."""

    @extend_schema(responses=PrincipalOut(many=True))
    def get(self, request: Request) -> Response:
        found = grants.directory(request.query_params.get("q", ""), without=person(request).pk)
        rows = PrincipalOut(found[:100], many=True).data
        return Response({"results": rows, "next": None, "previous": None})
