"""Daphne, embedded: refuses large bodies early, drains streams on SIGTERM, closes sockets with honest codes.

As shipped it stores a whole body before any middleware runs and cuts streams on SIGTERM.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import re
import signal
from functools import partial
from importlib import import_module
from typing import Any, Protocol

from daphne.http_protocol import WebRequest
from daphne.server import Server, reactor  # Installs the asyncio reactor: imported before anything else of Twisted.
from daphne.ws_protocol import WebSocketProtocol
from django.conf import settings
from twisted.internet.error import ConnectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

from core.errors import problem
from core.middleware.security_headers import REFUSAL
from core.views import PROBLEM

logger = logging.getLogger(__name__)

FORM_OVERHEAD = 64 * 1024  # bytes of multipart framing around a file of the largest size
LARGEST_FRAME = 64 * 1024  # bytes of one websocket message
CLOSE_TOO_LARGE = 1009  # RFC 6455, section 7.4.1
CLOSE_RESTART = 1012  # IANA registry: service restart
LAST_REQUESTS = 1.0  # seconds at least that kept connections have to bring a request and be told to close
WAITING_AT_THE_DOOR = 1000  # connections that the kernel has taken, and nobody has greeted yet
CLOSED = Failure(ConnectionDone())  # type: ignore[no-untyped-call]
# Where files come in, and the setting that limits them.
UPLOADS = {
    b"/api/v1/documents/": "CLOISON_MAX_UPLOAD",
    b"/api/v1/attachments/": "CLOISON_MAX_UPLOAD",
    b"/send/": "CLOISON_MAX_UPLOAD",  # The page's plain form, with its files.
    b"/api/v1/conversations/import/": "CLOISON_MAX_IMPORT",
    b"/settings/conversations/import/": "CLOISON_MAX_IMPORT",
}
EDIT = re.compile(rb"/messages/[0-9a-f-]{36}/edit/")  # The page's plain form of an edit, with its files.


class LoopService(Protocol):
    """What lives on the server's loop beside requests: starts with it, takes no new work while it drains, then stops."""

    @property
    def is_busy(self) -> bool: ...
    async def start(self) -> None: ...
    def drain(self) -> None: ...
    async def stop(self) -> None: ...


