"""The tree of messages over HTTP: read, edit, regenerate, continue, walk between branches, rate."""

from __future__ import annotations

import uuid
from typing import Any

from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import identity, person
from assistants.conversations import branches
from assistants.conversations.api.serializers import (
    AcceptedOut,
    AgainIn,
    ContinueIn,
    ConversationOut,
    FeedbackIn,
    FeedbackOut,
    MessageIn,
    MessageOut,
)
from assistants.conversations.api.views import KEY, SSE, EventStreamRenderer, accepted, key_of
from assistants.conversations.models import Message
from assistants.conversations.tree import Tree
from core.api import JSONRenderer
from core.errors import NotFound
from gateway import parameters

STORED: Any = {202: AcceptedOut, (200, SSE): OpenApiResponse(str)}


def asked_of(request: Request, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The body as the services take it. Raises `ValidationError` or `ParameterNotAllowed`."""
    parameters.check(request.data)
    data = shape(data=request.data)
    data.is_valid(raise_exception=True)
    return {**data.validated_data, "api_key": identity(request).key}


class MessageDetailViewSet(viewsets.GenericViewSet[Message]):
    """One message, whatever its branch."""

    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = MessageOut
    renderer_classes = [JSONRenderer, EventStreamRenderer]
    queryset = Message.objects.none()

    def retrieve(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        user = person(request)
        found = branches.visible_message(user, id)
        row = branches.rows_of(user, [found.pk]).first()
        if row is None:
            raise NotFound(_("There is no such message."))
        beside = Tree.of(found.conversation).ids_beside([row])
        return Response(MessageOut(row, context={"siblings": beside}).data)

    @extend_schema(request=MessageIn, responses=STORED, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def edit(self, request: Request, id: uuid.UUID) -> HttpResponseBase:  # noqa: A002 (the route's name)
        asked = asked_of(request, MessageIn)
        content = asked.pop("content")
        started = branches.edit_message(owner=person(request), message=id, content=content, key=key_of(request), request=asked)
        return accepted(request, started)

    @extend_schema(request=AgainIn, responses=STORED, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def regenerate(self, request: Request, id: uuid.UUID) -> HttpResponseBase:  # noqa: A002 (the route's name)
        asked = asked_of(request, AgainIn)
        return accepted(request, branches.regenerate(owner=person(request), message=id, key=key_of(request), request=asked))

    @extend_schema(request=None, responses=ConversationOut)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        return Response(ConversationOut(branches.activate(owner=person(request), message=id)).data)

    @extend_schema(request=None, responses=ConversationOut)
    @action(detail=True, methods=["post"])
    def keep(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        return Response(ConversationOut(branches.keep_answer(owner=person(request), message=id)).data)

    @extend_schema(request=FeedbackIn, responses=FeedbackOut)
    @action(detail=True, methods=["post"])
    def feedback(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        data = FeedbackIn(data=request.data)
        data.is_valid(raise_exception=True)
        return Response(FeedbackOut(branches.rate(owner=person(request), message=id, **data.validated_data)).data)

    @extend_schema(request=None, responses={204: None})
    @feedback.mapping.delete
    def no_feedback(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        branches.take_rating_back(owner=person(request), message=id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ContinueView(APIView):
    """A run that broke off is gone on with: a new answer that begins with the text so far."""

    renderer_classes = [JSONRenderer, EventStreamRenderer]

    @extend_schema(request=ContinueIn, responses=STORED, parameters=[KEY])
    def post(self, request: Request, id: uuid.UUID) -> HttpResponseBase:  # noqa: A002 (the route's name)
        asked = asked_of(request, ContinueIn)
        return accepted(request, branches.continue_run(owner=person(request), run=id, key=key_of(request), request=asked))
