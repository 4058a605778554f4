"""Everything that can be done to folders and documents."""

from __future__ import annotations

import errno
import hashlib
import logging
import re
import uuid
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any, cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import audit
from accounts.models import User
from accounts.permissions import Right, allows
from core.ids import uuid7
from documents.errors import (
    EmptyDocument,
    FileTooLarge,
    FolderExists,
    FolderNotFound,
    MayNotUpload,
    NotYourFolder,
    StorageFull,
    UnsupportedType,
)
from documents.models import Document, DocumentGrant, DocumentText, Embedding, Folder, FolderGrant, Posting, Vector
from documents.parsing.sniff import CONTENT_TYPES, Unsupported, sniff

logger = logging.getLogger(__name__)

INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
LONGEST_TITLE = 255


def create_folder(*, owner: User, name: str, visibility: str = Folder.Visibility.PRIVATE) -> Folder:
    """Raises `MayNotUpload` for a reader's role, `FolderExists` where the person has a folder of this name."""
    if not allows(owner, Right.UPLOAD):
        raise MayNotUpload(_("Your role reads and asks; it makes no folders."))
    try:
        with transaction.atomic():
            return Folder.objects.create(owner=owner, name=name.strip(), visibility=visibility)
    except IntegrityError as error:
        raise FolderExists(_("You have a folder with this name.")) from error


def change_folder(*, user: User, folder: Folder, name: str | None = None, visibility: str | None = None) -> Folder:
    """Rename a folder, open it to the tenant or close it. Raises `NotYourFolder` or `FolderExists`."""
    if folder.owner_id != user.pk:
        raise NotYourFolder(_("Only its owner changes a folder."))
    opened = visibility if visibility and visibility != folder.visibility else None
    folder.name = name.strip() if name else folder.name
    folder.visibility = visibility or folder.visibility
    try:
        with transaction.atomic():
            folder.save(update_fields=["name", "visibility"])
            if opened:
                audit.record("folder.visibility_changed", target=f"folder:{folder.public_id}", details={"to": opened})
    except IntegrityError as error:
        raise FolderExists(_("You have a folder with this name.")) from error
    return folder


def delete_folder(*, user: User, folder: Folder) -> None:
    """Remove a folder with its documents, others' too, from search at once. Raises `NotYourFolder`."""
    if folder.owner_id != user.pk:
        raise NotYourFolder(_("Only its owner removes a folder."))
    with transaction.atomic():
        paths = list(folder.documents.values_list("path", "public_id"))
        _forget(Document.objects.filter(folder=folder))
        FolderGrant.objects.filter(folder=folder).delete()
        folder.delete()
        for path, public_id in paths:
            transaction.on_commit(partial(_remove_files, path, public_id))
        audit.record("folder.deleted", target=f"folder:{folder.public_id}", details={"documents": len(paths)})


def upload_document(*, owner: User, file: File[bytes], folder: uuid.UUID | None = None, title: str | None = None) -> Document:
    """Store a file and queue its ingestion. The same content in the same folder is the same document, not a second one.

    `title` defaults to the file's name. Raises `EmptyDocument`, `FileTooLarge`, `UnsupportedType`, `MayNotUpload`,
    `FolderNotFound`, `NotYourFolder` or `StorageFull`; nothing is stored then.
    """
    if not allows(owner, Right.UPLOAD):
        raise MayNotUpload(_("Your role reads and asks; it uploads no documents."))
    place = _place(owner, folder)
    name = clean_title(title or file.name or "")
    size, digest = _measure(file)
    try:
        kind = sniff(cast("IO[bytes]", file), name)
    except Unsupported as error:
        raise UnsupportedType(str(error)) from error
    same = Document.objects.filter(owner=owner, folder=place, sha256=digest).first()
    if same is not None:
        return retry_document(user=owner, document=same) if same.status == Document.Status.FAILED else same
    return _store(owner=owner, folder=place, title=name, kind=kind, size=size, sha256=digest, file=file)


def _place(owner: User, folder: uuid.UUID | None) -> Folder | None:
    if folder is None:
        return None
    found = Folder.objects.visible_to(owner).filter(public_id=folder).first()
    if found is None:
        raise FolderNotFound(field="folder")
    if not found.takes_from(owner):
        raise NotYourFolder(_("Only its owner, and whom they let, adds documents to a folder."))
    return found


