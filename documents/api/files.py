"""Files of people as responses: never shown by the browser as a page of this site."""

from __future__ import annotations

import json
from urllib.parse import quote

from django.core.files.storage import default_storage
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from core.errors import problem
from core.views import PROBLEM
from documents.api import ranges
from documents.models import Document

USER_FILE_POLICY = "sandbox; default-src 'none'"
# A browser never gets to interpret these, whatever it thinks of attachments.
NEUTRAL = {"text/html": "application/octet-stream"}


def original(request: HttpRequest, document: Document) -> HttpResponseBase:
    """The uploaded file as a download, streamed."""
    return stored(
        request,
        document.path,
        name=document.title,
        content_type=document.content_type,
        size=document.size,
        sha256=document.sha256,
    )


def stored(
    request: HttpRequest,
    path: str,
    *,
    name: str,
    content_type: str,
    size: int,
    sha256: str,
    disposition: str = "attachment",
) -> HttpResponseBase:
    """A person's file, or the part of it that is asked for, streamed. Raises `FileNotFoundError`."""
    etag = f'"{sha256}"'
    headers = {"Accept-Ranges": "bytes", "ETag": etag}
    try:
        part = ranges.asked(request, size=size, etag=etag)
    except ranges.NotSatisfiable:
        detail = _("The file has %(size)d bytes.") % {"size": size}
        body = problem(416, "range_not_satisfiable", _("This part of the file does not exist"), detail)
        headers["Content-Range"] = f"bytes */{size}"
        return HttpResponse(json.dumps(body), status=416, content_type=PROBLEM, headers=headers)
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    wanted = range(size) if part is None else part
    headers["Content-Length"] = str(len(wanted))
    file = ranges.Part(default_storage.open(path), wanted)
    content_type = NEUTRAL.get(content_type, content_type)
    status = 200 if part is None else 206
    response: HttpResponseBase
    if request.method == "HEAD":
        file.close()
        response = HttpResponse(content_type=content_type)
    elif isinstance(request, ASGIRequest):
        response = StreamingHttpResponse(file, content_type=content_type, status=status)
    else:
        response = FileResponse(file, content_type=content_type, status=status)
    for header, value in headers.items():
        response.headers[header] = value
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
