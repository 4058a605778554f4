"""`verify_isolation` finds what somebody with the owner's or superuser's rights has opened, and nothing in a sound database."""

from __future__ import annotations

import psycopg
import pytest

from isolation import guard, verification
from tests import cluster
from tests.people import House

CTX = next(body for name, body in verification.WRITTEN.findall(guard.DATABASE) if name == "here")

# What is opened, how it is closed again, and a word of the finding.
OPENED = {
    "policy dropped": (
        "DROP POLICY {policy} ON {t}",
        "{restore}",
        "{policy}",
    ),
    "FORCE removed": ("ALTER TABLE {t} NO FORCE ROW LEVEL SECURITY", "ALTER TABLE {t} FORCE ROW LEVEL SECURITY", "{t}"),
    "login owns a table": ("ALTER TABLE {t} OWNER TO cloison_app", "ALTER TABLE {t} OWNER TO cloison_owner", "owns tables"),
    "login takes the owner role": (
        "GRANT cloison_owner TO cloison_app",
        "REVOKE cloison_owner FROM cloison_app",
        "cloison_owner",
    ),
    "BYPASSRLS given": ("ALTER ROLE cloison_app BYPASSRLS", "ALTER ROLE cloison_app NOBYPASSRLS", "bypasses row level security"),
    "event trigger disabled": (
        "ALTER EVENT TRIGGER cloison_lock_new_table DISABLE",
        "ALTER EVENT TRIGGER cloison_lock_new_table ENABLE",
        "cloison_lock_new_table",
    ),
    "definer function without a path": (
        "CREATE FUNCTION {s}.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "DROP FUNCTION {s}.f()",
        "{s}.f",
    ),
    "TRUNCATE granted": ("GRANT TRUNCATE ON {t} TO {s}", "REVOKE TRUNCATE ON {t} FROM {s}", "{t} to {s}"),
    "open policy added": ("CREATE POLICY wide ON {t} USING (true)", "DROP POLICY wide ON {t}", "{short}: wide"),
    "policy widened": (
        "ALTER POLICY migrate ON {t} USING (true)",
        "ALTER POLICY migrate ON {t} USING ((SELECT guard.can('{s}', 'migrate')))",
        "migrate",
    ),
    "membership inherits": (
        "GRANT {s} TO cloison_app WITH INHERIT TRUE",
        "GRANT {s} TO cloison_app WITH INHERIT FALSE",
        "{s} by cloison_app",
    ),
    "guard always says yes": (
        "CREATE OR REPLACE FUNCTION guard.here(t text) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT true $$",
        f"CREATE OR REPLACE FUNCTION guard.here(t text) RETURNS boolean LANGUAGE sql STABLE AS $${CTX}$$",
        "guard.here",
    ),
}


def test_a_sound_database_has_no_hole(acme: House, globex: House) -> None:
    report = verification.verify([acme.schema, globex.schema])

    assert [(each.what, each.where, each.outcome) for each in report.holes] == []
    assert any("positive control" in each.what for each in report.findings)


@pytest.mark.parametrize("opened", OPENED)
def test_each_hole_is_found(opened: str, acme: House, owner: psycopg.Connection) -> None:
    row = owner.execute(
        "SELECT policyname, cmd, qual, with_check, roles[1] FROM pg_policies"
        " WHERE schemaname = %s AND tablename = 'conversations_conversation' AND policyname NOT IN ('gate', 'migrate') LIMIT 1",
        (acme.schema,),
    ).fetchone()
    assert row
    policy, command, using, check, role = row
    restore = f"CREATE POLICY {policy} ON {acme.schema}.conversations_conversation FOR {command} TO {role} USING ({using})"
    names = {
        "s": acme.schema,
        "t": f"{acme.schema}.conversations_conversation",
        "short": f"{acme.schema}.conversations_conversation",
        "policy": policy,
        "restore": restore + (f" WITH CHECK ({check})" if check else ""),
    }
    make, mend, word = (part.format(**names) for part in OPENED[opened])
    owner.execute(make)
    try:
        report = verification.verify([acme.schema])
    finally:
        owner.execute(mend)

    assert [each for each in report.holes if word in f"{each.where} {each.outcome}"], report.holes
    assert verification.verify([acme.schema]).holes == ()


def test_one_tenants_report_does_not_name_another(acme: House, globex: House, owner: psycopg.Connection) -> None:
    table = f"{globex.schema}.conversations_conversation"
    owner.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    try:
        report = verification.verify([acme.schema], everybody=False)
    finally:
        owner.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")

    assert globex.schema not in repr(report)


def test_the_command_prints_and_fails_on_a_hole(acme: House, owner: psycopg.Connection) -> None:
    assert "positive control" in cluster.manage("verify_isolation", "--tenant", acme.name)

    owner.execute(f"ALTER TABLE {acme.schema}.documents_document NO FORCE ROW LEVEL SECURITY")
    try:
        with pytest.raises(RuntimeError, match="holes in the walls"):
            cluster.manage("verify_isolation", "--tenant", acme.name)
    finally:
        owner.execute(f"ALTER TABLE {acme.schema}.documents_document FORCE ROW LEVEL SECURITY")
