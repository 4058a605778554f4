"""What is counted, in the registry that django-prometheus exports. Labels are bounded: our own routes, and so many tenants.

With `PROMETHEUS_MULTIPROC_DIR` set (the supervisor sets it) all processes' figures are added up at `/metrics`.
"""

from __future__ import annotations

import time

from django.conf import settings
from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("http_requests_total", "Requests answered", ["tenant", "method", "status"])
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time to the first byte of the answer",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
LLM_REQUESTS = Counter("llm_requests_total", "Calls of models", ["tenant", "model", "outcome"])
LLM_TOKENS = Counter("llm_tokens_total", "Tokens of models", ["tenant", "model", "direction"])
PRIVACY = Counter("privacy_verdicts_total", "Turns by what their verdict let happen", ["tenant", "outcome"])
DOCUMENTS = Counter("documents_processed", "Documents whose ingestion ended", ["tenant", "outcome"])
ACTIVE_USERS = Gauge(
    "active_users", "People who asked for something in the last 5 minutes", ["tenant"], multiprocess_mode="livesum"
)
SOCKETS = Gauge("websockets_open", "Open websockets", multiprocess_mode="livesum")
LIMITED = Counter("rate_limited_total", "Requests and frames refused by the rate limiter", ["policy"])
LIMITER_DEGRADED = Gauge(
    "rate_limiter_degraded", "1 while rate limits are kept in each process, without Redis", multiprocess_mode="livemax"
)

ACTIVE_SECONDS = 300.0
PRUNE_SECONDS = 15.0
OTHERS = "others"

_tenants: set[str] = set()
_models: set[str] = set()


def _bounded(known: set[str], name: str, most: int) -> str:
    if name in known:
        return name
    if len(known) >= most:
        return OTHERS
    known.add(name)
    return name


def tenant_label(schema: str) -> str:
    """The tenant's schema, for the first `CLOISON_METRICS_TENANTS` that this process meets; "others" for the rest."""
    return _bounded(_tenants, schema or "none", settings.CLOISON_METRICS_TENANTS)


def model_label(model: str) -> str:
    """The model's id, for the first hundred that this process meets."""
    return _bounded(_models, model, 100)


class ActiveUsers:
    """Who was seen when, per tenant."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[int, float]] = {}
        self._pruned = 0.0

    def saw(self, schema: str, user_id: int) -> None:
        now = time.monotonic()
        people = self._seen.setdefault(tenant_label(schema), {})
        new = user_id not in people
        people[user_id] = now
        if now - self._pruned > PRUNE_SECONDS:
            self.prune(now)
        elif new:
            ACTIVE_USERS.labels(tenant_label(schema)).set(len(people))

    def prune(self, now: float) -> None:
        """Forget who has not been here for five minutes."""
        self._pruned = now
        for tenant, people in self._seen.items():
            for gone in [user for user, at in people.items() if now - at > ACTIVE_SECONDS]:
                del people[gone]
            ACTIVE_USERS.labels(tenant).set(len(people))


active_users = ActiveUsers()
