"""Workers that die in the middle of a document."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta

import psutil
import psycopg
import pytest

from tests.conftest import Live, start_process
from tests.documents import files
from tests.documents.test_live import client, wait_until_read
from tests.people import House

pytestmark = pytest.mark.faults


def test_a_killed_worker_loses_no_document(live: Live, acme: House, owner: psycopg.Connection) -> None:
    """The whole worker dies while a long document is embedded; another one, told by the reconciler, reads it to the end."""
    from documents import tasks
    from isolation import context

    actor = acme.person("member")
    prose = ["The committee spoke of many things and wrote each of them down with care."] * 50
    with client(live, actor) as web:
        undisturbed = web.post("/api/v1/documents/", files={"file": ("a.pdf", files.pdf(*[prose] * 6))}).json()["id"]
        chunks = wait_until_read(web, undisturbed)["chunk_count"]
        web.delete(f"/api/v1/documents/{undisturbed}/")
        doomed = start_process("worker", log=live.logs / "doomed.log")
        live.worker.send_signal(signal.SIGSTOP)
        try:
            identifier = web.post("/api/v1/documents/", files={"file": ("a.pdf", files.pdf(*[prose] * 6))}).json()["id"]
            deadline = time.monotonic() + 30
            while web.get(f"/api/v1/documents/{identifier}/").json()["status"] != "processing" and time.monotonic() < deadline:
                time.sleep(0.01)
            for process in [*psutil.Process(doomed.pid).children(recursive=True), psutil.Process(doomed.pid)]:
                os.kill(process.pid, signal.SIGKILL)
            doomed.wait()
        finally:
            live.worker.send_signal(signal.SIGCONT)
        # Time passes: the sign of life grows old, and beat's task looks.
        owner.execute(
            f"UPDATE {acme.schema}.documents_document SET touched_at = now() - %s WHERE status = 'processing'",
            [timedelta(minutes=2)],
        )
        with context.use(context.service(acme.schema)):
            tasks.reconcile.apply_async()
        one = wait_until_read(web, identifier)

        assert (one["status"], one["chunk_count"]) == ("ready", chunks)
        assert len(web.get(f"/api/v1/documents/{identifier}/chunks/?limit=500").json()["results"]) == chunks
