"""Jobs for the one process that may create and drop roles and schemas (docs/adr/0010).

The console asks; `manage.py provision` does. A job is held under a lease that its process renews: one that was killed is
taken over when the lease ends, and every step may be repeated.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error, IntegrityError, connections, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Now

from core import caller
from core.errors import AppError, NotFound
from isolation import context
from tenants import services, spares
from tenants.models import Tenant, TenantJob

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=8)
RENEW_SECONDS = 2.0
State, Kind = TenantJob.State, TenantJob.Kind


def marker() -> Path:
    """The file whose appearance tells the supervisor of this machine that there is work."""
    return Path(settings.DATA_DIR) / "provision.wanted"


def wake() -> None:
    """Tell the supervisor, where there is one; elsewhere `manage.py provision --watch` looks by itself."""
    if marker().parent.is_dir():
        marker().touch()


def ask(
    *, kind: str, name: str, asked_by: int | None, asked_by_name: str, tenant: Tenant | None = None, **wishes: Any
) -> TenantJob:
    """Queue a job, as an operator or as the migrator. Raises `TenantExists` while one is open for the name."""
    try:
        with transaction.atomic():
            job = TenantJob.objects.create(
                kind=kind, name=name, tenant=tenant, asked_by=asked_by, asked_by_name=asked_by_name, **wishes
            )
    except IntegrityError as error:
        raise services.TenantExists from error
    return job


def ask_to_create(*, name: str, domain: str, asked_by: int, asked_by_name: str, **wishes: Any) -> TenantJob:
    """Queue a new organisation. Raises `InvalidDomain`, or `TenantExists` where name or host are taken already."""
    name, domain = " ".join(name.split()), services.checked_domain(domain)
    taken = Tenant.objects.exclude(status=Tenant.Status.CREATING).filter(Q(name=name) | Q(domains__domain=domain))
    if taken.exists():
        raise services.TenantExists
    job = ask(kind=Kind.CREATE, name=name, domain=domain, asked_by=asked_by, asked_by_name=asked_by_name, **wishes)
    wake()
    return job


def ask_to_purge(tenant: Tenant, *, asked_by: int, asked_by_name: str) -> TenantJob:
    """Queue the end of a deleted organisation, before its day. Raises `WrongState` or `TenantExists`."""
    if tenant.status != Tenant.Status.DELETED:
        raise services.WrongState
    job = ask(kind=Kind.PURGE, name=tenant.name, tenant=tenant, asked_by=asked_by, asked_by_name=asked_by_name)
    wake()
    return job


class Worker:
    """One process that does jobs, one after another. Needs the migrator's login."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"[:100]
        self.job: TenantJob | None = None

    def run(self) -> int:
        """Do what is queued or was left behind; returns how many jobs ended."""
        self._queue_what_is_due()
        done = 0
        while job := self._take():
            self._work(job)
            done += 1
        return done

    @staticmethod
    def make_ready() -> None:
        """Keep a schema ready for the next organisation. Whatever fails here only makes that one slower."""
        try:
            spares.keep_one()
        except Error:
            logger.exception("no spare schema could be made")

    @staticmethod
    def is_waiting() -> bool:
        """Whether a job is open that somebody else may still be working on."""
        with context.use(context.migrating(context.PUBLIC)):
            return TenantJob.objects.open().exists()

    @staticmethod
    def _queue_what_is_due() -> None:
        """A job for each deleted organisation whose day has come."""
        with context.use(context.migrating(context.PUBLIC)):
            due = Tenant.objects.filter(status=Tenant.Status.DELETED, purge_after__lte=Now())
            for tenant in due.exclude(jobs__state__in=[State.QUEUED, State.RUNNING]).order_by("pk"):
                try:
                    ask(kind=Kind.PURGE, name=tenant.name, tenant=tenant, asked_by=None, asked_by_name="")
                except services.TenantExists:
                    continue  # Another process was quicker.

    def _take(self) -> TenantJob | None:
        with context.use(context.migrating(context.PUBLIC)), transaction.atomic():
            free = Q(state=State.QUEUED) | Q(state=State.RUNNING, lease_until__lt=Now())
            job = TenantJob.objects.select_for_update(skip_locked=True, of=("self",)).filter(free).order_by("pk").first()
            if job is None:
                return None
            TenantJob.objects.filter(pk=job.pk).update(
                state=State.RUNNING, holder=self.name, lease_until=Now() + Value(LEASE), started_at=Now(), error="", error_code=""
            )
            return job

    def _work(self, job: TenantJob) -> None:
        caller.enter_name(job.asked_by_name)
        logger.info("job begun", extra={"job": str(job.public_id), "kind": job.kind})
        try:
            with self._held(job):
                self._do(job)
        except AppError as error:
            self._set(job, state=State.FAILED, error_code=error.code, error=str(error.detail)[:500], finished_at=Now())
        except (Error, OSError) as error:
            # The registry keeps what there is: the same job, asked for again, goes on from there.
            logger.exception("job failed", extra={"job": str(job.public_id)})
            self._set(job, state=State.FAILED, error_code="internal", error=type(error).__name__, finished_at=Now())
        else:
            self._set(job, state=State.DONE, progress=100, admin_secret="", finished_at=Now())
        finally:
            caller.enter_name("")

    def _do(self, job: TenantJob) -> None:
        def tell(step: str, percent: int) -> None:
            self._set(job, step=step, progress=percent)

        if job.kind == Kind.PURGE:
            with suppress(NotFound):  # A killed process had come to the end and could not say so.
                services.purge_tenant(name=job.name, tell=tell)
            return
        with context.use(context.migrating(context.PUBLIC)):
            if Tenant.objects.filter(jobs=job).exclude(status=Tenant.Status.CREATING).exists():
                return  # As above.
        services.create_tenant(
            name=job.name,
            domain=job.domain,
            admin_email=job.admin_email or None,
            admin_secret=job.admin_secret,
            language=job.language,
            colour=job.colour,
            colour_ink=job.colour_ink,
            tell=tell,
            registered=lambda tenant: self._set(job, tenant=tenant),
        )

    def _set(self, job: TenantJob, **fields: object) -> None:
        with context.use(context.migrating(context.PUBLIC)):
            TenantJob.objects.filter(pk=job.pk, holder=self.name).update(lease_until=Now() + Value(LEASE), **fields)

    @contextmanager
    def _held(self, job: TenantJob) -> Iterator[None]:
        """Renew the lease from a thread of its own while the work goes on."""
        ended = threading.Event()

        def renew() -> None:
            try:
                while not ended.wait(RENEW_SECONDS):
                    self._set(job, progress=F("progress"))
            finally:
                connections.close_all()

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
