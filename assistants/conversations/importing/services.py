"""Bringing in a file or body: at once where it is small, by a worker where it is not; safe to repeat either way."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

import audit
from accounts.models import User
from assistants.conversations.importing import chatgpt, files, open_webui, ours, plain
from assistants.conversations.importing.attached import Files
from assistants.conversations.importing.errors import (
    BrokenFile,
    FileTooLarge,
    ImportRefused,
    KeyReused,
    NobodyReads,
    NothingImported,
    TooMany,
    UnknownFormat,
)
from assistants.conversations.importing.parsed import NotReadable, ParsedConversation, Skipped
from assistants.conversations.importing.storing import Stored, store
from assistants.conversations.models import Import, Message

logger = logging.getLogger(__name__)

AT_ONCE = 2 * 1024 * 1024  # bytes: more is read by a worker
AT_ONCE_ZIPPED = 128 * 1024
MOST_CONVERSATIONS = 50_000  # of one file
LISTED = 1_000  # of what was left out, and of ids: the rest is counted
TELL = 2.0  # seconds between two signs of life
PATIENCE = timedelta(minutes=1)  # without one, another worker takes over
PART = 256 * 1024  # bytes
FORMATS = (chatgpt, open_webui, ours, plain)


@dataclass(slots=True)
class Outcome:
    """What has come of an import so far."""

    imported: int = 0
    existing: int = 0
    refused: int = 0
    unknown: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    source: str = ""
    error: ImportRefused | None = None

    @property
    def met(self) -> int:
        return self.imported + self.existing + self.refused

    def leave_out(self, skipped: Skipped) -> None:
        self.reasons[skipped.reason] += 1
        if len(self.skipped) < LISTED:
            self.skipped.append(skipped)

    def refuse(self, reason: str) -> None:
        self.refused += 1
        self.leave_out(Skipped(reason, conversation=f"#{self.met}"))

    def keep(self, parsed: ParsedConversation, stored: Stored) -> None:
        self.source = parsed.source
        if len(self.stored) < LISTED:
            self.stored.append(stored)
        if not stored.made:
            self.existing += 1
            return
        self.imported += 1
        for skipped in parsed.skipped:
            self.leave_out(skipped)


def start_import(*, owner: User, file: IO[bytes], name: str = "", key: str | None = None) -> Import:
    """Bring in what the file holds. A small one is done on return; a large one is `queued`.

    `key` makes it once: the same key and content give the same import again.
    Raises `FileTooLarge`, `KeyReused`, `NobodyReads`, and for a small file what is wrong with it (`ImportRefused`).
    """
    size, digest = _measure(file)
    if key and (row := _known(owner, key, digest)):
        return row
    at_once = _is_read_at_once(file, size)
    try:
        with transaction.atomic():
            row = Import.objects.create(owner=owner, name=name[:255], size=size, key=key, digest=digest)
    except IntegrityError:
        if key and (known := _known(owner, key, digest)):
            return known
        raise
    if not at_once:
        _hand_on(row, file)
        return row
    Import.objects.filter(pk=row.pk).update(status=Import.Status.RUNNING)
    outcome = read(owner, file)
    if outcome.error and not outcome.imported:
        row.delete()
        raise outcome.error
    return _end(row, outcome)


def _is_read_at_once(file: IO[bytes], size: int) -> bool:
    """Files are not: each may take as long to read as it is hostile. Raises `BrokenFile` or `ArchiveTooLarge`."""
    if not files.is_archive(file):
        return size <= AT_ONCE
    return size <= AT_ONCE_ZIPPED and not files.holds_attached(file)


def _measure(file: IO[bytes]) -> tuple[int, str]:
    limit = int(settings.CLOISON_MAX_IMPORT)
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while part := file.read(PART):
        size += len(part)
        if size > limit:
            raise FileTooLarge(limit=limit)
        digest.update(part)
    file.seek(0)
    return size, digest.hexdigest()


def _known(owner: User, key: str, digest: str) -> Import | None:
    row = Import.objects.visible_to(owner).filter(key=key).first()
    if row is None:
        return None
    if row.digest != digest:
        raise KeyReused
    if row.is_open and not row.path and row.touched_at < timezone.now() - PATIENCE:
        row.delete()  # Its process died before it had stored anything for a worker: begun again.
        return None
    return row


def _hand_on(row: Import, file: IO[bytes]) -> None:
    from kombu.exceptions import OperationalError

    from assistants.conversations.tasks import read_import

    row.path = default_storage.save(f"imports/{row.public_id.hex[-2:]}/{row.public_id}", File(file))
    row.save(update_fields=["path"])
    try:
        read_import.apply_async([row.pk], retry=False)
    except (OperationalError, ConnectionError) as error:
        default_storage.delete(row.path)
        row.delete()
        raise NobodyReads from error


def run_import(import_id: int) -> None:
    """Read one stored file, in its owner's context. A second call finds nothing to do, or goes on where a worker died."""
    lost = Q(status=Import.Status.RUNNING, touched_at__lt=timezone.now() - PATIENCE)
    claimed = Import.objects.filter(Q(status=Import.Status.QUEUED) | lost, pk=import_id).update(
        status=Import.Status.RUNNING, touched_at=timezone.now()
    )
    if not claimed:
        return
    row = Import.objects.select_related("owner").get(pk=import_id)
    try:
        with default_storage.open(row.path) as file:
            outcome = read(row.owner, file, row)
    except FileNotFoundError:
        outcome = Outcome(error=BrokenFile())
    _end(row, outcome)
    default_storage.delete(row.path)
    logger.info("conversations imported", extra={"imported": outcome.imported, "refused": outcome.refused})


