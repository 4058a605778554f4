"""An organisation's life from the operator's console: asked for, made, closed, deleted, restored, removed, made again."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connections
from django.test import Client
from websockets.exceptions import ConnectionClosed

import documents.tasks  # noqa: F401 (registers the task)
from accounts.models import User
from isolation import context, tasks, verification
from tenants.models import TenantJob
from tests import cluster
from tests.conftest import Live, start_process
from tests.people import PASSWORD, House
from tests.wire import socket

MIGRATOR = {"DATABASE_MIGRATOR_URL": cluster.MIGRATOR_URL}


@pytest.fixture
def name(owner: psycopg.Connection) -> Iterator[str]:
    """Of an organisation that the test makes; it is gone afterwards."""
    found = f"Initech {uuid.uuid4().hex[:6]}"
    yield found
    if owner.execute("SELECT 1 FROM public.tenants_tenant WHERE name = %s", (found,)).fetchone():
        cluster.manage("delete_tenant", found, "--yes", **MIGRATOR)
    owner.execute("DELETE FROM public.tenants_tenantjob WHERE name = %s", (found,))
    connections.close_all()


@pytest.fixture
def operator(houses: dict[str, House]) -> Client:
    """Signed in at the operator's console."""
    client = Client(headers={"host": "localhost"}, raise_request_exception=False)
    answer = client.post("/admin/login/", {"username": "operator@cloison.test", "password": PASSWORD, "next": "/admin/"})
    assert answer.status_code == 302, answer.content
    return client


def host_of(name: str) -> str:
    return f"{name.lower().replace(' ', '-')}.localhost"


def ask(operator: Client, name: str, **more: str) -> str:
    """Fill the form in; returns the address of the progress page."""
    wishes = {
        "name": name,
        "domain": host_of(name),
        "admin_email": "boss@initech.test",
        "language": "fr",
        "colour": "#224466",
        "colour_ink": "#ffffff",
        **more,
    }
    answer = operator.post("/admin/tenants/tenantjob/add/", wishes)
    assert answer.status_code == 302, answer.content.decode()
    return str(answer.headers["location"])


def job(owner: psycopg.Connection, name: str) -> tuple[str, str, int, str]:
    row = owner.execute(
        "SELECT state, step, progress, error_code FROM public.tenants_tenantjob WHERE name = %s ORDER BY id DESC LIMIT 1", (name,)
    ).fetchone()
    assert row
    return row  # type: ignore[return-value]


def schema_of(owner: psycopg.Connection, name: str) -> str:
    row = owner.execute("SELECT schema_name FROM public.tenants_tenant WHERE name = %s", (name,)).fetchone()
    assert row
    return str(row[0])


def actions(owner: psycopg.Connection, schema: str, tenant_name: str = "") -> list[str]:
    rows = owner.execute(f"SELECT action FROM {schema}.audit_auditevent WHERE action LIKE 'tenant.%%' ORDER BY seq").fetchall()
    return [str(action) for (action,) in rows]


def pk_of(owner: psycopg.Connection, name: str) -> int:
    row = owner.execute("SELECT id FROM public.tenants_tenant WHERE name = %s", (name,)).fetchone()
    assert row
    return int(row[0])  # type: ignore[call-overload]


def change_colour(operator: Client, owner: psycopg.Connection, name: str, colour: str) -> None:
    pk = pk_of(owner, name)
    row = owner.execute("SELECT id FROM public.tenants_domain WHERE tenant_id = %s", (pk,)).fetchone()
    assert row
    form = {
        "name": name,
        "language": "fr",
        "colour": colour,
        "colour_ink": "#ffffff",
        "domains-TOTAL_FORMS": "1",
        "domains-INITIAL_FORMS": "1",
        "domains-0-id": row[0],
        "domains-0-tenant": pk,
        "domains-0-domain": host_of(name),
        "domains-0-is_primary": "on",
    }
    answer = operator.post(f"/admin/tenants/tenant/{pk}/change/", form)
    assert answer.status_code == 302, answer.content.decode()


