"""The rest of the walls: new tables, lints, start-up refusal, tasks, files, cache keys, content types."""

from __future__ import annotations

import subprocess
import sys

import psycopg
import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, connections

from accounts.models import User
from isolation import context, lints, tasks
from isolation.context import NoTenantContext
from tests import cluster
from tests.people import House


def as_owner(link: psycopg.Connection, schema: str, *statements: str) -> None:
    link.execute("SET ROLE cloison_owner")
    try:
        for statement in statements:
            link.execute(statement.replace("{schema}", schema))
    finally:
        link.execute("RESET ROLE")


def test_case_11_a_new_table_returns_nothing_until_its_policy_is_written(acme: House, owner: psycopg.Connection) -> None:
    member = acme.person("member")
    as_owner(owner, acme.schema, "CREATE TABLE {schema}.fresh (owner_id bigint)", "GRANT SELECT ON {schema}.fresh TO {schema}")
    try:
        owner.execute(f"INSERT INTO {acme.schema}.fresh VALUES ({member.user.pk})")
        with member.acting(), connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM fresh")
            assert cursor.fetchone() == (0,)

            as_owner(owner, acme.schema, "CREATE POLICY own ON {schema}.fresh USING (owner_id = (SELECT guard.uid('{schema}')))")
            cursor.execute("SELECT count(*) FROM fresh")
            assert cursor.fetchone() == (1,)
    finally:
        owner.execute(f"DROP TABLE {acme.schema}.fresh")


def test_case_11_the_catalogue_has_no_holes(houses: dict[str, House], owner: psycopg.Connection) -> None:
    with owner.cursor() as cursor:
        assert list(lints.holes(cursor)) == []


HOLES = {
    "row level security is off or not forced": (
        "ALTER TABLE {t} NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE {t} FORCE ROW LEVEL SECURITY",
    ),
    "no gate": (
        "DROP POLICY gate ON {t}",
        "CREATE POLICY gate ON {t} AS RESTRICTIVE USING ((SELECT guard.here('{s}')))",
    ),
    "a policy calls the guard once per row": (
        "CREATE POLICY slow ON {t} USING (owner_id = guard.uid('{s}'))",
        "DROP POLICY slow ON {t}",
    ),
    "a view without security_invoker": (
        "CREATE VIEW {s}.peek AS SELECT * FROM {t}",
        "DROP VIEW {s}.peek",
    ),
    "a materialised view": (
        "CREATE MATERIALIZED VIEW {s}.copy AS SELECT * FROM {t}",
        "DROP MATERIALIZED VIEW {s}.copy",
    ),
    "a SECURITY DEFINER function without a pinned search path": (
        "CREATE FUNCTION {s}.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "DROP FUNCTION {s}.f()",
    ),
    "a policy lets everybody through": ("CREATE POLICY open ON {t} FOR SELECT USING (true)", "DROP POLICY open ON {t}"),
    "an extension in the public schema": ("ALTER EXTENSION vector SET SCHEMA public", "ALTER EXTENSION vector SET SCHEMA ext"),
    "the web's login may take a role it must not": (
        "GRANT cloison_owner TO {s}",
        "REVOKE cloison_owner FROM {s}",
    ),
    "TRUNCATE granted": ("GRANT TRUNCATE ON {t} TO {s}", "REVOKE TRUNCATE ON {t} FROM {s}"),
}


@pytest.mark.parametrize("what", HOLES)
def test_case_11_the_lints_find_each_hole(what: str, acme: House, owner: psycopg.Connection) -> None:
    names = {"s": acme.schema, "t": f"{acme.schema}.conversations_conversation"}
    make, mend = (statement.format(**names) for statement in HOLES[what])
    owner.execute(make)
    try:
        with owner.cursor() as cursor:
            assert what in {hole.what for hole in lints.holes(cursor)}
    finally:
        owner.execute(mend)


def test_case_10_the_web_refuses_to_start_with_a_privileged_login(houses: dict[str, House]) -> None:
    superuser = cluster.POSTGRES.url("cloison_super", cluster.PROVISION["DATABASE_SUPERUSER_PASSWORD"])

    done = subprocess.run(
        [sys.executable, str(cluster.ROOT / "manage.py"), "serve", "--port", "1"],
        env=cluster.environment(DATABASE_URL=superuser),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert "is a superuser" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_task_without_a_signed_context_is_refused(acme: House, globex: House) -> None:
    header = tasks.sign(context.service(acme.schema), "documents.tasks.reconcile")

    assert tasks.verify(header, "documents.tasks.reconcile") == context.service(acme.schema)
    with pytest.raises(tasks.RefusedTask):
        tasks.verify(None, "documents.tasks.reconcile")
    with pytest.raises(tasks.RefusedTask):
        tasks.verify(header, "documents.tasks.other")
    with pytest.raises(tasks.RefusedTask):
        tasks.verify(
            {**header, "statement": header["statement"].replace(acme.schema, globex.schema)}, "documents.tasks.reconcile"
        )


def test_case_12_files_of_two_tenants_do_not_meet(acme: House, globex: House) -> None:
    for house in (acme, globex):
        with house.person("member").acting():
            default_storage.save("note.txt", ContentFile(house.canary.encode()))
    for house, other in ((acme, globex), (globex, acme)):
        with house.person("member").acting():
            with default_storage.open("note.txt") as file:
                assert file.read().decode() == house.canary
            with pytest.raises(SuspiciousFileOperation):
                default_storage.open(f"../{other.schema}/note.txt")
    for house in (acme, globex):
        with house.person("member").acting():
            default_storage.delete("note.txt")
    with pytest.raises(NoTenantContext):
        default_storage.exists("note.txt")


def test_case_12_cache_keys_of_two_tenants_do_not_meet(acme: House, globex: House) -> None:
    for house in (acme, globex):
        with house.person("member").acting():
            cache.set("greeting", house.canary, 30)
    for house in (acme, globex):
        with house.person("member").acting():
            assert cache.get("greeting") == house.canary
    with pytest.raises(NoTenantContext):
        cache.get("greeting")


def test_content_types_are_each_schemas_own(acme: House, globex: House, owner: psycopg.Connection) -> None:
    for house in (acme, globex):
        row = owner.execute(
            f"SELECT id FROM {house.schema}.django_content_type WHERE app_label = 'accounts' AND model = 'user'"
        ).fetchone()
        with house.person("admin").acting():
            assert row and ContentType.objects.get_for_model(User).pk == row[0]


def test_migrations_see_the_rows_they_mean_to(acme: House) -> None:
    connections.close_all()
    counted = cluster.manage("migrate_tenants", DATABASE_MIGRATOR_URL=cluster.MIGRATOR_URL)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.path[:0] = ['.', 'platform']\n"
            "import django; django.setup()\n"
            "from isolation import context\nfrom accounts.models import User\n"
            f"with context.use(context.migrating('{acme.schema}')): print(User.objects.filter(language='fr').update(language='fr'))",
        ],
        env=cluster.environment(DATABASE_MIGRATOR_URL=cluster.MIGRATOR_URL, CLOISON_LOGIN="migrator"),
        cwd=cluster.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "0 schemas changed" in counted
    assert int(done.stdout) == 6


def test_the_webs_login_can_run_no_migration(acme: House) -> None:
    with context.use(context.migrating(acme.schema)), pytest.raises(DatabaseError, match="permission denied"):
        User.objects.count()
    connections.close_all()
