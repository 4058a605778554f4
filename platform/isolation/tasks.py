"""Celery tasks inside the walls: the sender's context travels signed in the message's headers.

A task without a valid header is refused before its body runs; what is left in the queue of an organisation that was
removed does nothing. Arguments are ids, never content.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from typing import Any

from celery import Task, shared_task
from django.conf import settings
from django.db import connections

from isolation import context, schemas
from isolation.context import Context

logger = logging.getLogger(__name__)

HEADER = "cloison_context"


class RefusedTask(RuntimeError):
    """The message carries no context, or one that this installation did not sign."""


def _signature(statement: str, task: str) -> str:
    # The prefix keeps a task's signature from ever being a database context's.
    text = f"task|{task}|{statement}"
    return hmac.new(bytes.fromhex(settings.CLOISON_GUARD_KEY), text.encode(), hashlib.sha256).hexdigest()


def sign(here: Context, task: str) -> dict[str, str]:
    """The header's value: who asks, bound to the task's name."""
    statement = json.dumps([here.schema, here.role, here.user_id, sorted(here.caps)], separators=(",", ":"))
    return {"statement": statement, "signature": _signature(statement, task)}


def verify(header: Any, task: str) -> Context:
    """The context that `sign` put there. Raises `RefusedTask`."""
    if not isinstance(header, dict) or not isinstance(header.get("statement"), str):
        raise RefusedTask(f"{task}: no tenant context in the message")
    if not hmac.compare_digest(_signature(header["statement"], task), str(header.get("signature"))):
        raise RefusedTask(f"{task}: the tenant context is not signed by this installation")
    schema, role, user_id, caps = json.loads(header["statement"])
    return Context(schema, role, user_id, frozenset(caps))


class TenantTask(Task):  # type: ignore[type-arg]
    """Signs on sending, verifies and enters the context on running, leaves nothing behind."""

    abstract = True

    def apply_async(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        headers = dict(options.pop("headers", None) or {})
        headers[HEADER] = sign(context.current(), self.name)
        return super().apply_async(args, kwargs, *rest, headers=headers, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        request = self.request
        header = getattr(request, HEADER, None) or (request.headers or {}).get(HEADER)
        here = verify(header, self.name)
        try:
            if not schemas.exists(here.schema):
                logger.info("task of an organisation that is gone", extra={"task": self.name})
                return None
            with context.use(here):
                return super().__call__(*args, **kwargs)
        finally:
            connections.close_all()


def tenant_task(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`shared_task` for work inside one tenant; state the retry policy in `options`."""
    decorate: Callable[[Callable[..., Any]], Any] = shared_task(base=TenantTask, **options)
    return decorate
