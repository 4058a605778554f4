"""Audit events: chained, append-only, seen by whom they concern and by auditors, never from another tenant."""

from __future__ import annotations

import threading

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.db.utils import ProgrammingError

import audit
from audit import services
from audit.models import AuditEvent, Head
from isolation import context
from tests.cluster import manage
from tests.people import House


def verdict(house: House, anchor: tuple[int, str] | None = None) -> services.Verdict:
    with context.use(context.service(house.schema)):
        return services.verify(anchor)


def write(house: House, count: int = 3) -> None:
    with house.person("admin").acting():
        for number in range(count):
            audit.record("person.role_changed", target=f"person:{number}", details={"to": "été ☀", "number": number})


def test_events_of_a_tenant_form_a_chain_that_holds(acme: House) -> None:
    before = verdict(acme)

    write(acme)

    after = verdict(acme)
    assert after.holds
    assert after.events == before.events + 3
    assert verdict(acme, anchor=(before.seq, before.hash)).holds
    assert not verdict(acme, anchor=(after.seq, before.hash)).holds
    assert not verdict(acme, anchor=(after.seq + 1, after.hash)).holds


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE {s}.audit_auditevent SET details = '{{}}' WHERE seq = {n}", "changed"),
        ("UPDATE {s}.audit_auditevent SET at = at + interval '1 microsecond' WHERE seq = {n}", "changed"),
        ("DELETE FROM {s}.audit_auditevent WHERE seq = {n}", "missing"),
        ("DELETE FROM {s}.audit_auditevent WHERE seq > {n}", "cut"),
    ],
)
def test_what_a_superuser_changes_shows(acme: House, owner: psycopg.Connection, change: str, reason: str) -> None:
    write(acme)
    last = verdict(acme).seq
    rows = owner.execute(f"SELECT * FROM {acme.schema}.audit_auditevent WHERE seq >= {last - 1} ORDER BY seq").fetchall()
    owner.execute(f"ALTER TABLE {acme.schema}.audit_auditevent DISABLE TRIGGER refuse_change")
    try:
        owner.execute(change.format(s=acme.schema, n=last - 1))
        found = verdict(acme)
        with pytest.raises(RuntimeError, match="BROKEN"):
            manage("verify_audit", "--tenant", "Acme")
    finally:
        owner.execute(f"DELETE FROM {acme.schema}.audit_auditevent WHERE seq >= {last - 1}")
        for row in rows:
            owner.execute(f"INSERT INTO {acme.schema}.audit_auditevent VALUES ({', '.join(['%s'] * len(row))})", row)
        owner.execute(f"ALTER TABLE {acme.schema}.audit_auditevent ENABLE TRIGGER refuse_change")

    assert (found.holds, found.reason) == (False, reason)
    assert verdict(acme).holds
    assert "events hold" in manage("verify_audit", "--tenant", "Acme")


@pytest.mark.parametrize("role", ["person", "service"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditevent SET action = 'x'",
        "DELETE FROM audit_auditevent",
        "UPDATE audit_head SET seq = 0",
        "INSERT INTO audit_auditevent (seq, at, action, actor_name, address, target, details, hash)"
        " VALUES (1000000, now(), 'x', '', '', '', '{}', '')",
        "TRUNCATE audit_auditevent",
    ],
)
def test_nobody_but_the_function_writes(acme: House, statement: str, role: str) -> None:
    write(acme)
    before = verdict(acme)
    who = acme.person("admin").context if role == "person" else context.service(acme.schema)

    with context.use(who):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement)
                assert cursor.rowcount == 0
        except DatabaseError:
            pass

    assert verdict(acme) == before


def test_who_is_signed_in_speaks_for_nobody_else(acme: House) -> None:
    member, admin = acme.person("member"), acme.person("admin")

    with member.acting():
        audit.record("auth.signed_out", actor=admin.user.pk, actor_name="somebody")

    with admin.acting():
        assert AuditEvent.objects.latest("seq").actor == member.user.pk


def test_parallel_writers_leave_no_gap(acme: House) -> None:
    def work() -> None:
        write(acme, 10)
        connections.close_all()

    before = verdict(acme)
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    after = verdict(acme)
    assert after.holds
    assert after.seq == before.seq + 60


def test_what_is_rolled_back_was_never_written(acme: House) -> None:
    before = verdict(acme)

    with acme.person("admin").acting(), pytest.raises(KeyError), transaction.atomic():
        audit.record("person.role_changed")
        raise KeyError

    assert verdict(acme) == before


def test_auditors_see_all_others_only_what_concerns_them(acme: House, globex: House) -> None:
    member, other = acme.person("member"), acme.person("member2")
    with acme.person("admin").acting():
        audit.record("person.role_changed", target="case:one", subject=member.user.pk)

    def sees(house: House, local: str) -> bool:
        with house.person(local).acting():
            return AuditEvent.objects.filter(target="case:one").exists()

    assert sees(acme, "auditor")
    assert sees(acme, "admin")
    assert sees(acme, "member")
    assert not sees(acme, "manager")
    assert not sees(acme, "member2")
    assert not any(sees(globex, local) for local in ("auditor", "admin", "member"))
    assert other.user.pk != member.user.pk


def test_a_context_of_another_tenant_appends_nothing(acme: House, globex: House) -> None:
    before = verdict(globex)

    with acme.person("admin").acting(), pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT {globex.schema}.audit_append(NULL, '', '', 'x', '', NULL, '{{}}')")

    assert verdict(globex) == before


def test_the_head_is_not_for_persons(acme: House) -> None:
    with acme.person("admin").acting():
        assert not Head.objects.exists()
