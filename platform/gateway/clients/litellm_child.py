"""A process of its own that speaks with every provider litellm knows: `python -m gateway.clients.litellm_child SOCKET`.

Each connection is one call: a line of JSON comes in, chunks in OpenAI's shape go out, one a line. Closing the connection
cancels the call. The process ends with its parent, whose end of the standard input closes then. It loads nothing of the
product and is given none of its secrets but the key of the call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

LONGEST = 64 * 1024 * 1024  # bytes of a request, pictures included
LONGEST_EVENT = 1024 * 1024  # bytes
STREAMS = ("text/event-stream", "application/x-ndjson")
KINDS = {  # of litellm's exceptions, by name, since their families differ between versions
    "ContextWindowExceededError": (400, "context_length_exceeded"),
    "RateLimitError": (429, "rate_limit_exceeded"),
    "Timeout": (408, "timeout"),
    "APIConnectionError": (503, "connection"),
    "ServiceUnavailableError": (503, "unavailable"),
    "InternalServerError": (500, "server_error"),
    "BadGatewayError": (502, "server_error"),
    "AuthenticationError": (401, "invalid_api_key"),
    "PermissionDeniedError": (403, "permission_error"),
    "NotFoundError": (404, "model_not_found"),
    "ContentPolicyViolationError": (400, "content_filter"),
    "BadRequestError": (400, "invalid_request_error"),
    "UnsupportedParamsError": (400, "invalid_request_error"),
    "UnprocessableEntityError": (422, "invalid_request_error"),
}


def main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    litellm.drop_params = True
    _bound_events()
    asyncio.run(_serve(sys.argv[1]))


def _bound_events() -> None:
    """Break off an answer with an event that does not end: read whole, it would take memory and, parsed, all calls' time."""
    import httpx

    send = httpx.AsyncClient.send

    class Bounded(httpx.AsyncByteStream):
        def __init__(self, inner: httpx.AsyncByteStream) -> None:
            self._inner = inner

        async def __aiter__(self) -> AsyncIterator[bytes]:
            length = 0
            async for piece in self._inner:
                end = piece.rfind(b"\n")
                length = length + len(piece) if end < 0 else len(piece) - end
                if length > LONGEST_EVENT:
                    raise httpx.RemoteProtocolError("An event of the answer is too long.")
                yield piece

        async def aclose(self) -> None:
            await self._inner.aclose()

    async def bounded(self: httpx.AsyncClient, request: httpx.Request, **more: Any) -> httpx.Response:
        response = await send(self, request, **more)
        if response.headers.get("content-type", "").startswith(STREAMS) and isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = Bounded(response.stream)
        return response

    httpx.AsyncClient.send = bounded  # type: ignore[method-assign]


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


async def _serve(path: str) -> None:
    server = await asyncio.start_unix_server(_call, path, limit=LONGEST)
    await server.serve_forever()


async def _call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        line = await reader.readline()
        if line:
            answer = asyncio.create_task(_answer(json.loads(line), writer))
            gone = asyncio.create_task(reader.read(1))
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            for task in (answer, gone):
                task.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)
    finally:
        writer.close()


async def _answer(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    import litellm

    stream: Any = None
    try:
        stream = await litellm.acompletion(**request, num_retries=0, max_retries=0)
        async for chunk in stream:
            await _say(writer, chunk.model_dump(mode="json", exclude_none=True))
        writer.write(b"[DONE]\n")
        await writer.drain()
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 (the edge of the process; what litellm raises has no common family)
        status, code = KINDS.get(type(error).__name__, (int(getattr(error, "status_code", 500) or 500), "server_error"))
        with contextlib.suppress(ConnectionError):
            await _say(writer, {"error": {"code": code, "message": str(error)[:2000], "status": status}})
    finally:
        # Leaving its loop does not close the provider's connection.
        if stream is not None and hasattr(stream, "aclose"):
            await stream.aclose()


async def _say(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
    writer.write(json.dumps(body, separators=(",", ":")).encode() + b"\n")
    await writer.drain()


if __name__ == "__main__":
    main()
