"""Conversations as files, out and in."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from io import BytesIO
from typing import Any, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, renderers, serializers, status, viewsets
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import person
from assistants.conversations import exporting
from assistants.conversations.exporting import Archive, Format, file_name
from assistants.conversations.importing.errors import FileTooLarge
from assistants.conversations.importing.services import AT_ONCE, start_import
from assistants.conversations.models import Conversation, Import
from core.api import CursorPages, JSONRenderer
from core.errors import NotFound
from documents.api.files import guarded
from isolation import in_thread

KINDS = {"md": "text/markdown; charset=utf-8", "json": "application/json; charset=utf-8"}
FORMAT = OpenApiParameter("format", str, enum=list(KINDS), description="`json`: the whole tree; `md`: the active branch")
KEY = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description="The same key and body import once.")


class RawJSON(BaseParser):
    """A JSON body as it came: conversations are cut out of it before anything is decoded."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, BytesIO]:
        body = stream.read(AT_ONCE + 1)
        if len(body) > AT_ONCE:
            raise FileTooLarge(_("Send larger imports as a file (multipart/form-data)."), limit=AT_ONCE)
        return {"file": BytesIO(body)}


class AnyRenderer(renderers.BaseRenderer):
    """Whatever a client accepts, the file is what there is; errors are problem+json all the same."""

    media_type = "*/*"
    format = "any"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return JSONRenderer().render(data)


class TurnIn(serializers.Serializer[Any]):
    external_id = serializers.CharField(max_length=200, required=False, allow_blank=True)
    author = serializers.CharField(max_length=200, required=False, allow_blank=True)
    role = serializers.ChoiceField(choices=["user", "assistant"])
    content = serializers.CharField()
    created_at = serializers.DateTimeField(required=False)


class ImportIn(serializers.Serializer[Any]):
    """The simplest body; an export of ours, of ChatGPT or of Open WebUI is taken as it is."""

    title = serializers.CharField(max_length=200, required=False, allow_blank=True)
    external_id = serializers.CharField(max_length=200, required=False, allow_blank=True)
    messages = TurnIn(many=True)


class ImportFileIn(serializers.Serializer[Any]):
    file = serializers.FileField()


class SkippedOut(serializers.Serializer[Any]):
    conversation = serializers.CharField()
    message = serializers.CharField()
    reason = serializers.CharField()


class ImportOut(serializers.ModelSerializer[Import]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    conversations = serializers.SerializerMethodField()
    conversation = serializers.SerializerMethodField(help_text="where there is exactly one")
    messages = serializers.SerializerMethodField(help_text="of a body with one conversation, in its order")
    skipped = SkippedOut(many=True, help_text="what was left out; the first 1000")

    class Meta:
        model = Import
        fields = [
            "id",
            "status",
            "name",
            "progress",
            "conversation",
            "conversations",
            "messages",
            "imported",
            "existing",
            "refused",
            "reasons",
            "skipped",
            "error_code",
            "created_at",
            "finished_at",
        ]

    def get_conversations(self, row: Import) -> list[str]:
        return list(row.result.get("conversations", []))

    def get_conversation(self, row: Import) -> str | None:
        found = self.get_conversations(row)
        return found[0] if len(found) == 1 else None

    def get_messages(self, row: Import) -> list[str]:
        return list(row.result.get("messages", []))


class ImportBriefOut(ImportOut):
    """A row of the list: without what was left out, one by one."""

    class Meta(ImportOut.Meta):
        fields = [
            "id",
            "status",
            "name",
            "progress",
            "imported",
            "existing",
            "refused",
            "error_code",
            "created_at",
            "finished_at",
        ]

    conversations = None  # type: ignore[assignment]
    conversation = None  # type: ignore[assignment]
    messages = None  # type: ignore[assignment]
    skipped = None  # type: ignore[assignment]


class ImportView(APIView):
    parser_classes = [RawJSON, MultiPartParser]

    @extend_schema(
        request={"application/json": ImportIn, "multipart/form-data": ImportFileIn},
        responses={201: ImportOut, 202: ImportOut},
        parameters=[KEY],
    )
    def post(self, request: Request) -> Response:
        file = cast("dict[str, Any]", request.data).get("file")
        if not isinstance(file, (UploadedFile, BytesIO)):
            raise ValidationError({"file": ["A file is needed."]})
        row = start_import(
            owner=person(request),
            file=cast("BytesIO", file),
            name=getattr(file, "name", "") or "",
            key=request.headers.get("Idempotency-Key", "")[:200] or None,
        )
        return Response(ImportOut(row).data, status=status.HTTP_202_ACCEPTED if row.is_open else status.HTTP_201_CREATED)


class ImportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Import]):
    """One's own imports, and how far they are."""

    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = ImportOut
    pagination_class = CursorPages
    queryset = Import.objects.none()

    def get_queryset(self) -> Any:
        rows = Import.objects.visible_to(person(self.request))
        return rows.defer("skipped", "result", "reasons") if self.action == "list" else rows

    def get_serializer_class(self) -> type[serializers.ModelSerializer[Import]]:
        return ImportBriefOut if self.action == "list" else ImportOut


def _format(request: Request) -> Format:
    asked = request.query_params.get("format", "json")
    if asked not in KINDS:
        raise ParseError("format is json or md")
    return cast("Format", asked)


class ExportOneView(APIView):
    renderer_classes = [JSONRenderer, AnyRenderer]

    @extend_schema(parameters=[FORMAT], responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, id: uuid.UUID) -> HttpResponse:  # noqa: A002 (the route's name)
        form, user = _format(request), person(request)
        found = Conversation.objects.visible_to(user).select_related("assistant").filter(public_id=id).first()
        if found is None:
            raise NotFound(_("There is no such conversation."))
        response = HttpResponse(exporting.export_conversation(user=user, conversation=found, form=form), content_type=KINDS[form])
        guarded(response, file_name(found, form), "attachment")
        return response


class ExportAllView(APIView):
    renderer_classes = [JSONRenderer, AnyRenderer]

    @extend_schema(parameters=[FORMAT], responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request) -> HttpResponseBase:
        form, user = _format(request), person(request)
        exporting.note_export_of_all(user=user, form=form)
        response = StreamingHttpResponse(_parts(Archive(user, form)), content_type="application/zip")
        return guarded(response, "conversations.zip", "attachment")


async def _parts(archive: Archive) -> AsyncGenerator[bytes, None]:
    try:
        while (part := await in_thread(archive.part)) is not None:
            yield part
    finally:
        archive.close()
