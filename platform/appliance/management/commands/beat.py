"""`manage.py beat`: the scheduler of periodic tasks."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Run Celery's scheduler."

    def handle(self, *args: Any, **options: Any) -> None:
        from config.celery import app

        # The schedule is code; what beat remembers is only when it last sent each task.
        app.Beat(loglevel="WARNING", schedule=str(settings.DATA_DIR / "beat-schedule"), quiet=True, max_interval=5).run()
