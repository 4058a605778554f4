"""The headers of every response, to the letter (docs/security.md has the table)."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), "
        "microphone=(self), midi=(), payment=(), usb=()"
    ),
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
# What an answer carries that never came as far as the chain: the server's own refusals.
REFUSAL = {
    **EVERYWHERE,
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": API_POLICY,
    "Cache-Control": "no-store",
}
API_PATHS = ("/api/", "/v1/", "/mcp", "/health/", "/metrics")
API_PAGES = ("/api/docs/",)


def is_api(path: str) -> bool:
    """Whether a path answers programs, and so carries the API's headers."""
    return path.startswith(API_PATHS) and not path.startswith(API_PAGES)


def nonce(request: HttpRequest) -> str:
    """This response's script nonce: 128 bits, made on first use."""
    if not hasattr(request, "csp_nonce"):
        setattr(request, "csp_nonce", secrets.token_urlsafe(16))  # noqa: B010 (unknown to HttpRequest's stubs)
    return str(getattr(request, "csp_nonce"))  # noqa: B009 (as above)


def apply(request: HttpRequest, response: HttpResponseBase) -> None:
    """Set the headers; a view's own Content-Security-Policy (a user's file), Cache-Control and a page's Referrer-Policy stand."""
    headers = response.headers
    for name, value in EVERYWHERE.items():
        headers[name] = value
    if is_api(request.path_info):
        headers["Referrer-Policy"] = "no-referrer"
        headers.setdefault("Content-Security-Policy", API_POLICY)
        headers.setdefault("Cache-Control", "no-store")
    elif request.path_info.startswith(settings.STATIC_URL):
        headers["Referrer-Policy"] = "same-origin"
        headers.setdefault("Content-Security-Policy", API_POLICY)
    else:
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Content-Security-Policy", PAGE_POLICY.format(nonce=nonce(request)))
        if getattr(getattr(request, "user", None), "is_authenticated", False):
            if headers.get("Content-Type", "").startswith("text/html"):  # Django's console says the same in more words.
                headers["Cache-Control"] = "no-store, max-age=0"
            headers.setdefault("Cache-Control", "no-store, max-age=0")
    if request.is_secure():
        headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
