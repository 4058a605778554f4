"""`manage.py up`: everything, on one machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from appliance.errors import CannotStart
from appliance.supervisor import Options, Supervisor


class Command(BaseCommand):
    help = "Start PostgreSQL, Redis, web, worker and scheduler, and keep them running."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--data-dir", default=str(settings.DATA_DIR))
        parser.add_argument("--no-demo", action="store_true", help="no demo tenants and accounts")

    def handle(self, *args: Any, **options: Any) -> None:
        data = Path(options["data_dir"]).resolve()
        wanted = Options(data=data, port=options["port"], demo=not options["no_demo"])
        supervisor = Supervisor(wanted, self._say)
        self._say(f"Cloison, data in {data}")
        try:
            supervisor.run(on_ready=lambda: self._tell(wanted))
        except CannotStart as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            pass
        self._say("stopped")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _tell(self, options: Options) -> None:
        port = options.port
        self._say(f"\n  Operator   http://localhost:{port}/")
        if options.demo:
            password = os.environ.get("CLOISON_DEMO_PASSWORD") or settings.CLOISON_DEMO_PASSWORD
            for tenant in ("acme", "globex"):
                self._say(
                    f"  {tenant.capitalize():<10} http://{tenant}.localhost:{port}/   member@{tenant}.test, admin@{tenant}.test"
                )
            self._say(f"  Password of every demo account (operator@cloison.test too): {password}\n")
        self._say("ready")
