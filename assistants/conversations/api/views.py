"""Conversations, messages and runs over HTTP; answers as 202 or as a server-sent stream."""

from __future__ import annotations

import json
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator
from typing import Any

from asgiref.sync import async_to_sync
from django.db import transaction
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, renderers, status, viewsets
from rest_framework.decorators import action
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import identity, person
from assistants.conversations import bin as bins
from assistants.conversations import branches, following, organising, privacy, services
from assistants.conversations.api.organising import FILTERS, Organising
from assistants.conversations.api.serializers import (
    AcceptedOut,
    ConversationIn,
    ConversationOut,
    ConversationPatch,
    MessageIn,
    MessageOut,
    PreviewIn,
    PreviewOut,
    RunOut,
    SentOut,
)
from assistants.conversations.models import Conversation, Message, Run
from assistants.conversations.tree import Tree
from assistants.conversations.turns import Started
from core.api import CursorPages, JSONRenderer
from core.errors import NotFound
from gateway import parameters
from isolation import context

SSE = "text/event-stream"
KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="The same key and body give the same turn again."
)


class EventStreamRenderer(renderers.BaseRenderer):
    """Lets `Accept: text/event-stream` through negotiation; errors are problem+json all the same."""

    media_type = SSE
    format = "sse"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return JSONRenderer().render(data)


class OldestFirst(CursorPagination):
    page_size = 100
    max_page_size = 500
    page_size_query_param = "limit"
    ordering = "id"


class BranchPages(OldestFirst):
    """Pages of one branch, whose keys are all known, so that only a page's rows are read."""

    def near(self, request: Request, branch: list[int]) -> list[int]:
        """Those of the branch's keys, in ascending order, among which the page asked for and its neighbour lie."""
        cursor = self.decode_cursor(request)
        size = self.get_page_size(request) or 1
        if cursor is None or not str(cursor.position or "").isdecimal():
            return branch if cursor and cursor.reverse else branch[: size + 1 + (cursor.offset if cursor else 0)]
        at = int(str(cursor.position))
        if cursor.reverse:
            end = bisect_left(branch, at)
            return branch[max(0, end - size - 1 - cursor.offset) : end]
        return branch[(start := bisect_right(branch, at)) : start + size + 1 + cursor.offset]


class NewestActive(CursorPages):
    ordering = ("-active_at", "-id")  # type: ignore[assignment]


def sse(event: bytes) -> bytes:
    """One event as a server-sent event whose id is its sequence number."""
    return b"id: %d\ndata: %s\n\n" % (json.loads(event)["seq"], event)


def streamed(body: AsyncGenerator[bytes, None]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(body, content_type=f"{SSE}; charset=utf-8")
    response.headers["X-Accel-Buffering"] = "no"
    return response


class ConversationViewSet(Organising, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Conversation]):
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = ConversationOut
    pagination_class = NewestActive
    queryset = Conversation.objects.none()

    def get_queryset(self) -> QuerySet[Conversation]:
        user = person(self.request)
        listing = getattr(self, "action", None) == "list"
        rows = organising.listed(user, self.request.query_params) if listing else Conversation.objects.visible_to(user)
        return rows.select_related("assistant", "folder").prefetch_related("tags")

    @extend_schema(parameters=FILTERS)
    def list(self, request: Request) -> Response:
        return super().list(request)

    @extend_schema(request=ConversationIn, responses={201: ConversationOut})
    def create(self, request: Request) -> Response:
        data = ConversationIn(data=request.data)
        data.is_valid(raise_exception=True)
        made = services.create_conversation(owner=person(request), **data.validated_data)
        return Response(ConversationOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ConversationPatch, responses=ConversationOut)
    def partial_update(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        data = ConversationPatch(data=request.data)
        data.is_valid(raise_exception=True)
        conversation, given = self.get_object(), dict(data.validated_data)
        used = {name: given.pop(name) for name in ("model", "folders", "assistant") if name in given}
        with transaction.atomic():
            branches.choose_for(owner=person(request), conversation=conversation, **used)
            organising.organise(user=person(request), conversation=conversation, changes=given)
        return Response(ConversationOut(self.get_object()).data)

    @extend_schema(parameters=[OpenApiParameter("forever", bool, description="not into the bin, but for good")])
    def destroy(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        forever = request.query_params.get("forever", "").lower() in {"true", "1"}
        bins.delete(conversation=bins.find(person(request), id), forever=forever)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MessageViewSet(viewsets.GenericViewSet[Message]):
    """The messages of one conversation."""

    serializer_class = MessageOut
    pagination_class = BranchPages
    renderer_classes = [JSONRenderer, EventStreamRenderer]
    queryset = Message.objects.none()

    def _conversation(self) -> Conversation:
        found = Conversation.objects.visible_to(person(self.request)).filter(public_id=self.kwargs["conversation"]).first()
        if found is None:
            raise NotFound(_("There is no such conversation."))
        return found

    @extend_schema(responses=MessageOut(many=True))
    def list(self, request: Request, conversation: uuid.UUID) -> Response:
        """The active branch, oldest first."""
        tree = Tree.of(self._conversation())
        keys = BranchPages().near(request, tree.path())
        page = self.paginate_queryset(branches.rows_of(person(request), keys)) or []
        return self.get_paginated_response(MessageOut(page, many=True, context={"siblings": tree.ids_beside(page)}).data)

    @extend_schema(request=MessageIn, responses={202: AcceptedOut, (200, SSE): OpenApiResponse(str)}, parameters=[KEY])
    def create(self, request: Request, conversation: uuid.UUID) -> HttpResponseBase:
        parameters.check(request.data)
        data = MessageIn(data=request.data)
        data.is_valid(raise_exception=True)
        asked = {**data.validated_data, "api_key": identity(request).key}
        started = services.start_run(
            owner=person(request),
            conversation=conversation,
            content=asked.pop("content"),
            key=key_of(request),
            request=asked,
        )
        return accepted(request, started)


def key_of(request: Request) -> str | None:
    return request.headers.get("Idempotency-Key", "")[:200] or None


def accepted(request: Request, started: Started) -> HttpResponseBase:
    """What every turn answers: 202 and the ids, or with `Accept: text/event-stream` these and then its events."""
    if SSE not in request.headers.get("Accept", ""):
        return Response(started.as_json(), status=status.HTTP_202_ACCEPTED)
    return streamed(_turn(request, started, get_language()))


async def _turn(request: Request, started: Started, language: str | None) -> AsyncGenerator[bytes, None]:
    """The accepted turn as the first data line, then the events of its run, or of its runs as they come."""
    yield b"data: %s\n\n" % json.dumps(started.as_json()).encode()
    runs = [run.public_id for run in (started.run, *started.beside)]
    schema = context.current().schema
    async for event in following.stream_all(user=person(request), schema=schema, runs=runs, language=language):
        yield sse(event)


class PreviewView(APIView):
    """What would happen to a message: where it would be answered, and why. Nothing is sent."""

    @extend_schema(request=PreviewIn, responses=PreviewOut)
    def post(self, request: Request) -> Response:
        data = PreviewIn(data=request.data)
        data.is_valid(raise_exception=True)
        found = async_to_sync(privacy.preview)(user=person(request), question=privacy.Question(**data.validated_data))
        return Response(PreviewOut(found.as_json()).data)


class RunViewSet(mixins.RetrieveModelMixin, viewsets.GenericViewSet[Run]):
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = RunOut
    queryset = Run.objects.none()
    renderer_classes = [JSONRenderer, EventStreamRenderer]

    def get_queryset(self) -> QuerySet[Run]:
        return Run.objects.visible_to(person(self.request)).select_related("conversation", "question", "answer")

    @extend_schema(
        parameters=[OpenApiParameter("after", int), OpenApiParameter("Last-Event-ID", int, OpenApiParameter.HEADER)],
        responses={(200, SSE): OpenApiResponse(str)},
    )
    @action(detail=True, methods=["get"])
    def events(self, request: Request, id: uuid.UUID) -> HttpResponseBase:  # noqa: A002 (the route's name)
        run = self.get_object()
        given = request.headers.get("Last-Event-ID") or request.query_params.get("after") or "0"
        after = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0
        return streamed(_events(request, run.public_id, after, get_language()))

    @extend_schema(responses=SentOut)
    @action(detail=True, methods=["get"])
    def sent(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        disclosure, messages, withheld = privacy.what_was_sent(user=person(request), run=id)
        told = {"masked": disclosure.masked, "withheld": withheld, "created_at": disclosure.created_at, "messages": messages}
        return Response(SentOut(told).data)

    @extend_schema(request=None, responses={202: RunOut})
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        async_to_sync(following.stop)(user=person(request), schema=context.current().schema, run=id)
        return Response(RunOut(self.get_object()).data, status=status.HTTP_202_ACCEPTED)


async def _events(request: Request, run: uuid.UUID, after: int, language: str | None) -> AsyncGenerator[bytes, None]:
    schema = context.current().schema
    async for event in following.stream(user=person(request), schema=schema, run=run, after=after, language=language):
        yield sse(event)
