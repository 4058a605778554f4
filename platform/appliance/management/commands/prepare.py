"""`manage.py prepare`: what must be done between the servers' start and the web's, in one process.

Each step is a command of its own, too; apart they would each spend two seconds on starting Python.
"""

from __future__ import annotations

import io
import time
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Fetch the embedding model, migrate all schemas, create the demo data."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        self._step("embedding model", "fetch_weights")
        self._step("tables", "migrate_tenants")
        if options["demo"]:
            self._step("demo data", "create_demo")

    def _step(self, phrase: str, command: str) -> None:
        begun = time.monotonic()
        said = io.StringIO()
        call_command(command, stdout=said)
        last = said.getvalue().strip().splitlines()[-1:]
        self.stdout.write(f"{phrase}: {''.join(last)} ({time.monotonic() - begun:.1f} s)")
        self.stdout.flush()
