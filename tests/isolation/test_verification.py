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
    "policy lets everybody read": (
        "CREATE POLICY wide ON {t} FOR SELECT TO {s} USING (true)",
        "DROP POLICY wide ON {t}",
        "{short}: wide",
    ),
    "operator of a policy turned round": (
        "ALTER POLICY {policy} ON {t} {turned}",
        "ALTER POLICY {policy} ON {t} {straight}",
        "{short}: {policy}",
    ),
    "a foreign role granted": (
        "GRANT pg_read_all_data TO cloison_app",
        "REVOKE pg_read_all_data FROM cloison_app",
        "pg_read_all_data by cloison_app",
    ),
    "a foreign role granted by way of the tenant's": (
        "GRANT cloison_owner TO {s}",
        "REVOKE cloison_owner FROM {s}",
        "cloison_owner by cloison_app through {s}",
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
    exact = verification.verify([acme.schema, globex.schema], migrator=cluster.MIGRATOR_URL)
    assert [(each.what, each.where, each.outcome) for each in exact.holes] == []


def test_brackets_that_change_the_meaning_are_seen_where_the_migrators_login_is(acme: House, owner: psycopg.Connection) -> None:
    """`a OR b AND c` with its brackets moved has the same words and comparisons: only PostgreSQL's own print tells."""
    place = f"read ON {acme.schema}.audit_reading"
    row = owner.execute(
        "SELECT qual FROM pg_policies WHERE schemaname = %s AND tablename = 'audit_reading' AND policyname = 'read'",
        (acme.schema,),
    ).fetchone()
    assert row
    uid = f"(SELECT guard.uid('{acme.schema}'))"
    can = [f"(SELECT guard.can('{acme.schema}', '{name}'))" for name in ("admin", "auditor", "operator")]
    owner.execute(f"ALTER POLICY {place} USING ({' OR '.join(can)} OR subject = {uid} OR subject = {uid})")
    try:
        found = verification.verify([acme.schema], migrator=cluster.MIGRATOR_URL).holes
    finally:
        owner.execute(f"ALTER POLICY {place} USING ({row[0]})")
    assert ["audit_reading: read" in each.where for each in found] == [True]
    assert verification.verify([acme.schema], migrator=cluster.MIGRATOR_URL).holes == ()


@pytest.mark.parametrize("opened", OPENED)
def test_each_hole_is_found(opened: str, acme: House, owner: psycopg.Connection) -> None:
    row = owner.execute(
        "SELECT policyname, cmd, qual, with_check, roles[1] FROM pg_policies"
        " WHERE schemaname = %s AND tablename = 'conversations_conversation' AND policyname = 'own'",
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
        "straight": f"USING ({using})" + (f" WITH CHECK ({check})" if check else ""),
        "turned": f"USING ({str(using).replace('=', '<>', 1)})" + (f" WITH CHECK ({check})" if check else ""),
    }
    make, mend, word = (part.format(**names) for part in OPENED[opened])
    owner.execute(make)
    try:
        report = verification.verify([acme.schema])
        exact = verification.verify([acme.schema], migrator=cluster.MIGRATOR_URL)
    finally:
        owner.execute(mend)

    for each_report in (report, exact):
        assert [each for each in each_report.holes if word in f"{each.where} {each.outcome}"], each_report.holes
    assert verification.verify([acme.schema]).holes == ()


ELSEWHERE = {
    "force": ("ALTER TABLE {t} NO FORCE ROW LEVEL SECURITY", "ALTER TABLE {t} FORCE ROW LEVEL SECURITY"),
    "owner": ("ALTER TABLE {t} OWNER TO cloison_migrator", "ALTER TABLE {t} OWNER TO cloison_owner"),
    "membership": ("GRANT {s} TO cloison_app WITH INHERIT TRUE", "GRANT {s} TO cloison_app WITH INHERIT FALSE"),
    "login": ("ALTER ROLE {s} LOGIN", "ALTER ROLE {s} NOLOGIN"),
}


@pytest.mark.parametrize("opened", ELSEWHERE)
def test_one_tenants_report_does_not_name_another(opened: str, acme: House, globex: House, owner: psycopg.Connection) -> None:
    names = {"s": globex.schema, "t": f"{globex.schema}.conversations_conversation"}
    make, mend = (statement.format(**names) for statement in ELSEWHERE[opened])
    owner.execute(make)
    try:
        report = verification.verify([acme.schema], everybody=False)
        everywhere = verification.verify([acme.schema, globex.schema])
    finally:
        owner.execute(mend)

    assert globex.schema in repr(everywhere.holes)
    assert globex.schema not in repr(report)


def test_the_command_prints_and_fails_on_a_hole(acme: House, owner: psycopg.Connection) -> None:
    assert "positive control" in cluster.manage("verify_isolation", "--tenant", acme.name)

    owner.execute(f"ALTER TABLE {acme.schema}.documents_document NO FORCE ROW LEVEL SECURITY")
    try:
        with pytest.raises(RuntimeError, match="holes in the walls"):
            cluster.manage("verify_isolation", "--tenant", acme.name)
    finally:
        owner.execute(f"ALTER TABLE {acme.schema}.documents_document FORCE ROW LEVEL SECURITY")
