"""Step 5, around all of them: count the request and time it to its first byte."""

from __future__ import annotations

import time

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core import metrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    match = request.resolver_match
    route = (match.route if match else "") or "none"
    method = request.method if request.method in METHODS else "other"
    site = getattr(request, "site", None)
    tenant = metrics.tenant_label(site.schema if site else "")
    metrics.REQUESTS.labels(tenant, method, str(response.status_code)).inc()
    metrics.DURATION.labels(route).observe(seconds)
    user_id = getattr(getattr(request, "user", None), "pk", None)
    if site and user_id:
        metrics.active_users.saw(site.schema, user_id)
    elif time.monotonic() - metrics.active_users._pruned > metrics.PRUNE_SECONDS:
        metrics.active_users.prune(time.monotonic())
