"""`manage.py create_tenant NAME --domain D --admin-email E`"""

from __future__ import annotations

import getpass
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import AppError
from tenants.services import create_tenant


class Command(BaseCommand):
    help = "Create an organisation with its host and first administrator."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--domain", required=True, help="the host, without port: acme.example.org")
        parser.add_argument("--admin-email", required=True)
        parser.add_argument("--language", default="en", choices=["en", "fr"])

    def handle(self, *args: Any, **options: Any) -> None:
        # The password is asked for or comes by environment: an argument would stand in the process list.
        password = os.environ.get("CLOISON_ADMIN_PASSWORD")
        if password is None and sys.stdin.isatty():
            password = getpass.getpass(f"Password for {options['admin_email']} (empty: set it later): ") or None
        try:
            tenant = create_tenant(
                name=options["name"],
                domain=options["domain"],
                admin_email=options["admin_email"],
                admin_password=password,
                language=options["language"],
            )
        except AppError as error:
            raise CommandError(f"{error.detail} ({error.code})") from error
        self.stdout.write(f"{tenant.name} is ready at {options['domain']}")
