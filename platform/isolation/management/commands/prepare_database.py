"""`manage.py prepare_database`: roles, guard and extension in a database of one's own, once, as a superuser."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from isolation import guard


class Command(BaseCommand):
    help = "Prepare the database in DATABASE_ADMIN_URL; passwords come from the other URLs."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            admin = os.environ["DATABASE_ADMIN_URL"]
            passwords = guard.Passwords(
                app=_password("DATABASE_URL"),
                migrator=_password("DATABASE_MIGRATOR_URL"),
                backup=os.environ["DATABASE_BACKUP_PASSWORD"],
            )
        except KeyError as error:
            raise CommandError(f"{error.args[0]} is not set") from None
        try:
            with psycopg.connect(admin, autocommit=True, connect_timeout=10) as link:
                guard.install(link, key=bytes.fromhex(settings.CLOISON_GUARD_KEY), passwords=passwords)
        except psycopg.Error as error:
            raise CommandError(f"the database could not be prepared: {error}") from error
        self.stdout.write("prepared")


def _password(name: str) -> str:
    """The password in a database URL. Raises `KeyError` where the URL or its password is missing."""
    found = urlsplit(os.environ[name]).password
    if not found:
        raise KeyError(f"the password in {name}")
    return unquote(found)
