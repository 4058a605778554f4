"""Bringing schemas up to date, skipping at the price of one query those that are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from django.core.management import call_command
from django.db import connection, router
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from isolation import context


def wanted_migrations(schema: str) -> set[tuple[str, str]]:
    """Every migration on disk that `schema` should have."""
    loader = MigrationLoader(None)
    with context.use(context.migrating(schema)):
        return {key for key in loader.disk_migrations if router.allow_migrate("default", key[0])}


def is_current(schema: str, wanted: set[tuple[str, str]]) -> bool:
    """Whether all of `wanted` was applied to `schema`."""
    with context.use(context.migrating(schema)):
        recorder = MigrationRecorder(connection)
        return recorder.has_table() and wanted <= recorder.applied_migrations().keys()


def migrate_schema(schema: str, verbosity: int = 0) -> None:
    """Run Django's own `migrate` inside one schema, as the owner of its tables. Needs the migrator's login."""
    from django.core.management.commands.migrate import Command

    with context.use(context.migrating(schema)):
        MigrationRecorder(connection).ensure_schema()
        call_command(Command(), verbosity=verbosity, interactive=False, stdout=sys.stderr)


def migrate_all(schemas: Iterable[str], progress: Callable[[str, bool], None] = lambda schema, changed: None) -> int:
    """Migrate the public schema, then each tenant's. Returns how many changed; `progress(schema, changed)` is told of each.

    A schema whose migration fails raises, with the ones before it complete and the ones after it untouched.
    """
    changed = 0
    wanted: dict[bool, set[tuple[str, str]]] = {}
    for schema in [context.PUBLIC, *schemas]:
        is_public = schema == context.PUBLIC
        if is_public not in wanted:
            wanted[is_public] = wanted_migrations(schema)
        stale = not is_current(schema, wanted[is_public])
        if stale:
            migrate_schema(schema)
            changed += 1
        progress(schema, stale)
    return changed
