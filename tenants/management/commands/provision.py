"""`manage.py provision`: the one process that makes and removes organisations' roles and schemas."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError, connections

from tenants import provisioning

LOOK_SECONDS = 1.0


class Command(BaseCommand):
    requires_system_checks: list[str] = []
    help = "Do the queued jobs of the operator's console and end; with --watch, wait for more. Holds the migrator's login."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--watch", action="store_true", help="stay, and look for work every second")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
        worker = provisioning.Worker()
        if options["watch"]:
            self._watch(worker, stop)
            return
        # What another process was killed over is free when its lease ends: wait for that, too.
        ready = False
        while True:
            worker.run()
            if worker.is_waiting():
                if stop.wait(0.5):
                    return
            elif ready or stop.is_set():
                return
            else:
                worker.make_ready()  # And look again: something may have been asked for meanwhile.
                ready = True

    @staticmethod
    def _watch(worker: provisioning.Worker, stop: threading.Event) -> None:
        ready = False
        while not stop.is_set():
            try:
                if worker.run() or not ready:
                    worker.make_ready()
                    ready = True
            except OperationalError:
                connections.close_all()  # The server restarts: the next look finds it again.
            stop.wait(LOOK_SECONDS)