@dataclass(frozen=True, slots=True)
class LostImport:
    """A stored file that no process reads."""

    import_id: int
    owner_id: int


def lost_imports() -> list[LostImport]:
    """Those of the current tenant, oldest first. Runs under `context.service`."""
    quiet = Import.objects.filter(touched_at__lt=timezone.now() - PATIENCE).exclude(path="")
    rows = quiet.filter(status__in=[Import.Status.QUEUED, Import.Status.RUNNING]).order_by("pk")
    return [LostImport(pk, owner) for pk, owner in rows.values_list("pk", "owner_id")[:100]]


def read(owner: User, file: IO[bytes], row: Import | None = None) -> Outcome:
    """Every conversation of the file, one at a time. `row` is told how far it is."""
    outcome = Outcome()
    told = [time.monotonic()]
    behind = [0]  # bytes

    def tell(done: int) -> None:
        behind[0] = done
        if row is not None and time.monotonic() - told[0] > TELL:
            told[0] = time.monotonic()
            share = min(99, done * 100 // max(row.size, 1))
            Import.objects.filter(pk=row.pk).update(
                progress=share, imported=outcome.imported, existing=outcome.existing, touched_at=timezone.now()
            )

    try:
        with files.opened(file) as source:
            attached = Files(source.archive, alive=lambda: tell(behind[0]))
            for piece, head in source.conversations(tell):
                ours.check_version(head)
                if outcome.met >= MOST_CONVERSATIONS:
                    raise TooMany(limit=MOST_CONVERSATIONS)
                _take(owner, piece.json, outcome, attached)
        if not outcome.imported + outcome.existing and outcome.refused:
            if outcome.unknown:
                raise UnknownFormat
            raise NothingImported(skipped=[skipped.as_json() for skipped in outcome.skipped])
    except ImportRefused as error:
        outcome.error = error
    return outcome


def _take(owner: User, piece: bytes | None, outcome: Outcome, attached: Files) -> None:
    if piece is None:
        return outcome.refuse("conversation_too_large")
    try:
        value = json.loads(piece, parse_constant=_no_number)
    except ValueError:
        return outcome.refuse("unreadable")
    shape = next((each for each in FORMATS if isinstance(value, dict) and each.matches(value)), None)
    if shape is None:
        outcome.unknown += 1
        return outcome.refuse("unknown_shape")
    try:
        parsed = shape.read(value)
    except NotReadable as error:
        return outcome.refuse(str(error))
    if not parsed.external_id and parsed.source != plain.SOURCE:
        parsed.external_id = f"sha256:{hashlib.sha256(piece).hexdigest()}"
    return outcome.keep(parsed, store(owner, parsed, attached))


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _end(row: Import, outcome: Outcome) -> Import:
    """Write down what came of it. Names and reasons, and no text of a message."""
    row.status = Import.Status.FAILED if outcome.error else Import.Status.DONE
    row.error_code = outcome.error.code if outcome.error else ""
    row.imported, row.existing, row.refused = outcome.imported, outcome.existing, outcome.refused
    row.reasons = dict(outcome.reasons)
    row.skipped = [skipped.as_json() for skipped in outcome.skipped]
    row.result = {"conversations": [str(stored.conversation) for stored in outcome.stored]}
    if outcome.met == 1 and outcome.stored and outcome.source == plain.SOURCE:
        [only] = outcome.stored
        messages = only.messages or tuple(
            Message.objects.filter(conversation__public_id=only.conversation).values_list("public_id", flat=True)
        )
        row.result["messages"] = [str(public_id) for public_id in messages]
    row.progress, row.finished_at = 100, timezone.now()
    with transaction.atomic():
        row.save()
        audit.record(
            "conversations.imported",
            target=f"import:{row.public_id}",
            details={"imported": row.imported, "existing": row.existing, "refused": row.refused, "format": outcome.source},
        )
    return row