def last_answer(status: str, document: dict[str, Any]) -> bytes:
    """A refusal's bytes, after which the connection closes."""
    body = json.dumps(document).encode()
    headers = {**REFUSAL, "Content-Type": PROBLEM, "Connection": "close", "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def refuse_unreadable(channel: Any) -> None:
    """In the place of Twisted's bare 400, for what is no HTTP: a raw byte beyond ASCII in an address, a broken header."""
    detail = "The request cannot be read. In an address, characters beyond ASCII are written as %XX."
    channel.transport.write(last_answer("400 Bad Request", problem(400, "bad_request", "Bad request", detail)))
    channel.loseConnection()


class BoundedRequest(WebRequest):  # type: ignore[misc]
    """Answers 413 as soon as the length is known to be too large, announced or counted."""

    received = 0
    refused = False

    def _limit(self) -> int:
        uri: bytes = getattr(self.channel, "_path", b"") or b""
        path = uri.split(b"?")[0]
        if EDIT.fullmatch(path):
            return int(settings.CLOISON_MAX_UPLOAD) + FORM_OVERHEAD
        for prefix, limit in UPLOADS.items():
            if path.startswith(prefix):
                return int(getattr(settings, limit)) + FORM_OVERHEAD
        return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

    def gotLength(self, length: int | None) -> None:  # noqa: N802 (Twisted's name)
        if length is not None and length > self._limit():
            self._refuse()
            super().gotLength(0)
            return
        super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 (Twisted's name)
        self.received += len(data)
        if self.refused:
            return
        if self.received > self._limit():
            self._refuse()
            return
        super().handleContentChunk(data)

    def _refuse(self) -> None:
        """Write the answer at once and close: the rest of the body is not read."""
        self.refused = True
        limit = self._limit()
        detail = f"The body is larger than {limit} bytes. Nothing was stored."
        transport = self.channel.transport
        transport.write(last_answer("413 Content Too Large", problem(413, "too_large", "Too large", detail, limit=limit)))
        # The client may still be sending: take what comes for a moment, so that it reads the answer before the reset.
        self.channel.setTimeout(None)
        reactor.callLater(2, transport.abortConnection)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Daphne's own errors, as our problem documents."""
        code, title = ("bad_request", "Bad request") if status < 500 else ("internal", "Something failed on our side")
        headers = {**REFUSAL, "Content-Type": PROBLEM}
        self.handle_reply(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        self.handle_reply({"type": "http.response.body", "body": json.dumps(problem(status, code, title, body)).encode()})

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Daphne's, but for a kept connection's last answer before a restart, which says so: the next goes elsewhere."""
        if message["type"] == "http.response.start" and self.server.draining and self.channel is not None:
            self.channel.persistent = False
            message = {**message, "headers": [*message.get("headers", ()), (b"Connection", b"close")]}
        super().handle_reply(message)

    def process(self) -> Any:
        return None if self.refused else super().process()


def close(protocol: Any, code: int, reason: bytes) -> None:
    """Close a websocket with a code of the protocol's own range, which Autobahn's `sendClose` does not let through."""
    protocol.sendCloseFrame(code=code, reasonUtf8=reason, isReply=False)


class BoundedSocket(WebSocketProtocol):  # type: ignore[misc]
    """Closes with 1009 for a message over the limit (Autobahn would drop the connection)."""

    def sendHttpErrorResponse(self, code: int, reason: str, responseHeaders: Any = None) -> None:  # noqa: N802, N803 (Autobahn's names)
        """A handshake that is refused is an answer like any other, headers included."""
        headers = [*(responseHeaders or []), *REFUSAL.items(), ("Content-Length", "0"), ("Connection", "close")]
        super().sendHttpErrorResponse(code, reason, headers)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:  # noqa: N802 (Autobahn's name)
        """Give the kernel a frame at once where nothing waits before it: by way of the reactor each costs twice as much."""
        transport = self.transport
        idle = isinstance(transport, Connection) and transport.connected and not transport.disconnecting
        if idle and not (sync or chopsize or self.send_queue or transport.dataBuffer or transport._tempDataBuffer):
            sent = transport.writeSomeData(data)
            if isinstance(sent, int):  # Otherwise the connection is lost, which the reactor finds, too.
                data = data[sent:]
            if not data:
                return
        super().sendData(data, sync, chopsize)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803 (Autobahn's names)
        if len(payload) > LARGEST_FRAME:
            close(self, CLOSE_TOO_LARGE, b"message over 64 KiB")
            return
        super().onMessage(payload, isBinary)


class WebServer(Server):  # type: ignore[misc]
    """Daphne's server with our protocols, the host of runs on its loop, and a drain."""

    def __init__(self, application: Any, port: int, host: LoopService) -> None:
        super().__init__(
            application,
            endpoints=[f"tcp:port={port}:interface={os.environ.get('CLOISON_BIND', '127.0.0.1')}"],
            signal_handlers=False,
            server_name="",
            request_buffer_size=256 * 1024,
            websocket_handshake_timeout=10,
            websocket_max_message_size=16 * LARGEST_FRAME,
            websocket_max_frame_size=16 * LARGEST_FRAME,
            application_close_timeout=30,
        )
        self.host = host
        self.draining = False
        self.tasks: list[asyncio.Task[None]] = []
        self.ports: list[Any] = []

    def serve(self) -> None:
        """Until SIGTERM or SIGINT, and then until the open answers have ended or CLOISON_DRAIN_SECONDS have passed."""
        self.ready_callable = self._started
        for urls in (settings.ROOT_URLCONF, settings.PUBLIC_SCHEMA_URLCONF):
            import_module(urls)  # Otherwise the first visitor waits for all views to be loaded.
        # What is loaded by now stays: a full collection would walk through it for a quarter of a second, while no stream moves.
        gc.collect()
        gc.freeze()
        self.run()

    def _started(self) -> None:
        self.ws_factory.protocol = BoundedSocket
        factory = self.http_factory
        build = factory.buildProtocol

        def with_bounds(address: Any) -> Any:
            protocol = build(address)
            protocol.requestFactory = BoundedRequest
            protocol._channel._respondToBadRequestAndDisconnect = partial(refuse_unreadable, protocol._channel)
            return protocol

        factory.buildProtocol = with_bounds
        loop = asyncio.get_event_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._drain_soon)
        self.tasks = [loop.create_task(self.host.start())]

    def listen_success(self, port: Any) -> None:
        self.ports.append(port)  # The deferred that Daphne keeps forgets it.
        super().listen_success(port)

    def _drain_soon(self) -> None:
        if not self.draining:
            self._give_the_port_up()
            self.draining = True  # Only now: who is told to go elsewhere must find this port closed.
            self.tasks.append(asyncio.get_event_loop().create_task(self._drain()))

    def _give_the_port_up(self) -> None:
        """Who has come before is let in; `stopListening` would close a turn of the loop later, and reset them."""
        for port in self.ports:
            port.numberAccepts = WAITING_AT_THE_DOOR
            port.doRead()
            port.connectionLost(CLOSED)

    async def _drain(self) -> None:
        """Tell the sockets, let requests and runs finish, then stop."""
        for protocol in list(self.connections):
            if isinstance(protocol, WebSocketProtocol) and protocol.state == protocol.STATE_OPEN:
                close(protocol, CLOSE_RESTART, b"restart")
        self.host.drain()
        now = asyncio.get_running_loop().time
        earliest, deadline = now() + LAST_REQUESTS, now() + settings.CLOISON_DRAIN_SECONDS
        while now() < earliest or (self._busy() and now() < deadline):  # noqa: ASYNC110 (Daphne tells nobody)
            await asyncio.sleep(0.05)
        await self.host.stop()
        self.stop()

    def _busy(self) -> bool:
        """Whether a request is still being answered, or a run still told."""
        return self.host.is_busy or any(
            not isinstance(protocol, WebSocketProtocol)
            and "disconnected" not in details
            and (task := details.get("application_instance")) is not None
            and not task.done()
            for protocol, details in self.connections.items()
        )
