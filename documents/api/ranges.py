"""Parts of a file over HTTP (RFC 9110, section 14): one range of bytes, as players ask for when somebody seeks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import IO

from django.http import HttpRequest
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

PIECE = 256 * 1024  # bytes
ONE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)
ANY_FILE = "application/octet-stream"

# How a route that answers `Range` stands in the OpenAPI document.
answers = extend_schema(
    parameters=[
        OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="one part: `bytes=0-499`, `bytes=500-`, `bytes=-9`"),
        OpenApiParameter("If-Range", str, OpenApiParameter.HEADER, description="an `ETag`: the whole where the file is another"),
        OpenApiParameter("Accept-Ranges", str, OpenApiParameter.HEADER, required=True, enum=["bytes"], response=[200, 206, 416]),
        OpenApiParameter("ETag", str, OpenApiParameter.HEADER, required=True, response=[200, 206, 416]),
        OpenApiParameter("Content-Length", int, OpenApiParameter.HEADER, required=True, response=[200, 206]),
        OpenApiParameter(
            "Content-Range",
            str,
            OpenApiParameter.HEADER,
            required=True,
            description="`bytes 0-499/1234`; of 416 the length alone, `bytes */1234`",
            response=[206, 416],
        ),
    ],
    responses={
        (200, ANY_FILE): OpenApiResponse(OpenApiTypes.BINARY, description="the whole file"),
        (206, ANY_FILE): OpenApiResponse(OpenApiTypes.BINARY, description="the part asked for"),
        (416, "application/problem+json"): OpenApiResponse(
            OpenApiTypes.OBJECT, description="`range_not_satisfiable`: the file is shorter"
        ),
    },
)


class NotSatisfiable(Exception):
    """The range lies outside the file."""


def asked(request: HttpRequest, *, size: int, etag: str) -> range | None:
    """The bytes that a request asks for, or None for all: several ranges, what is not understood, and a file that is
    another by now (`If-Range`) get the whole, and so does HEAD. Raises `NotSatisfiable`.
    """
    found = ONE.fullmatch(request.headers.get("Range", ""))
    if request.method != "GET" or found is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:  # The last so many.
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise NotSatisfiable
    return range(start, end)


class Part:
    """A file from one byte to before another, for reading; a response that ends closes it, begun or not."""

    def __init__(self, file: IO[bytes], part: range) -> None:
        self.file, self.left = file, len(part)
        if part.start:
            file.seek(part.start)

    def read(self, size: int = -1) -> bytes:
        content = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(content)
        return content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while content := await asyncio.to_thread(self.read, PIECE):
            yield content

    def close(self) -> None:
        self.file.close()
