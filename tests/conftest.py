"""Fixtures: the suite's servers, its two tenants, and the product running for the tests that look from outside."""

from __future__ import annotations

import contextlib
import inspect
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from tests import canary, cluster
from tests.people import House


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", action="store_true", help="also the tests that kill processes")
    parser.addoption("--soak", action="store_true", help="also the long loads")


# Files of few and long tests: begun last, one process would work on them while the other has nothing left.
LONG = ("appliance/test_up.py", "tenants/test_lifecycle.py", "browser/", "conversations/", "security/test_interleaving.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.fixturenames.append("connections_given_back")
    items.sort(key=lambda item: next((n for n, name in enumerate(LONG) if f"tests/{name}" in item.nodeid), len(LONG)))
    for name in ("faults", "soak"):
        if not config.getoption(f"--{name}"):
            for item in items:
                if name in item.keywords:
                    item.add_marker(pytest.mark.skip(reason=f"needs --{name}"))


@pytest.fixture(scope="session")
def servers() -> Iterator[None]:
    """PostgreSQL and Redis of the suite, with tables and the two tenants."""
    cluster.start()
    subprocess.run(
        [sys.executable, str(cluster.ROOT / "tests" / "provision.py")],
        env=cluster.environment(DATABASE_MIGRATOR_URL=cluster.MIGRATOR_URL),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    from config.celery import app

    app.conf.task_default_queue = "nobody"  # Tests in this process do their tasks themselves; the live worker is for outsiders.
    yield
    from django.db import connections

    connections.close_all()
    connections["default"].close_pool()
    cluster.stop()


@pytest.fixture(scope="session")
def owner(servers: None) -> Iterator[psycopg.Connection]:
    """The superuser's own look at the database, past every policy: for controls, never for what is tested."""
    with cluster.POSTGRES._connect("cloison") as link:
        yield link


@pytest.fixture(scope="session")
def houses(owner: psycopg.Connection, django_db_blocker: object) -> Iterator[dict[str, House]]:
    """Both tenants by name. Queries run in autocommit under the web's own login, as in the product."""
    rows = owner.execute("SELECT name, schema_name FROM public.tenants_tenant").fetchall()
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield {str(name).lower(): House(str(name), str(schema)) for name, schema in rows}


@pytest.fixture
async def connections_given_back() -> AsyncIterator[None]:
    """Of every asynchronous test: each has a loop of its own, whose connections end with it."""
    yield
    from core import streams
    from gateway.clients import session

    await streams.close()
    await session.close()


@pytest.fixture(autouse=True)
def outside() -> Iterator[None]:
    """Every test starts and ends outside any tenant: Django's test client leaves a request's context behind."""
    from isolation import context

    context.enter(None)
    yield
    context.enter(None)


KEPT_TABLES = (
    "django_%",
    "auth_%",
    "audit_auditevent",
    "audit_head",
    "audit_readingpolicy",
    "accounts_user",
    "accounts_signinpolicy",
    "gateway_modelrules",
    "conversations_retentionpolicy",
    "conversations_sharingpolicy",
    "profiles_assistant",
)


GROWING_TABLES = ("accounts_user", "profiles_assistant")  # Kept, but for what tests add.


@pytest.fixture(scope="session")
def cast(houses: dict[str, House], owner: psycopg.Connection) -> dict[str, int]:
    """The highest key in each growing table before the first test."""
    tables = [f"{house.schema}.{name}" for house in houses.values() for name in GROWING_TABLES]
    return {name: owner.execute(f"SELECT coalesce(max(id), 0) FROM {name}").fetchone()[0] for name in tables}  # type: ignore[index]


@pytest.fixture
def acme(houses: dict[str, House], clean: None) -> House:
    return houses["acme"]


@pytest.fixture
def globex(houses: dict[str, House], clean: None) -> House:
    return houses["globex"]


@pytest.fixture
def clean(houses: dict[str, House], owner: psycopg.Connection, cast: dict[str, int]) -> Iterator[None]:
    """Empties what tests fill, after the test."""
    yield
    kept = " AND ".join(f"tablename NOT LIKE '{pattern}'" for pattern in KEPT_TABLES)
    schemas = ", ".join(f"'{house.schema}'" for house in houses.values())
    tables = owner.execute(
        f"SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ({schemas}) AND {kept}"
    )
    looks = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for (name,) in tables.fetchall())
    for house in houses.values():  # Groups go; nobody stays in one.
        owner.execute(f"UPDATE {house.schema}.accounts_user SET group_keys = '{{}}' WHERE group_keys <> '{{}}'")
    runs = " UNION ALL ".join(f"SELECT status, lease_until FROM {house.schema}.conversations_run" for house in houses.values())
    held, deadline = f"SELECT FROM ({runs}) r WHERE status = 'running' AND lease_until > now()", time.monotonic() + 10
    while time.monotonic() < deadline and owner.execute(held).fetchone() is not None:
        time.sleep(0.05)  # A process of the suite still answers, and records what that costs.
    for _ in range(5):  # The worker may be writing what the test did not wait for.
        filled = [str(name) for (name,) in owner.execute(looks).fetchall()]
        filled += [f"{name} WHERE id > {last}" for name, last in cast.items()]
        # Without foreign keys' triggers the order does not matter. TRUNCATE takes a quarter of a second, this a few milliseconds.
        deletes = "; ".join(f"DELETE FROM {name}" for name in filled)
        with contextlib.suppress(psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
            owner.execute(f"SET session_replication_role = replica; {deletes}; SET session_replication_role = origin")
            return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Live:
    """The product as outsiders meet it: web, worker and beat as processes."""

    port: int
    web: subprocess.Popen[bytes]
    worker: subprocess.Popen[bytes]
    logs: Path

    def url(self, house: House, path: str = "/") -> str:
        return f"http://{house.host}:{self.port}{path}"

    @property
    def base(self) -> str:
        """For clients that cannot resolve *.localhost: send the Host header beside it."""
        return f"http://127.0.0.1:{self.port}"


def start_process(*command: str, log: Path, **more: str) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, str(cluster.ROOT / "manage.py"), *command],
            env=cluster.environment(**more),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the web process ended:\n{log.read_text()[-3000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the web process does not listen")


@contextlib.contextmanager
def resting(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """The process stands still: it takes no runs that are meant for another one, which is set up otherwise."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def another_web(live: Live, folder: Path, **environment: str) -> Iterator[Live]:
    """A further web process on the same servers, with an environment of its own; its log is `folder`/web.log."""
    port, log = free_port(), folder / "web.log"
    process = start_process("serve", "--port", str(port), log=log, **environment)
    try:
        wait_for_port(port, process, log)
        yield replace(live, port=port, web=process, logs=folder)
    finally:
        process.terminate()
        try:
            process.wait(25)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def live(houses: dict[str, House], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Web and worker on the suite's servers. Demo password: `tests.people.PASSWORD`."""
    logs, port = tmp_path_factory.mktemp("live"), free_port()
    here = {"CLOISON_PORT": str(port), "CLOISON_BUILTIN_PACE_MS": "5", "CLOISON_DB_POOL": "4"}
    web = start_process("serve", "--port", str(port), log=logs / "web.log", **here)
    worker = start_process("worker", log=logs / "worker.log", CLOISON_PORT=str(port))
    try:
        wait_for_port(port, web, logs / "web.log")
        yield Live(port, web, worker, logs)
    finally:
        for process in (web, worker):
            process.terminate()
        for process in (web, worker):
            try:
                process.wait(25)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    # A log says what happened, never what was written.
    for log in logs.iterdir():
        canary.look(log.read_bytes(), None, log.name)
    # Import, start, upload, parse, answer: nothing went beyond this machine.
    assert not cluster.STRAY.exists(), cluster.STRAY.read_text()
