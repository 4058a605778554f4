"""`manage.py delete_tenant NAME`: close a site now and remove it after the grace; with --yes, at once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import AppError
from isolation import context
from tenants import services


class Command(BaseCommand):
    help = "Close an organisation's site; everything it owns goes after 30 days, or at once with --yes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--yes", action="store_true", help="do not ask, and remove everything now")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        try:
            if options["yes"]:
                services.purge_tenant(name=name)
                self.stdout.write(f"{name} is gone.")
                return
            typed = input(f"Type {name} again to delete it: ")
            with context.use(context.migrating(context.PUBLIC)):
                services.delete(services.find(name), typed=typed)
        except AppError as error:
            raise CommandError(f"{error.detail} ({error.code})") from error
        self.stdout.write(
            f"{name} is closed, and gone in {services.GRACE.days} days. Until then: manage.py tenant restore {name}"
        )
