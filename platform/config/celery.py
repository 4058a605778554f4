"""Celery's application. Tasks live in each app's `tasks.py`; those inside a tenant are `isolation.tasks.tenant_task`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

app = Celery("cloison")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Sent by beat to every active tenant: {task: seconds between}.
EVERY_TENANT = {
    "documents.tasks.reconcile": 30.0,
    "assistants.conversations.tasks.resume_imports": 60.0,
    "accounts.tasks.sweep": 3600.0,
    "gateway.tasks.free_lost_holds": 300.0,
    "gateway.tasks.forget_old_usage": 24 * 3600.0,
    "assistants.conversations.tasks.sweep": 300.0,
}
app.conf.beat_schedule = {
    name: {"task": "tenants.tasks.fan_out", "schedule": seconds, "args": [name], "options": {"expires": seconds}}
    for name, seconds in EVERY_TENANT.items()
}


@signals.setup_logging.connect
def keep_logging(**kwargs: Any) -> None:
    """Django's LOGGING stands; Celery's own set-up would replace it."""
