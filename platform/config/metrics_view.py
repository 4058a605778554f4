"""`/metrics` in Prometheus' text format: for the operator's own network, or with a token."""

from __future__ import annotations

import os

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import generate_latest

from core.views import problem_page

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
LOOPBACK = {"127.0.0.1", "::1"}


def metrics(request: HttpRequest) -> HttpResponse:
    """Bearer CLOISON_METRICS_TOKEN, or, while none is set, the loopback."""
    token = settings.CLOISON_METRICS_TOKEN
    given = request.headers.get("X-Metrics-Token", "") or request.GET.get("token", "")
    allowed = constant_time_compare(given, token) if token else request.META.get("REMOTE_ADDR") in LOOPBACK
    if not allowed:
        return problem_page(request, 403, "not_allowed", "Not allowed")
    return HttpResponse(generate_latest(_registry()), content_type="text/plain; version=0.0.4; charset=utf-8")


def _registry() -> CollectorRegistry:
    """This process's own figures, or those of all processes added up where they share a folder."""
    if MULTIPROCESS not in os.environ:
        return REGISTRY
    from prometheus_client.multiprocess import MultiProcessCollector

    found = CollectorRegistry()
    MultiProcessCollector(found)  # type: ignore[no-untyped-call]
    return found
