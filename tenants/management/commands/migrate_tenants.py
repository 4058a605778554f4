"""`manage.py migrate_tenants`: bring the public schema and every tenant's up to date."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from isolation import context
from tenants.migration import is_current, migrate_all, wanted_migrations
from tenants.models import Tenant


class Command(BaseCommand):
    requires_system_checks: list[str] = []
    help = "Migrate the public schema, then each tenant's; those that are current cost one query."

    def handle(self, *args: Any, **options: Any) -> None:
        public = wanted_migrations(context.PUBLIC)
        if not is_current(context.PUBLIC, public):
            migrate_all([])
        with context.use(context.migrating(context.PUBLIC)):
            has_registry = MigrationRecorder(connection).has_table()
            schemas = list(Tenant.objects.exclude(status=Tenant.Status.CREATING).values_list("schema_name", flat=True))
        assert has_registry

        def report(schema: str, changed: bool) -> None:
            if changed:
                self.stdout.write(f"migrated {schema}")

        changed = migrate_all(schemas, report)
        self.stdout.write(f"{len(schemas)} tenants, {changed} schemas changed")