def test_case_62_a_life_from_the_console(operator: Client, owner: psycopg.Connection, name: str) -> None:
    page = ask(operator, name)
    shown = operator.get(page).content.decode()
    password = re.search(r"<code>([a-z0-9-]{23})</code>", shown)
    assert password, shown
    assert password[1] not in operator.get(page).content.decode()  # Once.
    assert job(owner, name)[0] == "queued"
    site = Client(headers={"host": host_of(name)}, raise_request_exception=False)
    assert site.get("/login/").status_code == 404

    begun = time.monotonic()
    cluster.manage("provision", **MIGRATOR)
    print(f"provision, with Python's start: {time.monotonic() - begun:.1f} s")

    assert job(owner, name) == ("done", "ready", 100, "")
    assert "data-more" not in (part := operator.get(page + "?part").content.decode())
    assert f"http://{host_of(name)}" in part
    time.sleep(0.6)
    assert site.get("/login/").status_code == 200
    boss = Client(headers={"host": host_of(name)}, raise_request_exception=False)
    answer = boss.post("/login/", {"email": "boss@initech.test", "password": password[1]})
    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    schema = schema_of(owner, name)
    assert actions(owner, schema) == ["tenant.created"]
    assert verification.verify([schema], everybody=False).holes == ()
    # The hash was handed on and is not kept.
    assert owner.execute("SELECT admin_secret FROM public.tenants_tenantjob WHERE name = %s", (name,)).fetchone() == ("",)

    at = f"/admin/tenants/tenant/{pk_of(owner, name)}"
    change_colour(operator, owner, name, "#336699")
    assert "#336699" in site.get("/tenant.css").content.decode()
    assert operator.post(f"{at}/suspend/").status_code == 302
    assert site.get("/login/").status_code == 404
    assert operator.post(f"{at}/resume/").status_code == 302
    assert site.get("/login/").status_code == 200
    assert operator.post(f"{at}/delete/", {"typed": name.lower()}).status_code == 400
    assert site.get("/login/").status_code == 200
    assert operator.post(f"{at}/delete/", {"typed": name}).status_code == 302
    assert site.get("/login/").status_code == 404
    assert operator.get(f"{at}/change/").status_code == 200
    assert operator.post(f"{at}/restore/").status_code == 302
    assert site.get("/login/").status_code == 200
    told = ["tenant.created", "tenant.changed", "tenant.suspended", "tenant.resumed", "tenant.deleted", "tenant.restored"]
    assert actions(owner, schema) == told
    assert actions(owner, "public")[-6:] == told


def test_case_62_a_purge_leaves_nothing_and_the_name_comes_back_empty(
    operator: Client, owner: psycopg.Connection, name: str, acme: House
) -> None:
    ask(operator, name)
    cluster.manage("provision", **MIGRATOR)
    schema = schema_of(owner, name)
    with context.use(context.service(schema)):
        cache.set("left", "behind", 60)
    with acme.person("member").acting():
        cache.set("left", "here", 60)
    folder = Path(settings.DATA_DIR) / "files" / schema
    folder.mkdir(parents=True)
    (folder / "paper.txt").write_text("paper")
    at = f"/admin/tenants/tenant/{pk_of(owner, name)}"
    assert operator.post(f"{at}/purge/").status_code == 302  # Not deleted: refused.
    assert job(owner, name)[1] == "ready"
    operator.post(f"{at}/delete/", {"typed": name})

    cluster.manage("provision", **MIGRATOR)
    assert schema_of(owner, name) == schema  # The grace holds.
    owner.execute("UPDATE public.tenants_tenant SET purge_after = now() WHERE name = %s", (name,))
    cluster.manage("provision", **MIGRATOR)

    assert job(owner, name) == ("done", "gone", 100, "")
    for question in ("SELECT 1 FROM pg_namespace WHERE nspname = %s", "SELECT 1 FROM pg_roles WHERE rolname = %s"):
        assert owner.execute(question, (schema,)).fetchone() is None
    assert owner.execute("SELECT 1 FROM public.tenants_tenant WHERE name = %s", (name,)).fetchone() is None
    assert not folder.exists()
    with context.use(context.service(schema)):
        assert cache.get("left") is None
    with acme.person("member").acting():
        assert cache.get("left") == "here"
    assert actions(owner, "public")[-1] == "tenant.purged"
    task = "documents.tasks.reconcile"  # Queued before, delivered after: it does nothing and does not fail.
    header = tasks.sign(context.service(schema), task)
    assert current_app.tasks[task].apply(headers={tasks.HEADER: header}, throw=True).result is None

    ask(operator, name)
    cluster.manage("provision", **MIGRATOR)
    fresh = schema_of(owner, name)
    assert fresh != schema
    with context.use(context.auth(fresh)):
        assert list(User.objects.values_list("email", flat=True)) == ["boss@initech.test"]


