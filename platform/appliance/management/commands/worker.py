"""`manage.py worker`: a Celery worker for the queues of ours."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from isolation.startup import UnsafeDatabase, refuse_unsafe_database


class Command(BaseCommand):
    help = "Run a Celery worker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--concurrency", type=int, default=int(os.environ.get("CLOISON_WORKER_CONCURRENCY", "1")))
        parser.add_argument("--queues", default="default")

    def handle(self, *args: Any, **options: Any) -> None:
        from config.celery import app

        try:
            refuse_unsafe_database()
        except UnsafeDatabase as error:
            raise CommandError(str(error)) from error
        app.worker_main(
            [
                "worker",
                "--loglevel",
                "INFO",
                "--concurrency",
                str(options["concurrency"]),
                "--queues",
                options["queues"],
                "--without-gossip",
                "--without-mingle",
                "--max-memory-per-child",
                "700000",
            ]
        )
