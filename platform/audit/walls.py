"""A customer's own test of the walls: asked for, done by the worker, signed, kept."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation

from audit.log import record
from audit.models import WallReport
from isolation import context, verification
from isolation.said import all_languages

logger = logging.getLogger(__name__)

FORMAT = "cloison-walls-1"
KEPT = 50
GIVEN_UP = timedelta(minutes=5)  # A test takes seconds: one that is open for so long has lost its worker.
State = WallReport.State


@dataclass(frozen=True, slots=True)
class Told:
    """Of a downloaded report: what it says, and whether this installation signed exactly that."""

    genuine: bool
    organisation: str
    ended: str
    tried: int
    holes: int


def ask(*, person: int, person_name: str, organisation: str) -> WallReport:
    """A new report, queued; one that is under way already is given back instead."""
    from audit.tasks import try_walls

    with transaction.atomic():
        open_one = WallReport.objects.filter(
            state__in=[State.QUEUED, State.RUNNING], created_at__gt=timezone.now() - GIVEN_UP
        ).first()
        if open_one:
            return open_one
        report = WallReport.objects.create(asked_by=person, asked_by_name=person_name, organisation=organisation)
        transaction.on_commit(lambda: try_walls.delay(report.pk))
    return report


def run(report_id: int) -> None:
    """Test the current tenant's walls and store what was seen. A second run of an ended report changes nothing."""
    here = context.current()
    with context.use(context.service(here.schema)):
        open_ones = WallReport.objects.filter(pk=report_id, state__in=[State.QUEUED, State.RUNNING])
        if not open_ones.update(state=State.RUNNING, progress=0):
            return

        def tell(step: str, percent: int) -> None:
            open_ones.update(progress=percent, step=json.dumps(all_languages(step), ensure_ascii=False))

        try:
            with translation.override("en"):
                found = verification.verify([here.schema], everybody=False, tell=tell)
        except psycopg.Error:
            logger.exception("the walls could not be tested")
            open_ones.update(state=State.FAILED, ended_at=timezone.now())
            return
        report = open_ones.get()
        _fill(report, found)
        report.save(
            update_fields=["state", "progress", "ended_at", "version", "tried", "holes", "findings", "sha256", "signature"]
        )
        old = WallReport.objects.order_by("-pk").values_list("pk", flat=True)[KEPT:]
        WallReport.objects.filter(pk__in=list(old)).delete()
    record(
        "walls.tested",
        target=f"report:{report.public_id}",
        actor=report.asked_by,
        actor_name=report.asked_by_name,
        details={"tried": report.tried, "holes": report.holes},
    )


def _fill(report: WallReport, found: verification.Report) -> None:
    report.state, report.progress, report.ended_at = State.DONE, 100, timezone.now()
    report.version = f"Cloison {settings.CLOISON_VERSION}, PostgreSQL {found.server}"
    report.tried, report.holes = len(found.findings), len(found.holes)
    rows = [
        {
            "section": all_languages(each.section),
            "what": all_languages(each.what),
            "where": str(each.where),
            "outcome": all_languages(each.outcome),
            "held": each.held,
        }
        for each in found.findings
    ]
    report.findings = json.dumps(rows, ensure_ascii=False)
    text = canonical(body(report))
    report.sha256 = hashlib.sha256(text).hexdigest()
    report.signature = _sign(text)


def body(report: WallReport) -> dict[str, Any]:
    """What is signed: everything that the report says."""
    assert report.ended_at
    return {
        "format": FORMAT,
        "id": str(report.public_id),
        "organisation": report.organisation,
        "asked_by": report.asked_by_name,
        "began": report.created_at.isoformat(),
        "ended": report.ended_at.isoformat(),
        "version": report.version,
        "tried": report.tried,
        "holes": report.holes,
        "findings": json.loads(report.findings),
    }


def canonical(said: Mapping[str, Any]) -> bytes:
    """The bytes under the signature: JSON, keys sorted, no spaces, UTF-8."""
    return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _sign(text: bytes) -> str:
    # A key of its own, so that no signature of a report is ever one of a context.
    key = hmac.new(bytes.fromhex(settings.CLOISON_GUARD_KEY), b"report of the walls", hashlib.sha256).digest()
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def signed(report: WallReport) -> dict[str, Any]:
    """The download: the report, the SHA-256 of its canonical form, our signature."""
    return {"report": body(report), "sha256": report.sha256, "signature": report.signature}


def check(downloaded: Mapping[str, Any]) -> Told:
    """Whether a downloaded report is what this installation signed. Raises `KeyError` or `TypeError` for other files."""
    said = downloaded["report"]
    text = canonical(said)
    genuine = (
        said["format"] == FORMAT
        and hmac.compare_digest(_sign(text), str(downloaded["signature"]))
        and hashlib.sha256(text).hexdigest() == downloaded["sha256"]
    )
    return Told(genuine, str(said["organisation"]), str(said["ended"]), int(said["tried"]), int(said["holes"]))
