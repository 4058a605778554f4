"""Every other provider, through litellm in a child process: no web process should pay its import's seconds and 200 MB."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from core import outgoing
from gateway.clients import openai, wire
from gateway.clients.sse import LineReader
from gateway.clients.watch import SilenceWatch
from gateway.errors import ProviderError, ProviderRejected, ProviderTimeout, ProviderUnavailable
from gateway.types import ChatEvent, ChatRequest, Finish

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FOLDER = 80  # bytes
START = 60.0  # seconds that the child may take to start
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
DYING = 0.2  # seconds in which a child that was killed may still take a connection
MOST_AT_ONCE = 64 * 1024  # bytes


class Child:
    """The one child of this process: started when first needed, and again after its death."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = ""

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection for one call. Raises `ProviderUnavailable` where the child does not start."""
        try:
            async with asyncio.timeout(START):
                for _ in range(2):  # The one that is found may be dying.
                    process, path = await asyncio.to_thread(self._running)
                    while process.poll() is None:
                        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                            return await asyncio.open_unix_connection(path)
                        await asyncio.sleep(0.05)
        except TimeoutError:
            self.stop()
        raise ProviderUnavailable(_("The process that speaks with this provider does not start."))

    def stop(self) -> None:
        """End the child; a later call starts another one."""
        with self._lock:
            self._end()

    def _running(self) -> tuple[subprocess.Popen[bytes], str]:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._end()
                # Ours alone: mode 0700. A socket's path may not be long.
                short = None if len(tempfile.gettempdir()) < LONGEST_FOLDER else "/tmp"  # noqa: S108
                self._folder = tempfile.mkdtemp(prefix="cloison-", dir=short)
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "gateway.clients.litellm_child", f"{self._folder}/s"],
                    stdin=subprocess.PIPE,  # Its end is the child's: however we die, the kernel closes it.
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd=self._folder,
                    env=_environment(),
                    start_new_session=True,
                )
                logger.info("litellm process started", extra={"pid": self._process.pid})
            return self._process, f"{self._folder}/s"

    def _end(self) -> None:
        if self._process is not None:
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
            self._process.kill()
            self._process.wait()
            self._process = None
            shutil.rmtree(self._folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Nothing of ours but where things are: no key, no password, no address of a database."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_TELEMETRY": "False",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
    }


CHILD = Child()
atexit.register(CHILD.stop)


@dataclass(frozen=True, slots=True)
class LiteLLMClient:
    """`base` may be empty, where litellm knows the address; a request's model is in litellm's spelling, `vendor/name`."""

    base: str = ""
    key: str = field(default="", repr=False)
    local_network: bool = True

    def body(self, request: ChatRequest) -> dict[str, Any]:
        body = openai.OpenAIClient(self.base).body(request)
        if self.base:
            body["api_base"] = self.base
        if self.key:
            body["api_key"] = self.key
        body["timeout"] = settings.CLOISON_FIRST_TOKEN_TIMEOUT
        return body

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """As the other clients' streams. Closing the generator ends the call in the child, and so the provider's connection."""
        wire.refuse_sounds(request, frozenset(openai.SOUNDS))
        if self.base:
            try:  # The child resolves the name itself: this look comes just before it does.
                await asyncio.to_thread(outgoing.check, self.base, allow_private=self.local_network)
            except outgoing.AddressNotAllowed as error:
                raise ProviderRejected(error.detail, reason=error.code) from error
        given, begun = False, time.monotonic()
        for again in (True, False):
            stream = self._once(request)
            try:
                async for event in stream:
                    given = True
                    yield event
                return
            except ProviderUnavailable as error:
                died = isinstance(error.__cause__, OSError) and time.monotonic() - begun < DYING
                if given or not again or not died:
                    raise
                # It was dying when we came: nothing was asked of anybody yet, and another one starts.
                await asyncio.sleep(DYING / 2)
            finally:
                await stream.aclose()

    async def _once(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        body = json.dumps(self.body(request), separators=(",", ":")).encode() + b"\n"
        reader, writer = await CHILD.connect()
        answer = _Answer()
        watch = SilenceWatch(settings.CLOISON_FIRST_TOKEN_TIMEOUT, settings.CLOISON_GAP_TIMEOUT)
        watch.begin(writer.transport.abort)
        try:
            writer.write(body)
            await writer.drain()
            while not answer.done:
                piece = await reader.read(MOST_AT_ONCE)
                if piece:
                    answer.read(piece)
                elif watch.expired:
                    raise ProviderTimeout(
                        _("The model's provider was silent for %(seconds)g seconds.") % {"seconds": watch.limit}
                    )
                else:
                    answer.end()
                if answer.progressed:
                    watch.progress()
                watch.pause()
                for event in answer.take():
                    yield event
                watch.resume()
                if answer.error is not None:
                    raise answer.error
            watch.pause()
            yield answer.usage or answer.estimated_usage(request)
            yield Finish(answer.reason)
        except OSError as error:
            if watch.expired:
                raise ProviderTimeout(
                    _("The model's provider was silent for %(seconds)g seconds.") % {"seconds": watch.limit}
                ) from None
            raise ProviderUnavailable(_("The process that speaks with this provider died in the middle of an answer.")) from error
        finally:
            watch.end()
            writer.transport.abort()


class _Answer(openai.OpenAIAnswer):
    """The child's lines. Errors come with the status that the provider gave, before as within the answer."""

    __slots__ = ()

    def reader(self) -> wire.Reader:
        return LineReader()

    def event(self, body: dict[str, Any]) -> None:
        if error := body.get("error"):
            self.fail(_failure(error))
        else:
            super().event(body)


def _failure(error: dict[str, Any]) -> ProviderError:
    return wire.of_status(int(error["status"]), json.dumps({"error": error}).encode())
