"""A bare relay on Django, Channels and aiohttp: the ceiling of the stack, with no feature in it.

One ASGI application (`bench.relay:application`), for Daphne as the product uses it:

    ws://host/ws/         a question in, one JSON frame a token out
    ws://host/ws-batch/   the same, tokens that arrive together in one frame
    GET /health           "ok"

Environment: RELAY_UPSTREAM (http://127.0.0.1:9100).
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    INSTALLED_APPS=["channels"],
    MIDDLEWARE=[],
    LOGGING_CONFIG=None,
)
django.setup()

import aiohttp  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

UPSTREAM = os.environ.get("RELAY_UPSTREAM", "http://127.0.0.1:9100") + "/v1/chat/completions"


@functools.cache
def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def batches(prompt: str) -> AsyncIterator[list[str]]:
    """The texts of the tokens, in the groups in which they came."""
    body = {"model": "sim", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    rest = b""
    async with session().post(UPSTREAM, json=body) as answer:
        async for piece in answer.content.iter_any():
            *lines, rest = (rest + piece).split(b"\n")
            events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]
            deltas = [choice["delta"].get("content") for event in events for choice in event["choices"]]
            if texts := [text for text in deltas if text]:
                yield texts


class Relay(AsyncWebsocketConsumer):
    batch = False

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        async for texts in batches(json.loads(text_data or "{}")["prompt"]):
            for text in ["".join(texts)] if self.batch else texts:
                await self.send(text_data=json.dumps({"type": "token", "text": text}))
        await self.send(text_data='{"type":"done"}')


class BatchRelay(Relay):
    batch = True


async def health(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns: list[Any] = [path("health", health)]
application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("ws/", Relay.as_asgi()), path("ws-batch/", BatchRelay.as_asgi())]),
    }
)
