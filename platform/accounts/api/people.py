"""People and groups over HTTP. Who may is decided before (`config.access`) and again by the services."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import passwords, people
from accounts.api.serializers import GroupIn, GroupOut, GroupPatch, PasswordLinkOut, PersonIn, PersonOut, PersonPatch
from accounts.authentication import person
from accounts.models import Group, User
from core.api import CursorPages


class PersonViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[User]):
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = PersonOut
    pagination_class = CursorPages
    queryset = User.objects.none()

    def get_queryset(self) -> QuerySet[User]:
        return User.objects.all()

    @extend_schema(request=PersonIn, responses={201: PersonOut})
    def create(self, request: Request) -> Response:
        data = PersonIn(data=request.data)
        data.is_valid(raise_exception=True)
        actor = person(request)
        made = people.add_person(actor=actor, **{"language": actor.language, **data.validated_data})
        return Response(PersonOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={201: PasswordLinkOut})
    @action(detail=True, methods=["post"], url_path="password-link")
    def password_link(self, request: Request, id: uuid.UUID) -> Response:
        """A link by which the person sets a new password; hand it over yourself. It works once, for an hour."""
        link = passwords.link_by_admin(actor=person(request), person=self.get_object())
        return Response({"link": link, "expires_in": int(passwords.LINK_LIFE.total_seconds())}, status=status.HTTP_201_CREATED)

    @extend_schema(request=PersonPatch, responses=PersonOut)
    def partial_update(self, request: Request, id: uuid.UUID) -> Response:
        data = PersonPatch(data=request.data)
        data.is_valid(raise_exception=True)
        changed = people.change_person(actor=person(request), person=self.get_object(), **data.validated_data)
        return Response(PersonOut(changed).data)


class GroupViewSet(viewsets.GenericViewSet[Group]):
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = GroupOut
    pagination_class = CursorPages
    queryset = Group.objects.none()

    def get_queryset(self) -> QuerySet[Group]:
        return Group.objects.all()

    def _out(self, groups: Iterable[Group]) -> list[dict[str, Any]]:
        groups = list(groups)
        members: dict[int, list[uuid.UUID]] = defaultdict(list)
        found = User.objects.filter(group_keys__overlap=[group.pk for group in groups])
        for public_id, keys in found.values_list("public_id", "group_keys"):
            for key in keys:
                members[key].append(public_id)
        return list(GroupOut(groups, many=True, context={"members": members}).data)

    @extend_schema(responses=GroupOut(many=True))
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self._out(page or []))

    @extend_schema(responses=GroupOut)
    def retrieve(self, request: Request, id: uuid.UUID) -> Response:
        return Response(self._out([self.get_object()])[0])

    @extend_schema(request=GroupIn, responses={201: GroupOut})
    def create(self, request: Request) -> Response:
        data = GroupIn(data=request.data)
        data.is_valid(raise_exception=True)
        group = people.add_group(actor=person(request), **data.validated_data)
        return Response(self._out([group])[0], status=status.HTTP_201_CREATED)

    @extend_schema(request=GroupPatch, responses=GroupOut)
    def partial_update(self, request: Request, id: uuid.UUID) -> Response:
        data = GroupPatch(data=request.data)
        data.is_valid(raise_exception=True)
        group, actor = self.get_object(), person(request)
        if (members := data.validated_data.get("members")) is not None:
            people.set_members(actor=actor, group=group, members=members)
        if name := data.validated_data.get("name"):
            people.rename_group(actor=actor, group=group, name=name)
        return Response(self._out([group])[0])

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, id: uuid.UUID) -> Response:
        people.delete_group(actor=person(request), group=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
