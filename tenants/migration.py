"""Bringing schemas up to date, skipping at the price of one query those that are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext

from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import connection, router, transaction
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from isolation import context


class Executor(MigrationExecutor):
    """Applies a migration and records it in one transaction.

    Django's own records one that has deferred statements (foreign keys, indexes) after its commit: whoever is killed in
    between finds the tables there and the record missing, and no repetition helps.
    """

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        with transaction.atomic(using=self.connection.alias) if migration.atomic else nullcontext():
            return super().apply_migration(state, migration, fake=fake, fake_initial=fake_initial)


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


def migrate_schema(schema: str) -> None:
    """Apply what one schema lacks, as the owner of its tables. Safe to repeat after a kill. Needs the migrator's login."""
    with context.use(context.migrating(schema)):
        MigrationRecorder(connection).ensure_schema()
        executor = Executor(connection)
        executor.loader.check_consistent_history(connection)
        targets = executor.loader.graph.leaf_nodes()
        plan = executor.migration_plan(targets)
        state = executor.loader.project_state(
            [key for key in executor.loader.applied_migrations if key in executor.loader.graph.nodes], at_end=True
        )
        emit_pre_migrate_signal(0, False, connection.alias, apps=state.apps, plan=plan)
        executor.migrate(targets, plan=plan)
        emit_post_migrate_signal(0, False, connection.alias, plan=plan)


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