def spares_of(owner: psycopg.Connection) -> list[str]:
    rows = owner.execute(
        "SELECT nspname FROM pg_namespace n WHERE obj_description(oid, 'pg_namespace') LIKE 'cloison spare %'"
        " AND NOT EXISTS (SELECT 1 FROM public.tenants_tenant t WHERE t.schema_name = n.nspname) ORDER BY oid"
    )
    return [str(schema) for (schema,) in rows]


def test_a_spare_schema_has_the_same_walls_and_is_given_away_once(operator: Client, owner: psycopg.Connection, name: str) -> None:
    cluster.manage("provision", **MIGRATOR)
    (spare,) = spares_of(owner)
    assert verification.verify([], migrator=cluster.MIGRATOR_URL).holes == ()  # The catalogue's lints read spares, too.

    ask(operator, name)
    cluster.manage("provision", **MIGRATOR)

    assert schema_of(owner, name) == spare
    assert verification.verify([spare], everybody=False, migrator=cluster.MIGRATOR_URL).holes == ()
    assert "events hold" in cluster.manage("verify_audit", "--tenant", name)
    (fresh,) = spares_of(owner)
    assert fresh != spare

    owner.execute(f"COMMENT ON SCHEMA {fresh} IS 'cloison spare of another version'")
    cluster.manage("provision", **MIGRATOR)
    (newer,) = spares_of(owner)
    assert newer != fresh
    assert owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (fresh,)).fetchone() is None


def test_a_taken_name_or_host_and_a_bad_host_are_refused_in_words(operator: Client, owner: psycopg.Connection, name: str) -> None:
    missing = {"name": name, "domain": "", "admin_email": "", "language": "en", "colour": "#224466", "colour_ink": "#ffffff"}
    answer = operator.post("/admin/tenants/tenantjob/add/", missing)
    assert (answer.status_code, answer.content.decode().count('class="errorlist"')) == (200, 2)
    for wrong in ({"name": "Acme"}, {"domain": "acme.localhost"}, {"domain": "not a host"}):
        wishes = {"name": name, "domain": host_of(name), "admin_email": "b@initech.test", "language": "en"}
        colours = {"colour": "#224466", "colour_ink": "#ffffff"}
        answer = operator.post("/admin/tenants/tenantjob/add/", {**wishes, **colours, **wrong}, follow=True)
        assert "messagelist" in answer.content.decode()
    assert owner.execute("SELECT 1 FROM public.tenants_tenantjob WHERE name = %s", (name,)).fetchone() is None


def test_case_62_killed_in_the_middle_the_next_run_completes_it(
    operator: Client, owner: psycopg.Connection, name: str, tmp_path: Path
) -> None:
    for schema in spares_of(owner):  # The slow way, to have time to kill it.
        owner.execute(f"COMMENT ON SCHEMA {schema} IS 'cloison spare of another version'")
    ask(operator, name)
    log = tmp_path / "provision.log"
    process = start_process("provision", log=log, CLOISON_DATA_DIR=str(cluster.DATA), **MIGRATOR)
    deadline = time.monotonic() + 30
    while job(owner, name)[1] != "tables":
        assert time.monotonic() < deadline and process.poll() is None, log.read_text()
        time.sleep(0.01)
    time.sleep(0.2)
    process.kill()
    process.wait()
    assert job(owner, name)[0] == "running"

    cluster.manage("provision", **MIGRATOR)  # Waits for the lease to end.

    why = owner.execute("SELECT error FROM public.tenants_tenantjob WHERE name = %s", (name,)).fetchone()
    assert job(owner, name) == ("done", "ready", 100, ""), why
    assert verification.verify([schema_of(owner, name)], everybody=False).holes == ()
    log.write_text("")


