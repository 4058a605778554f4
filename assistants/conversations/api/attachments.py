"""Attachments over HTTP: uploaded, looked at, removed while no message has taken them."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import person
from assistants.conversations import attachments
from assistants.conversations.api.serializers import AttachmentIn, AttachmentOut
from assistants.conversations.models import Attachment
from core.api import JSONRenderer
from core.errors import NotFound
from documents.api import files, ranges
from documents.api.views import AnyRenderer


class AttachmentViewSet(viewsets.GenericViewSet[Attachment]):
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = AttachmentOut
    queryset = Attachment.objects.none()

    @extend_schema(request={"multipart/form-data": AttachmentIn}, responses={201: AttachmentOut})
    def create(self, request: Request) -> Response:
        data = AttachmentIn(data=request.data)
        data.is_valid(raise_exception=True)
        made = attachments.upload(owner=person(request), file=data.validated_data["file"])
        return Response(AttachmentOut(made).data, status=status.HTTP_201_CREATED)

    def retrieve(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        return Response(AttachmentOut(attachments.find(person(request), id)).data)

    def destroy(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        attachments.discard(owner=person(request), attachment=id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @ranges.answers
    @action(detail=True, methods=["get"], renderer_classes=[JSONRenderer, AnyRenderer])
    def file(self, request: Request, id: uuid.UUID) -> HttpResponseBase:  # noqa: A002 (the route's name)
        """Pictures, which we have drawn, and sounds open in the page; files are for saving. `Range` gives one part of it."""
        found = attachments.find(person(request), id)
        disposition = "attachment" if found.kind == Attachment.Kind.FILE else "inline"
        try:
            response = files.stored(
                request._request,
                found.path,
                name=found.name,
                content_type=found.content_type,
                size=found.size,
                sha256=found.sha256,
                disposition=disposition,
            )
        except FileNotFoundError:
            raise NotFound(_("The stored file is gone.")) from None
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    def get_parsers(self) -> Any:
        posting = cast("dict[str, str]", getattr(self, "action_map", {})).get("post") == "create"
        return [MultiPartParser()] if posting else super().get_parsers()
