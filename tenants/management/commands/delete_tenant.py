"""`manage.py delete_tenant NAME`"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import AppError
from tenants.services import delete_tenant


class Command(BaseCommand):
    help = "Remove an organisation with everything it owns, at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        if not options["yes"] and input(f"Type {name} again to delete it for good: ") != name:
            raise CommandError("Nothing was deleted.")
        try:
            delete_tenant(name=name)
        except AppError as error:
            raise CommandError(f"{error.detail} ({error.code})") from error
        self.stdout.write(f"{name} is gone.")
