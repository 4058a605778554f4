"""Files of people as responses: never shown by the browser as a page of this site."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import IO
from urllib.parse import quote

from django.core.files.storage import default_storage
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from documents.models import Document

USER_FILE_POLICY = "sandbox; default-src 'none'"
PART = 256 * 1024  # bytes
# A browser never gets to interpret these, whatever it thinks of attachments.
NEUTRAL = {"text/html": "application/octet-stream"}


def original(request: HttpRequest, document: Document) -> HttpResponseBase:
    """The uploaded file as a download, streamed."""
    return stored(request, document.path, name=document.title, content_type=document.content_type, size=document.size)


def stored(
    request: HttpRequest, path: str, *, name: str, content_type: str, size: int, disposition: str = "attachment"
) -> HttpResponseBase:
    """A person's file, streamed. Raises `FileNotFoundError`."""
    file = default_storage.open(path)
    content_type = NEUTRAL.get(content_type, content_type)
    response: HttpResponseBase
    if isinstance(request, ASGIRequest):
        response = StreamingHttpResponse(_parts(file), content_type=content_type)
    else:
        response = FileResponse(file, content_type=content_type)
    response.headers["Content-Length"] = str(size)
    return guarded(response, name, disposition)


def image(content: bytes, content_type: str, name: str) -> HttpResponse:
    """A picture drawn by us from a person's file."""
    response = HttpResponse(content, content_type=content_type)
    response.headers["Cache-Control"] = "private, no-cache"
    guarded(response, name, "inline")
    return response


def guarded(response: HttpResponseBase, name: str, disposition: str) -> HttpResponseBase:
    response.headers["Content-Disposition"] = f"{disposition}; filename*=UTF-8''{quote(name, safe='')}"
    response.headers["Content-Security-Policy"] = USER_FILE_POLICY
    return response


async def _parts(file: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        while part := await asyncio.to_thread(file.read, PART):
            yield part
    finally:
        file.close()
