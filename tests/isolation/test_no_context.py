"""Case 5: without a tenant context nothing reaches the server, from wherever it is asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from asgiref.sync import sync_to_async
from celery import current_app
from django.db import connections

import documents.tasks  # noqa: F401 (registers the task)
from accounts.models import User
from isolation import context
from isolation.context import NoTenantContext
from isolation.tasks import RefusedTask
from tests import cluster
from tests.people import House

APP = "case-five"


@pytest.fixture
def statements(owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """What this process has sent to the server since the last look, out of the server's own log."""
    monkeypatch.setenv("PGAPPNAME", APP)
    owner.execute("ALTER SYSTEM SET log_line_prefix = 'app=%a '")
    owner.execute("SELECT pg_reload_conf()")
    owner.execute("ALTER ROLE cloison_app SET log_statement = 'all'")
    connections.close_all()
    connections["default"].close_pool()
    log = cluster.PLACES.logs / "postgres.log"
    place = log.stat().st_size

    def look() -> list[str]:
        nonlocal place
        time.sleep(0.2)
        text = log.read_bytes()[place:].decode(errors="replace")
        place += len(text.encode())
        # The pool wipes each connection that comes back, used or not; a connection that is gone is no statement.
        noise = ("DISCARD SEQUENCES", "could not receive data from client: Connection reset by peer")
        return [line for line in text.splitlines() if f"app={APP} " in line and not line.endswith(noise)]

    yield look
    owner.execute("ALTER ROLE cloison_app RESET log_statement")
    owner.execute("ALTER SYSTEM RESET log_line_prefix")
    owner.execute("SELECT pg_reload_conf()")
    connections.close_all()
    connections["default"].close_pool()


def count() -> int:
    try:
        return User.objects.count()
    finally:
        connections.close_all()


async def test_case_5_nothing_reaches_the_server(houses: dict[str, House], statements: Callable[[], list[str]]) -> None:
    def with_context() -> int:
        with context.use(context.auth(houses["acme"].schema)):
            return count()

    assert await asyncio.to_thread(with_context) == 6
    assert [line for line in statements() if "accounts_user" in line]  # The log sees what is sent.

    with ThreadPoolExecutor(1) as pool, pytest.raises(NoTenantContext):
        pool.submit(count).result()
    with pytest.raises(NoTenantContext):
        await asyncio.to_thread(count)
    with pytest.raises(NoTenantContext):
        await sync_to_async(count, thread_sensitive=False)()
    with pytest.raises(NoTenantContext):
        await sync_to_async(count, thread_sensitive=True)()
    with pytest.raises(RefusedTask):
        await asyncio.to_thread(current_app.tasks["documents.tasks.reconcile"])

    assert statements() == []


def test_case_5_a_command_reaches_nothing(houses: dict[str, House], statements: Callable[[], list[str]]) -> None:
    script = (
        "import sys; sys.path[:0] = ['.', 'platform']\nimport django; django.setup()\n"
        "from django.core.management import call_command\nfrom django.core.management.base import BaseCommand\n"
        "from accounts.models import User\n"
        "class Command(BaseCommand):\n"
        "    def handle(self, *args, **options): print(User.objects.count())\n"
        "call_command(Command())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=cluster.environment(), cwd=cluster.ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "NoTenantContext" in done.stderr
    assert statements() == []
