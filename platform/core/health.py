"""`/health/live`: the process answers. `/health/ready`: so do the servers it needs. On every host, without a site."""

from __future__ import annotations

import asyncio
import logging

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.utils.module_loading import import_string

PROBE_SECONDS = 3
logger = logging.getLogger(__name__)


async def answer(request: HttpRequest) -> JsonResponse:
    match request.path_info:
        case "/health/live":
            return JsonResponse({"status": "live"})
        case "/health/ready":
            return await _ready()
        case _:
            return JsonResponse({"status": "unknown"}, status=404)


async def _ready() -> JsonResponse:
    """200 with every probe "ok", else 503 with the names of those that are not."""
    states = await asyncio.gather(*(_probe(name, path) for name, path in settings.CLOISON_READINESS.items()))
    parts = dict(states)
    healthy = all(state == "ok" for state in parts.values())
    return JsonResponse({"status": "ready" if healthy else "unavailable", "parts": parts}, status=200 if healthy else 503)


async def _probe(name: str, path: str) -> tuple[str, str]:
    try:
        await asyncio.wait_for(import_string(path)(), PROBE_SECONDS)
    except Exception as error:  # noqa: BLE001 (a probe's edge: whatever fails means "not ready")
        logger.warning("readiness probe failed", extra={"probe": name, "error": type(error).__name__})
        return name, "unavailable"
    return name, "ok"
