"""Step 3: from the Host header to the site, and with it to the tenant. Exact match, 404 otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from core.views import problem_page

ResolveSite = Callable[[str], Awaitable[Any]]


async def enter(request: HttpRequest, resolve: ResolveSite) -> HttpResponse | None:
    """Put `site` and `urlconf` on the request, or answer 400 (not a host) or 404 (nobody's)."""
    try:
        if not request.META.get("HTTP_HOST"):  # Django would take the server's own name.
            raise DisallowedHost
        host = request.get_host()
    except DisallowedHost:
        return problem_page(request, 400, "bad_host", "Bad host")
    site = await resolve(host)
    if site is None:
        return problem_page(request, 404, "unknown_host", "Unknown host", "No site answers to this host.")
    request.site = site
    request.urlconf = site.urlconf
    return None
