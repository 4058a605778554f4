"""Folders, documents and search over HTTP."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, renderers, status, viewsets
from rest_framework.decorators import action
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from core.api import CursorPages, JSONRenderer
from documents import pages, services
from documents.api import files, ranges
from documents.api.grants import Granting
from documents.api.serializers import (
    ChunkOut,
    DocumentIn,
    DocumentOut,
    FolderIn,
    FolderOut,
    FolderPatch,
    SearchIn,
    SearchOut,
    TextOut,
)
from documents.errors import DocumentNotFound, FolderNotFound, NotReady
from documents.models import Document, DocumentText, Embedding, Folder
from documents.search import search


def person(request: Request | HttpRequest) -> User:
    """Who asks: the default permission lets nobody else in."""
    return cast("User", request.user)


class PlainTextRenderer(renderers.BaseRenderer):
    """Lets `Accept: text/plain` through negotiation; errors are problem+json all the same."""

    media_type = "text/plain"
    format = "txt"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return JSONRenderer().render(data)


class AnyRenderer(PlainTextRenderer):
    """For routes that answer with a file: whatever a client accepts, the file is what there is."""

    media_type = "*/*"
    format = "any"


class ReadingOrder(CursorPagination):
    page_size = 100
    max_page_size = 500
    page_size_query_param = "limit"
    ordering = "position"


class FolderViewSet(Granting, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Folder]):
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = FolderOut
    pagination_class = CursorPages
    queryset = Folder.objects.none()

    def get_queryset(self) -> QuerySet[Folder]:
        return Folder.objects.visible_to(person(self.request)).with_counts()

    def get_object(self) -> Folder:
        found = self.get_queryset().filter(public_id=self.kwargs["id"]).first()
        if found is None:
            raise FolderNotFound
        return found

    @extend_schema(request=FolderIn, responses={201: FolderOut})
    def create(self, request: Request) -> Response:
        data = FolderIn(data=request.data)
        data.is_valid(raise_exception=True)
        folder = services.create_folder(owner=person(request), **data.validated_data)
        return Response(self.get_serializer(folder).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=FolderPatch, responses=FolderOut)
    def partial_update(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        data = FolderPatch(data=request.data)
        data.is_valid(raise_exception=True)
        folder = services.change_folder(user=person(request), folder=self.get_object(), **data.validated_data)
        return Response(self.get_serializer(folder).data)

    def destroy(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        services.delete_folder(user=person(request), folder=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


LIST_PARAMETERS = [
    OpenApiParameter("folder", OpenApiTypes.UUID, description="only those in this folder; `none`: in no folder"),
    OpenApiParameter("status", str, enum=Document.Status.values),
    OpenApiParameter("all", bool, description="administrators: everybody's, metadata only"),
]


class DocumentViewSet(Granting, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Document]):
    """A document's metadata is shown to administrators too; its content only to those who may read it."""

    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = DocumentOut
    pagination_class = CursorPages
    queryset = Document.objects.none()

    def get_queryset(self) -> QuerySet[Document]:
        asked = self.request.query_params
        metadata = self.action == "retrieve" or (self.action == "list" and asked.get("all") in {"1", "true"})
        user = person(self.request)
        rows = Document.objects.listed_to(user) if metadata else Document.objects.visible_to(user)
        if self.action == "list":
            return _filtered(rows, asked.get("folder"), asked.get("status")).select_related("folder")
        return rows.select_related("folder")

    def get_object(self) -> Document:
        found = self.get_queryset().filter(public_id=self.kwargs["id"]).first()
        if found is None:
            raise DocumentNotFound
        return found

    @extend_schema(parameters=LIST_PARAMETERS)
    def list(self, request: Request) -> Response:
        return super().list(request)

    @extend_schema(request={"multipart/form-data": DocumentIn}, responses={202: DocumentOut})
    def create(self, request: Request) -> Response:
        data = DocumentIn(data=request.data)
        data.is_valid(raise_exception=True)
        document = services.upload_document(owner=person(request), **data.validated_data)
        return Response(self.get_serializer(document).data, status=status.HTTP_202_ACCEPTED)

    def destroy(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        services.delete_document(user=person(request), document=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={202: DocumentOut})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        document = services.retry_document(user=person(request), document=self.get_object())
        return Response(self.get_serializer(document).data, status=status.HTTP_202_ACCEPTED)

    @ranges.answers
    @action(detail=True, methods=["get"], renderer_classes=[JSONRenderer, AnyRenderer])
    def file(self, request: Request, id: uuid.UUID) -> HttpResponseBase:  # noqa: A002 (the route's name)
        return files.original(request._request, self.get_object())

    @extend_schema(responses={200: TextOut, (200, "text/plain"): OpenApiTypes.STR})
    @action(detail=True, methods=["get"], renderer_classes=[JSONRenderer, PlainTextRenderer])
    def text(self, request: Request, id: uuid.UUID) -> HttpResponseBase:  # noqa: A002 (the route's name)
        document = self.get_object()
        body = DocumentText.objects.filter(document=document).first()
        if body is None:
            raise NotReady
        if isinstance(request.accepted_renderer, PlainTextRenderer):
            return HttpResponse(body.text, content_type="text/plain; charset=utf-8")
        out = {"id": document.public_id, "title": document.title, "language": document.language, "text": body.text}
        return Response(TextOut(out).data)

    @extend_schema(responses=ChunkOut(many=True))
    @action(detail=True, methods=["get"], pagination_class=ReadingOrder)
    def chunks(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        rows = Embedding.objects.filter(document=self.get_object())
        page = cast("list[Embedding]", self.paginate_queryset(rows))  # type: ignore[arg-type]
        return self.get_paginated_response(ChunkOut(page, many=True).data)

    @extend_schema(
        parameters=[OpenApiParameter("number", int, OpenApiParameter.PATH)],
        responses={(200, pages.CONTENT_TYPE): OpenApiTypes.BINARY, 404: OpenApiResponse(description="no picture")},
    )
    @action(detail=True, methods=["get"], url_path="pages/<int:number>", renderer_classes=[JSONRenderer, AnyRenderer])
    def page(self, request: Request, id: uuid.UUID, number: int) -> HttpResponse:  # noqa: A002 (the route's name)
        document = self.get_object()
        return files.image(pages.page_image(document, number), pages.CONTENT_TYPE, f"{document.title}-{number}.webp")

    def get_parsers(self) -> Any:
        return [MultiPartParser()] if getattr(self, "action_map", {}).get("post") == "create" else super().get_parsers()


def _filtered(rows: QuerySet[Document], folder: str | None, state: str | None) -> QuerySet[Document]:
    if folder == "none":
        rows = rows.filter(folder=None)
    elif folder:
        try:
            rows = rows.filter(folder__public_id=uuid.UUID(folder))
        except ValueError as error:
            raise FolderNotFound from error
    return rows.filter(status=state) if state else rows


class SearchView(APIView):
    """The best passages for a question, in what the person may read."""

    @extend_schema(request=SearchIn, responses=SearchOut)
    def post(self, request: Request) -> Response:
        data = SearchIn(data=request.data)
        data.is_valid(raise_exception=True)
        found = search(user=person(request), **data.validated_data)
        return Response({"results": [citation.as_json() for citation in found]})