def test_the_commands_lead_the_same_life(owner: psycopg.Connection, name: str) -> None:
    wishes = ("--domain", host_of(name), "--admin-email", "boss@initech.test", "--language", "fr")
    assert "is ready at" in cluster.manage("create_tenant", name, *wishes, CLOISON_ADMIN_PASSWORD=PASSWORD, **MIGRATOR)
    schema = schema_of(owner, name)
    with pytest.raises(RuntimeError, match="tenant_exists"):
        cluster.manage("create_tenant", name, *wishes, **MIGRATOR)
    with pytest.raises(RuntimeError, match="tenant_state"):
        cluster.manage("tenant", "restore", name, **MIGRATOR)

    cluster.manage("delete_tenant", name, "--yes", **MIGRATOR)

    assert owner.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is None
    with pytest.raises(RuntimeError, match="not_found"):
        cluster.manage("delete_tenant", name, "--yes", **MIGRATOR)


def test_the_operator_asks_but_cannot_call_a_job_done(houses: dict[str, House], owner: psycopg.Connection, name: str) -> None:
    row = owner.execute("SELECT id FROM public.accounts_user WHERE role = 'operator'").fetchone()
    assert row
    here = context.person(context.PUBLIC, row[0], frozenset({"operator"}))  # type: ignore[arg-type]
    with context.use(here):
        mine = TenantJob.objects.create(name=name, asked_by=row[0])
        with pytest.raises(DatabaseError):
            TenantJob.objects.filter(pk=mine.pk).update(state="done")
        with pytest.raises(DatabaseError):
            TenantJob.objects.create(name=f"{name} 2", asked_by=row[0], state="running")
    with context.use(houses["acme"].person("admin").context), pytest.raises(DatabaseError):
        TenantJob.objects.exists()


def test_case_24_a_tenants_people_do_not_reach_the_jobs(acme: House) -> None:
    for path in ("/admin/tenants/tenantjob/", "/admin/tenants/tenantjob/add/", "/admin/tenants/tenant/1/suspend/"):
        assert acme.person("admin").api.get(path).status_code == 404


def test_a_suspended_site_is_shut_in_every_process_within_a_second(live: Live, globex: House) -> None:
    with httpx.Client(base_url=live.base, headers={"Host": globex.host}) as client:
        assert client.get("/login/").status_code == 200

        cluster.manage("tenant", "suspend", globex.name, **MIGRATOR)
        begun = time.monotonic()
        try:
            while client.get("/login/").status_code != 404:
                assert time.monotonic() - begun < 1
                time.sleep(0.02)
            print(f"shut after {time.monotonic() - begun:.2f} s")
        finally:
            cluster.manage("tenant", "resume", globex.name, **MIGRATOR)
        time.sleep(0.6)
        assert client.get("/login/").status_code == 200


async def test_an_open_socket_of_a_suspended_site_is_closed(live: Live, globex: House) -> None:
    async with socket(live, globex.person("member")) as link:
        await link.send(type="ping")
        assert (await link.receive())["type"] == "pong"

        await asyncio.to_thread(cluster.manage, "tenant", "suspend", globex.name, **MIGRATOR)
        try:
            await asyncio.sleep(0.6)
            await link.send(type="ping")
            with pytest.raises(ConnectionClosed) as closed:
                await link.receive()
        finally:
            await asyncio.to_thread(cluster.manage, "tenant", "resume", globex.name, **MIGRATOR)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4403


def test_the_watching_service_does_what_is_asked_and_ends_on_sigterm(
    operator: Client, owner: psycopg.Connection, name: str, tmp_path: Path
) -> None:
    process = start_process("provision", "--watch", log=tmp_path / "watch.log", CLOISON_DATA_DIR=str(cluster.DATA), **MIGRATOR)
    try:
        ask(operator, name)
        begun = time.monotonic()
        while job(owner, name)[0] != "done":
            assert time.monotonic() - begun < 30
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0
