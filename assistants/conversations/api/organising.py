"""Order in conversations over HTTP: folders, tags, the bin, search and drafts."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import person
from assistants.conversations import bin as bins
from assistants.conversations import drafts, organising
from assistants.conversations import search as searching
from assistants.conversations.api.serializers import (
    BinnedOut,
    ConversationFolderIn,
    ConversationFolderOut,
    ConversationOut,
    DraftIn,
    DraftOut,
    FoundListOut,
    TagIn,
    TagOut,
)
from assistants.conversations.models import Conversation, ConversationFolder, Draft, Tag
from core.api import CursorPages
from core.errors import NotFound

FILTERS = [
    OpenApiParameter("folder", OpenApiTypes.UUID, description="only those in this folder; `none`: in no folder"),
    OpenApiParameter("tag", OpenApiTypes.UUID),
    OpenApiParameter("pinned", bool),
    OpenApiParameter("archived", str, enum=["false", "true", "all"], description="`false` where it is not said"),
]


class LatestDeleted(CursorPages):
    ordering = ("-binned_at", "-id")  # type: ignore[assignment]


def _draft_body(draft: Draft | None) -> dict[str, Any]:
    return {"text": draft.text if draft else "", "updated_at": draft.updated_at if draft else None}


def _draft(request: Request, conversation: Conversation | None) -> Response:
    """GET, PUT or DELETE of one draft. One that is not there is empty."""
    user = person(request)
    if request.method == "DELETE":
        drafts.forget(user=user, conversation=conversation)
        return Response(status=status.HTTP_204_NO_CONTENT)
    if request.method == "GET":
        return Response(DraftOut(_draft_body(drafts.of(user, conversation))).data)
    data = DraftIn(data=request.data)
    data.is_valid(raise_exception=True)
    return Response(DraftOut(_draft_body(drafts.keep(user=user, conversation=conversation, **data.validated_data))).data)


class Organising(viewsets.GenericViewSet[Conversation]):
    """What conversations' own viewset has beside them."""

    @extend_schema(methods=["GET"], responses=BinnedOut(many=True))
    @extend_schema(methods=["DELETE"], request=None, responses={204: None})
    @action(detail=False, methods=["get", "delete"], pagination_class=LatestDeleted)
    def bin(self, request: Request) -> Response:
        """The person's bin; DELETE empties it for good."""
        user = person(request)
        if request.method == "DELETE":
            bins.empty(user=user)
            return Response(status=status.HTTP_204_NO_CONTENT)
        rows = Conversation.objects.in_bin(user).select_related("assistant", "folder").prefetch_related("tags")
        return self.get_paginated_response(BinnedOut(self.paginate_queryset(rows) or [], many=True).data)

    @extend_schema(request=None, responses=ConversationOut)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        bins.restore(conversation=bins.find(person(request), id))
        return Response(ConversationOut(self.get_object()).data)

    @extend_schema(
        parameters=[
            OpenApiParameter("q", str, required=True),
            OpenApiParameter("limit", int, description=f"at most {searching.MOST_RESULTS}"),
        ],
        responses=FoundListOut,
    )
    @action(detail=False, methods=["get"], pagination_class=None)
    def search(self, request: Request) -> Response:
        """The person's own messages and titles with all these words, newest first."""
        limit = request.query_params.get("limit", "")
        most = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 4 else 20
        found = searching.search(user=person(request), query=request.query_params.get("q", ""), most=most)
        return Response(FoundListOut({"results": [each.as_json() for each in found]}).data)

    @extend_schema(methods=["GET"], responses=DraftOut)
    @extend_schema(methods=["PUT"], request=DraftIn, responses=DraftOut)
    @extend_schema(methods=["DELETE"], request=None, responses={204: None})
    @action(detail=True, methods=["get", "put", "delete"])
    def draft(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        """A question to this conversation that is not sent yet."""
        return _draft(request, self.get_object())


class NewDraftView(APIView):
    """The question of a conversation that is not begun."""

    @extend_schema(responses=DraftOut)
    def get(self, request: Request) -> Response:
        return _draft(request, None)

    @extend_schema(request=DraftIn, responses=DraftOut)
    def put(self, request: Request) -> Response:
        return _draft(request, None)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        return _draft(request, None)


class NamedViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]):
    """A person's own folders or tags: what has a name, and nothing else to say."""

    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    pagination_class = CursorPages
    kind: ClassVar[Any]  # ConversationFolder or Tag
    shape: ClassVar[type[serializers.Serializer[Any]]]
    absent: ClassVar[str | Promise]

    def get_queryset(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.kind.objects.visible_to(person(self.request))
        return rows

    def get_object(self) -> Any:
        found = self.get_queryset().filter(public_id=self.kwargs["id"]).first()
        if found is None:
            raise NotFound(self.absent)
        return found

    def _name(self, request: Request) -> str:
        data = self.shape(data=request.data)
        data.is_valid(raise_exception=True)
        return str(data.validated_data["name"])

    def create(self, request: Request) -> Response:
        made = organising.create(self.kind, owner=person(request), name=self._name(request))
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        name = self._name(request)
        return Response(self.get_serializer(organising.rename(self.get_object(), name)).data)

    def destroy(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        organising.remove(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _documented(shape: type[serializers.Serializer[Any]], told: type[serializers.BaseSerializer[Any]]) -> Any:
    return extend_schema_view(
        create=extend_schema(request=shape, responses={201: told}),
        partial_update=extend_schema(request=shape, responses=told),
    )


@_documented(ConversationFolderIn, ConversationFolderOut)
class ConversationFolderViewSet(NamedViewSet):
    """A person's own folders of conversations. Deleting one leaves its conversations, in no folder."""

    queryset = ConversationFolder.objects.none()
    serializer_class = ConversationFolderOut
    kind, shape, absent = ConversationFolder, ConversationFolderIn, _("There is no such folder.")


@_documented(TagIn, TagOut)
class TagViewSet(NamedViewSet):
    """A person's own tags. Deleting one takes it from all conversations."""

    queryset = Tag.objects.none()
    serializer_class = TagOut
    kind, shape, absent = Tag, TagIn, _("There is no such tag.")
