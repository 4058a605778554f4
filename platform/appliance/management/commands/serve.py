"""`manage.py serve`: the web process."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from isolation.startup import UnsafeDatabase, refuse_unsafe_database


class Command(BaseCommand):
    help = "Serve HTTP and websockets."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        # A question's embedding is a few small products: BLAS' threads would spin longer than they help.
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        try:
            refuse_unsafe_database()
        except UnsafeDatabase as error:
            raise CommandError(str(error)) from error
        # Daphne replaces Twisted's reactor at import: only this process wants that.
        from assistants.conversations.host import host
        from config.asgi import application
        from config.server import WebServer

        WebServer(application, options["port"], host).serve()
