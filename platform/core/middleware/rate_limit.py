"""Step 2: 60 a minute, burst 100, per tenant and principal; by address before the tenant is known (see `core.rate_limiter`)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from core import caller, metrics, rate_limiter
from core.rate_limiter import RateLimited, Verdict
from core.views import problem_page

# What must work just when somebody is over the limit: stopping an answer.
EXEMPT = re.compile(r"/api/v1/runs/[^/]+/stop/")


def by_address(request: HttpRequest) -> HttpResponse | None:
    """The refusal of an address that floods this process, whoever it is; nothing was asked of any server yet."""
    verdict = rate_limiter.shield(caller.network(caller.address()))
    return None if verdict.allowed else refusal(request, verdict)


async def by_principal(request: HttpRequest, stamps: Sequence[str] = ()) -> HttpResponse | None:
    """The refusal of a person, tenant or address over their quota; the verdict is kept, for `mark` and with its stamps."""
    if EXEMPT.fullmatch(request.path_info):
        return None
    user_id = getattr(request.user, "pk", None) or 0
    verdict = await rate_limiter.take(request.site.schema, user_id, caller.network(caller.address()), stamps)  # type: ignore[attr-defined]
    setattr(request, "rate_verdict", verdict)  # noqa: B010 (unknown to HttpRequest's stubs)
    return None if verdict.allowed else refusal(request, verdict)


def stamps_of(request: HttpRequest) -> tuple[bytes, ...] | None:
    """The stamps that came with the verdict; None where Redis was not asked, or did not answer."""
    verdict: Verdict | None = getattr(request, "rate_verdict", None)
    return verdict.stamps if verdict else None


def refusal(request: HttpRequest, verdict: Verdict) -> HttpResponse:
    """429 with how long to wait: a page for people, a problem document for programs."""
    metrics.LIMITED.labels(verdict.violated).inc()
    error = RateLimited(verdict)
    response = problem_page(request, error.status, error.code, str(error.title), str(error.detail), **error.extra)
    response.headers["Retry-After"] = str(verdict.retry_after)
    _describe(response, verdict)
    return response


def mark(request: HttpRequest, response: HttpResponseBase) -> None:
    """Say what is left (draft-ietf-httpapi-ratelimit-headers)."""
    verdict: Verdict | None = getattr(request, "rate_verdict", None)
    if verdict and "RateLimit" not in response.headers:
        _describe(response, verdict)


def _describe(response: HttpResponseBase, verdict: Verdict) -> None:
    quota = verdict.quota
    window = round(quota.burst * quota.interval / 1e6)
    response.headers["RateLimit-Policy"] = f'"{quota.name}";q={quota.burst};w={window}'
    response.headers["RateLimit"] = f'"{quota.name}";r={verdict.remaining};t={verdict.reset}'