def _measure(file: File[bytes]) -> tuple[int, str]:
    """Size in bytes and SHA-256, reading no further than the limit."""
    limit = settings.CLOISON_MAX_UPLOAD
    size, digest = 0, hashlib.sha256()
    file.seek(0)
    for part in file.chunks():
        size += len(part)
        if size > limit:
            raise FileTooLarge(_("A file may have %(limit)d MiB.") % {"limit": limit // 1024 // 1024}, limit=limit)
        digest.update(part)
    if not size:
        raise EmptyDocument(_("The file has no content."))
    file.seek(0)
    return size, digest.hexdigest()


def _store(*, owner: User, folder: Folder | None, title: str, kind: str, file: File[bytes], **measured: Any) -> Document:
    public_id = uuid7()
    # Two levels, by the random end of the id: its beginning is the time.
    path = f"documents/{public_id.hex[-2:]}/{public_id}.{kind}"
    try:
        path = default_storage.save(path, file)
    except OSError as error:
        default_storage.delete(path)  # What was written before the disk was full.
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull(_("The disk is full. Nothing was stored.")) from error
        raise
    try:
        with transaction.atomic():
            document = Document.objects.create(
                public_id=public_id,
                owner=owner,
                folder=folder,
                title=title,
                kind=kind,
                content_type=CONTENT_TYPES[kind],
                path=path,
                **measured,
            )
            # The worker reads the row by its id, so the row must be committed before the worker starts.
            transaction.on_commit(partial(enqueue, document.pk))
    except IntegrityError:
        default_storage.delete(path)
        # The same file arrived twice at the same moment: the first one won.
        return Document.objects.get(owner=owner, folder=folder, sha256=measured["sha256"])
    except BaseException:
        default_storage.delete(path)
        raise
    return document


def enqueue(document_id: int) -> None:
    """Tell a worker. When the broker is away the row stays queued, and the reconciler tells a worker later."""
    from kombu.exceptions import OperationalError

    from documents.tasks import ingest

    try:
        ingest.apply_async([document_id], retry=False)
    except (OperationalError, ConnectionError):
        logger.warning("document queued without a broker", extra={"document_id": document_id})


def retry_document(*, user: User, document: Document) -> Document:
    """Read a failed document again from the start. Harmless for one that is under way or ready. Raises `NotYourFolder`."""
    if document.owner_id != user.pk:
        raise NotYourFolder(_("Only its owner has a document read again."))
    changed = Document.objects.filter(pk=document.pk, status=Document.Status.FAILED).update(
        status=Document.Status.QUEUED,
        error_code="",
        attempts=0,
        progress=0,
        pages_done=0,
        claim=None,
        touched_at=timezone.now(),
    )
    if changed:
        transaction.on_commit(partial(enqueue, document.pk))
        document.refresh_from_db()
    return document


def delete_document(*, user: User, document: Document) -> None:
    """Remove a document from search and storage at once: one's own, or one in a folder of one's own.

    Raises `NotYourFolder` for any other.
    """
    if document.owner_id != user.pk and not (document.folder and document.folder.owner_id == user.pk):
        raise NotYourFolder(_("Only its owner removes a document."))
    path, public_id = document.path, document.public_id
    with transaction.atomic():
        _forget(Document.objects.filter(pk=document.pk))
        transaction.on_commit(partial(_remove_files, path, public_id))
        audit.record("document.deleted", target=f"document:{public_id}", subject=document.owner_id)


def _forget(documents: Any) -> None:
    """Delete rows children first, one statement each: Django's collector would load every vector."""
    keys = list(documents.values_list("pk", flat=True))
    for model in (DocumentGrant, Posting, Vector, Embedding, DocumentText):
        rows = model.objects.filter(document_id__in=keys)
        rows._raw_delete(rows.db)
    rows = documents.filter(pk__in=keys)
    rows._raw_delete(rows.db)


def _remove_files(path: str, public_id: uuid.UUID) -> None:
    from documents.pages import forget_pages

    default_storage.delete(path)
    forget_pages(public_id)


def clean_title(name: str) -> str:
    """A file's name as people may see it: no path, no invisible characters, no leading dots, at most 255 characters."""
    last = INVISIBLE.sub("", PurePosixPath(name.replace("\\", "/")).name).strip().lstrip(".").strip() or "document"
    if len(last) <= LONGEST_TITLE:
        return last
    ending = PurePosixPath(last).suffix[:10]
    return last[: LONGEST_TITLE - len(ending)] + ending
