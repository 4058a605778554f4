"""Step 1: other origins. Closed unless the tenant lists the origin; never with credentials, never by reflection."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from core.middleware.security_headers import is_api

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
HEADERS = "Accept, Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-API-Key"
EXPOSED = "Content-Disposition, RateLimit, RateLimit-Policy, Retry-After"
PREFLIGHT_SECONDS = 600


def preflight(request: HttpRequest, *, allowed: bool) -> HttpResponse | None:
    """The answer to a browser that asks before it sends (Fetch standard, "CORS-preflight fetch"); None for other requests."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers or not is_api(request.path_info):
        return None
    response = HttpResponse(status=204)
    if allowed:
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    return response


def mark(request: HttpRequest, response: HttpResponseBase, *, allowed: bool) -> None:
    """Let the listed origin read an answer of the API. Pages are nobody else's to read."""
    origin = request.headers.get("Origin")
    if not origin or not is_api(request.path_info):
        return
    patch_vary_headers(response, ["Origin"])
    if allowed:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED
