"""The ASGI application: HTTP to Django's chain, websockets to their consumer; every task starts without a context."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

from django.core.asgi import get_asgi_application

http_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 (apps must be ready)
from django.urls import path  # noqa: E402

from assistants.conversations.consumers import PageConsumer  # noqa: E402
from isolation import context  # noqa: E402

_router = ProtocolTypeRouter(
    {"http": http_application, "websocket": URLRouter([path("ws/", PageConsumer.as_asgi())])},
)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The root of each request's and socket's task: what it enters ends with it."""
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket" and scope["path"] != "/ws/":
        await receive()
        await send({"type": "websocket.close", "code": 4404})
        return
    with context.use(None):
        await _router(scope, receive, send)
