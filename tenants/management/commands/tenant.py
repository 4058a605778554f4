"""`manage.py tenant suspend|resume|restore NAME`"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import AppError
from isolation import context
from tenants import services

ACTIONS = {"suspend": services.suspend, "resume": services.resume, "restore": services.restore}


class Command(BaseCommand):
    help = "Close an organisation's site, open it again, or take back its deletion."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=ACTIONS)
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with context.use(context.migrating(context.PUBLIC)):
                tenant = services.find(options["name"])
                ACTIONS[options["action"]](tenant)
        except AppError as error:
            raise CommandError(f"{error.detail} ({error.code})") from error
        self.stdout.write(f"{tenant.name} is {tenant.status}.")
