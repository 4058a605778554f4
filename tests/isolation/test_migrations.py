"""Data migrations under forced row level security reach the rows they mean, or fail (case 64)."""

from __future__ import annotations

import subprocess
import sys

import psycopg

from tests import cluster
from tests.people import House

PRELUDE = """
import sys; sys.path[:0] = ['.', 'platform']
import django; django.setup()
from django.db import connection, migrations
from django.db.migrations.state import ProjectState
from django.apps import apps
from isolation import context
from isolation.operations import RowsMissed, UpdateRows
state = ProjectState.from_apps(apps)
def run(operation, here):
    with context.use(here), connection.schema_editor() as editor:
        operation.database_forwards('accounts', editor, state, state)
"""


def migrate(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script],
        env=cluster.environment(DATABASE_MIGRATOR_URL=cluster.MIGRATOR_URL, CLOISON_LOGIN="migrator"),
        cwd=cluster.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr


def test_case_64_a_naive_data_migration_sees_the_rows(acme: House) -> None:
    script = f"""
def naive(apps, editor): print(apps.get_model('accounts', 'User').objects.filter(language='fr').update(language='fr'))
run(migrations.RunPython(naive), context.migrating('{acme.schema}'))
"""
    assert migrate(script) == "6"


def test_case_64_update_rows_reaches_all_that_it_means(acme: House, globex: House, owner: psycopg.Connection) -> None:
    changed = f"""
run(UpdateRows('User', where={{'language': 'fr'}}, to={{'first_name': 'Moved'}}), context.migrating('{acme.schema}'))
print('done')
"""
    before = owner.execute(f"SELECT id, first_name FROM {acme.schema}.accounts_user").fetchall()
    try:
        assert migrate(changed) == "done"

        rows = owner.execute(f"SELECT DISTINCT first_name FROM {acme.schema}.accounts_user").fetchall()
        assert rows == [("Moved",)]
        others = owner.execute(f"SELECT count(*) FROM {globex.schema}.accounts_user WHERE first_name = 'Moved'").fetchone()
        assert others == (0,)
    finally:
        for pk, name in before:
            owner.execute(f"UPDATE {acme.schema}.accounts_user SET first_name = %s WHERE id = %s", (name, pk))
    forced = owner.execute(f"SELECT relforcerowsecurity FROM pg_class WHERE oid = '{acme.schema}.accounts_user'::regclass")
    assert forced.fetchone() == (True,)


def test_case_64_update_rows_fails_where_row_security_hides_what_it_means(acme: House, owner: psycopg.Connection) -> None:
    script = f"""
try: run(UpdateRows('User', where={{'language': 'fr'}}, to={{'first_name': 'Moved'}}), context.migrating('{acme.schema}'))
except RowsMissed as error: print(error)
"""
    table = f"{acme.schema}.accounts_user"
    owner.execute(f"ALTER POLICY migrate ON {table} USING (false)")
    try:
        said = migrate(script)
    finally:
        owner.execute(f"ALTER POLICY migrate ON {table} USING ((SELECT guard.can('{acme.schema}', 'migrate')))")

    assert said == f"Change rows of User: 0 of 6 rows in {acme.schema}"
    assert owner.execute(f"SELECT count(*) FROM {table} WHERE first_name = 'Moved'").fetchone() == (0,)


def test_case_11_check_reads_the_catalogue(acme: House, owner: psycopg.Connection) -> None:
    assert "no issues" in cluster.manage("check", "--database", "default")

    owner.execute(f"CREATE VIEW {acme.schema}.peek AS SELECT * FROM {acme.schema}.documents_document")
    try:
        cluster.manage("check", "--database", "default")
    except RuntimeError as error:
        assert f"a view without security_invoker: {acme.schema}.peek" in str(error)
    else:
        raise AssertionError("the view was not seen")
    finally:
        owner.execute(f"DROP VIEW {acme.schema}.peek")


def test_case_62_killed_before_a_migration_is_recorded_it_can_be_applied_again(owner: psycopg.Connection) -> None:
    schema = "t_0123456789ab"
    making = f"from isolation import schemas; from tenants import migration; schemas.create('{schema}')\n"
    killed = """
import os, signal
migration.Executor.record_migration = lambda self, applied: os.kill(os.getpid(), signal.SIGKILL)
"""
    applying = f"migration.migrate_schema('{schema}')\n"
    whole = f"print(migration.is_current('{schema}', migration.wanted_migrations('{schema}')))"
    tables = f"SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}' AND tablename <> 'django_migrations'"
    try:
        assert migrate(making + killed + applying) == ""
        assert owner.execute(tables).fetchone() == (0,)

        assert migrate(making + applying + whole) == "True"
    finally:
        migrate(making + f"schemas.drop('{schema}')")
    assert owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (schema,)).fetchone() is None
