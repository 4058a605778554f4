"""A tenant's site with views that only tests have: naive ones, as somebody might write them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template import Context, Template
from django.urls import path

from assistants.conversations.models import Conversation
from config.urls_tenant import handler400, handler403, handler404, handler500
from config.urls_tenant import urlpatterns as ours
from isolation import in_thread

__all__ = ["handler400", "handler403", "handler404", "handler500"]

FRAGMENT = Template("{% load cache %}{% cache 60 case12 %}{{ word }}{% endcache %}")


def titles() -> list[str]:
    return [conversation.title for conversation in Conversation.objects.all()]


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Asks the database between the pieces."""

    async def body() -> AsyncGenerator[bytes, None]:
        for _number in range(3):
            yield json.dumps(await in_thread(titles)).encode() + b"\n"
            await asyncio.sleep(0.05)

    return StreamingHttpResponse(body())


def shared(word: str) -> dict[str, object]:
    """Every cache that a process shares between its tenants: written when it is empty, then read."""
    if not default_storage.exists("case12.txt"):
        default_storage.save("case12.txt", ContentFile(word.encode()))
    with default_storage.open("case12.txt") as file:
        stored = file.read().decode()
    return {
        "cached": cache.get_or_set("case12", word, 60),
        "fragment": FRAGMENT.render(Context({"word": word})),
        "file": stored,
        "path": default_storage.path("case12.txt"),
        "type": ContentType.objects.get_by_natural_key("case12", "thing").pk,
    }


def synchronous(request: HttpRequest) -> HttpResponse:
    return JsonResponse(shared(request.GET["word"]))


async def asynchronous(request: HttpRequest) -> HttpResponse:
    return JsonResponse(await in_thread(shared, request.GET["word"]))


urlpatterns = [
    *ours,
    path("stream/", stream),
    path("synchronous/", synchronous),
    path("asynchronous/", asynchronous),
]
