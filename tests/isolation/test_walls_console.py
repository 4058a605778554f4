"""Test our walls, from a tenant's console: started, followed, read, taken away signed, checked."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import DatabaseError
from django.test import Client

from accounts.permissions import ROLES, Right
from audit import walls
from audit.models import WallReport
from isolation import context
from tests import cluster
from tests.conftest import Live
from tests.people import PASSWORD, Actor, House

LIST = "/admin/audit/wallreport/"


def signed_in(actor: Actor, language: str = "en") -> Client:
    client = Client(headers={"host": actor.house.host, "accept-language": language}, raise_request_exception=False)
    assert client.post("/login/", {"email": actor.email, "password": PASSWORD}).status_code == 302
    client.cookies["django_language"] = language
    return client


def start(client: Client) -> str:
    answer = client.post(f"{LIST}start/")
    assert answer.status_code == 302
    return str(answer.headers["location"])


def done(actor: Actor, page: str) -> WallReport:
    """The worker's part, in this process."""
    pk = int(page.split("/")[-3])
    with actor.acting():
        walls.run(pk)
        return WallReport.objects.get(pk=pk)


@pytest.mark.parametrize("role", ["admin", "manager", "member", "viewer", "auditor"])
def test_case_20_the_walls_are_tested_by_whoever_has_the_right(acme: House, role: str) -> None:
    may = role in ROLES[Right.TEST_WALLS]
    api = acme.person(role).api

    assert api.get(LIST).status_code == (200 if may else 403)
    assert api.post(f"{LIST}start/").status_code == (302 if may else 403)
    assert api.get(f"{LIST}1/report.json").status_code == (404 if may else 403)


def test_a_report_in_both_languages_and_its_signature(
    acme: House, globex: House, owner: psycopg.Connection, tmp_path: Path
) -> None:
    auditor = acme.person("auditor")
    client = signed_in(auditor)
    page = start(client)
    assert start(client) == page  # One at a time.
    waiting = client.get(page + "?part").content.decode()
    assert "data-more" in waiting and "Testing" in waiting
    assert client.get(page.replace("change/", "report.json")).status_code == 404

    report = done(auditor, page)

    assert (report.state, report.holes) == ("done", 0)
    assert report.tried > 30
    english = client.get(page).content.decode()
    french = signed_in(auditor, "fr").get(page).content.decode()
    assert "read every table without a role" in english.lower() and "refused" in english
    assert "lire toutes les tables sans rôle" in french.lower() and "refusé" in french
    for shown in (english, french):
        assert globex.schema not in shown and "data-more" not in shown
    assert f"{report.pk}/report.txt" in english
    text = client.get(f"{LIST}{report.pk}/report.txt").content.decode()
    assert text.count("[held]") == report.tried and report.signature in text
    file = tmp_path / "report.json"
    answer = client.get(f"{LIST}{report.pk}/report.json")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    file.write_bytes(answer.content)
    assert "genuine: Acme" in cluster.manage("verify_isolation", "--report", str(file))
    changed = json.loads(file.read_text())
    changed["report"]["holes"] = 1
    file.write_text(json.dumps(changed))
    with pytest.raises(RuntimeError, match="NOT genuine"):
        cluster.manage("verify_isolation", "--report", str(file))
    with pytest.raises(RuntimeError, match="no report of ours"):
        cluster.manage("verify_isolation", "--report", __file__)
    row = owner.execute(
        f"SELECT actor, details FROM {acme.schema}.audit_auditevent WHERE action = 'walls.tested' ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    assert row == (auditor.user.pk, json.dumps({"holes": 0, "tried": report.tried}, separators=(",", ":")))


def test_a_hole_is_in_the_report_and_another_tenants_is_not(acme: House, globex: House, owner: psycopg.Connection) -> None:
    admin = acme.person("admin")
    client = signed_in(admin)
    tables = [f"{house.schema}.documents_document" for house in (acme, globex)]
    for table in tables:
        owner.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    try:
        report = done(admin, page := start(client))
    finally:
        for table in tables:
            owner.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")

    shown = client.get(page).content.decode()
    assert report.holes == 1
    assert tables[0] in shown and "1 hole" in shown
    assert globex.schema not in report.findings + shown


def test_an_ended_report_is_changed_by_nobody_and_seen_by_its_own_tenant(
    acme: House, globex: House, owner: psycopg.Connection
) -> None:
    admin = acme.person("admin")
    report = done(admin, start(signed_in(admin)))

    for here in (admin.context, context.service(acme.schema)):
        with context.use(here), pytest.raises(DatabaseError):
            if not WallReport.objects.filter(pk=report.pk).update(holes=5):
                raise DatabaseError("no row")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute(f"UPDATE {acme.schema}.audit_wallreport SET holes = 5")
    with acme.person("member").acting():
        assert not WallReport.objects.exists()
    with globex.person("admin").acting():
        assert not WallReport.objects.exists()
        with pytest.raises(DatabaseError):
            WallReport.objects.create(asked_by=99, asked_by_name="x", organisation="x")
    with admin.acting():
        walls.run(report.pk)  # Delivered twice.
        assert WallReport.objects.get(pk=report.pk).sha256 == report.sha256


def test_the_last_fifty_are_kept(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walls, "KEPT", 2)
    admin = acme.person("admin")
    client = signed_in(admin)
    made = [done(admin, start(client)).pk for _number in range(3)]

    with admin.acting():
        assert list(WallReport.objects.values_list("pk", flat=True)) == made[:0:-1]


def test_the_worker_does_it_while_the_page_looks_on(live: Live, acme: House) -> None:
    admin = acme.person("admin")
    with httpx.Client(base_url=live.base, headers=admin.headers, timeout=20) as client:
        client.get(LIST)
        page = client.post(f"{LIST}start/", data={"csrfmiddlewaretoken": client.cookies["csrftoken"]}).headers["location"]
        begun = time.monotonic()
        while "data-more" in (shown := client.get(f"{page}?part").text):
            assert time.monotonic() - begun < 30
            time.sleep(0.1)
        print(f"tested after {time.monotonic() - begun:.1f} s")
        assert 'class="badge ok"' in shown and "data-more" not in shown
