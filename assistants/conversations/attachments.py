"""Attachments from their upload to their end: checked, read, sent with a question, and gone with it, files included."""

from __future__ import annotations

import errno
import hashlib
import logging
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import IO, ClassVar, cast

import filetype
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Case, When
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from assistants.conversations.models import UNSENT_LIFE, Attachment, Message
from core.errors import AppError, Conflict, NotFound
from core.ids import uuid7
from documents.errors import EmptyDocument, FileTooLarge, StorageFull, UnsupportedType
from documents.parsing.drawn import is_as_drawn
from documents.parsing.elements import ParsingFailed
from documents.parsing.sandbox import parser
from documents.parsing.sniff import CONTENT_TYPES, ENDINGS, HEAD, Unsupported, sniff
from documents.services import clean_title
from isolation import context

logger = logging.getLogger(__name__)

MOST = 10  # attachments of one message
MOST_UNSENT = 100  # of one person
LONGEST_TEXT = 300_000  # characters that are kept of a file's text
WALL = 30.0  # seconds that reading a file may take
FOLDER = "attachments"
HOURS_SLICES = 12  # the sweep runs every five minutes and looks at the stored files of a part of the people
FRESH = 3600  # seconds in which a stored file may still be without its row
IMAGE_ENDINGS = {"png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif"}
IMAGES = {"image/png", "image/jpeg", "image/webp", "image/gif"}
AUDIO_ENDINGS = {"mp3", "wav", "ogg", "oga", "opus", "flac", "m4a"}
AUDIO = {
    "audio/mpeg": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wav": "audio/wav",
    "audio/ogg": "audio/ogg",
    "audio/x-flac": "audio/flac",
    "audio/mp4": "audio/mp4",
    "video/mp4": "audio/mp4",  # What some phones put into the head of an .m4a.
}
WHY: dict[str, str | Promise] = {
    "image_too_large": _("The picture has too many pixels."),
    "no_text": _("There is no text in the file: it may be a scan. Attach its pages as pictures."),
    "encrypted": _("The file is protected by a password."),
    "archive_too_large": _("The file would unpack to more than is allowed."),
    "too_complex": _("The file is too complex to be read."),
}


class NotReadable(AppError):
    """`reason` is the parser's code: encrypted, unreadable, image_too_large, no_text, too_complex…"""

    code: ClassVar[str] = "unreadable"
    status = 422
    title = _("The file cannot be read")


class AlreadySent(Conflict):
    code: ClassVar[str] = "already_sent"
    title = _("This attachment belongs to a message")


class TooManyAttachments(Conflict):
    code: ClassVar[str] = "too_many_attachments"
    title = _("There are too many attachments")


def upload(*, owner: User, file: File[bytes]) -> Attachment:
    """Check and read a file, and keep it until a message takes it or a day has passed. A picture is kept as drawn again.

    Raises `EmptyDocument`, `FileTooLarge`, `UnsupportedType`, `NotReadable`, `TooManyAttachments` or `StorageFull`; nothing
    is stored then.
    """
    if Attachment.objects.filter(owner=owner, message=None).count() >= MOST_UNSENT:
        raise TooManyAttachments(_("Send or remove some of the attachments that wait, then add others."))
    made = take(owner=owner, name=file.name or "", parts=file.chunks())
    try:
        made.save()
    except BaseException:
        remove_files([made.path])
        raise
    return made


def take(*, owner: User, name: str, parts: Iterable[bytes], ours: bool = False) -> Attachment:
    """A checked and read file in storage, as a row that the caller saves, or else removes the file.

    A picture of `ours` that is built as we draw them stays as it is. Raises what `parts` raises, and as `upload`;
    nothing is stored then.
    """
    name = clean_title(name)
    kind = kind_of(name)
    with _local(parts, limit_of(kind)) as path:
        read = {Attachment.Kind.IMAGE: _picture, Attachment.Kind.AUDIO: _sound}.get(kind, _document)(path, name)
        if read.content is not None and not (ours and is_as_drawn(path)):
            return _store(owner, kind, name, read, ContentFile(read.content))
        with path.open("rb") as source:
            return _store(owner, kind, name, read, File(source))


def upload_all(*, owner: User, files: Sequence[File[bytes]]) -> list[uuid.UUID]:
    """The ids of several, of which all are stored or none. Raises as `upload`."""
    if len(files) > MOST:
        raise TooManyAttachments(_("A message may have %(most)d attachments.") % {"most": MOST})
    made: list[uuid.UUID] = []
    try:
        made.extend(upload(owner=owner, file=file).public_id for file in files)
    except AppError:
        for each in made:
            discard(owner=owner, attachment=each)
        raise
    return made


def kind_of(name: str) -> Attachment.Kind:
    """What a file claims to be by its ending."""
    ending = PurePath(name).suffix.lower().lstrip(".")
    if ending in IMAGE_ENDINGS:
        return Attachment.Kind.IMAGE
    return Attachment.Kind.AUDIO if ending in AUDIO_ENDINGS else Attachment.Kind.FILE


def limit_of(kind: Attachment.Kind) -> int:
    """Bytes that one of a kind may have."""
    return int(getattr(settings, f"CLOISON_MAX_ATTACHED_{kind.name}"))


@contextmanager
def _local(parts: Iterable[bytes], limit: int) -> Iterator[Path]:
    """The upload as a file of its own, no longer than the limit, for the time of the block."""
    with tempfile.NamedTemporaryFile(prefix="cloison-", dir=settings.FILE_UPLOAD_TEMP_DIR) as copy:
        size = 0
        try:
            for part in parts:
                size += len(part)
                if size > limit:
                    raise FileTooLarge(_("A file of this kind may have %(limit)d MiB.") % {"limit": limit >> 20}, limit=limit)
                copy.write(part)
            copy.flush()
        except OSError as error:
            raise _full(error) from error
        if not size:
            raise EmptyDocument(_("The file has no content."))
        yield Path(copy.name)


def _full(error: OSError) -> BaseException:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return StorageFull(_("The disk is full. Nothing was stored.")) if full else error


@dataclass(frozen=True, slots=True)
class _Read:
    """What a file turned out to be. `content` is what to keep in the place of its bytes."""

    content_type: str
    ending: str
    text: str = ""
    characters: int = 0
    content: bytes | None = None


def _picture(path: Path, name: str) -> _Read:
    if _guess(path) not in IMAGES:
        raise UnsupportedType(_("The content is not a picture in PNG, JPEG, WebP or GIF."))
    try:
        content, form = parser.redraw(path, wall=WALL)
    except ParsingFailed as failure:
        raise _unreadable(failure.code) from failure
    return _Read(f"image/{form}", {"jpeg": "jpg"}.get(form, form), content=content)


def _sound(path: Path, name: str) -> _Read:
    known = AUDIO.get(_guess(path))
    if known is None:
        raise UnsupportedType(_("The content is not a sound in MP3, WAV, OGG, FLAC or M4A."))
    return _Read(known, PurePath(name).suffix.lower().lstrip("."))


def _document(path: Path, name: str) -> _Read:
    try:
        with path.open("rb") as source:
            kind = sniff(cast("IO[bytes]", source), name)
    except Unsupported as error:
        known = ", ".join(sorted(IMAGE_ENDINGS | AUDIO_ENDINGS | set(ENDINGS)))
        text = _("The content is not what the file's ending says, or the ending is not one of: %(known)s.") % {"known": known}
        raise UnsupportedType(text) from error
    try:
        text = parser.parse(path, kind, wall=WALL).text
    except ParsingFailed as failure:
        raise _unreadable(failure.code) from failure
    if not text.strip():
        raise _unreadable("no_text")
    return _Read(CONTENT_TYPES[kind], kind, text[:LONGEST_TEXT], len(text))


def _unreadable(code: str) -> NotReadable:
    return NotReadable(WHY.get(code, _("The file is damaged, or it is not what its ending says.")), reason=code)


def _guess(path: Path) -> str:
    with path.open("rb") as source:
        found = filetype.guess(source.read(HEAD))
    return str(found.mime) if found else ""


def _store(owner: User, kind: Attachment.Kind, name: str, read: _Read, content: File[bytes]) -> Attachment:
    public_id = uuid7()
    digest = hashlib.sha256()
    for part in content.chunks():
        digest.update(part)
    content.seek(0)
    path = f"{FOLDER}/{owner.pk}/{public_id}.{read.ending}"
    try:
        default_storage.save(path, content)
    except OSError as error:
        default_storage.delete(path)
        raise _full(error) from error
    except BaseException:
        default_storage.delete(path)
        raise
    return Attachment(
        public_id=public_id,
        owner=owner,
        kind=kind,
        name=name,
        content_type=read.content_type,
        size=content.size,
        sha256=digest.hexdigest(),
        path=path,
        text=read.text,
        characters=read.characters,
    )


def find(user: User, public_id: uuid.UUID) -> Attachment:
    """Raises `NotFound` for one that is not this person's."""
    found = Attachment.objects.visible_to(user).defer("text").filter(public_id=public_id).first()
    if found is None:
        raise NotFound(_("There is no such attachment."))
    return found


def those(user: User, public_ids: Collection[uuid.UUID]) -> list[Attachment]:
    """All of these, with their texts; one query, none for none. Raises `NotFound` where one is not this person's."""
    wanted = set(public_ids)
    found = list(Attachment.objects.visible_to(user).filter(public_id__in=wanted).order_by("pk")) if wanted else []
    if len(found) != len(wanted):
        raise NotFound(_("There is no such attachment."), field="attachments")
    return found


def discard(*, owner: User, attachment: uuid.UUID) -> None:
    """Remove one that is not sent, and its file. Raises `NotFound` or `AlreadySent`."""
    found = find(owner, attachment)
    with transaction.atomic():
        if not Attachment.objects.filter(pk=found.pk, message=None).delete()[0]:
            raise AlreadySent
        _remove_after_commit([found.path])


def attach(*, owner: User, question: Message, wanted: Sequence[uuid.UUID], kept: Message | None = None) -> None:
    """Give unsent attachments to a question, inside the caller's transaction, in the order of `wanted`.

    Those of `kept` may be among them: repeated.

    Raises `NotFound`, which names the field, for what is others', sent already, or too much.
    """
    ids = {public_id: position for position, public_id in enumerate(wanted)}
    if len(ids) > MOST:
        raise TooManyAttachments(_("A message may have %(most)d attachments.") % {"most": MOST}, field="attachments")
    own = list(Attachment.objects.filter(owner=owner, message=kept, public_id__in=ids)) if kept and ids else []
    for each in own:
        each.position = ids[each.public_id]
    rest = ids.keys() - {each.public_id for each in own}
    _repeat(own, question)
    if rest:
        # One statement: of two messages that name the same one at once, one gets it.
        taken = Attachment.objects.filter(owner=owner, message=None, public_id__in=rest).update(
            message=question,
            conversation=question.conversation_id,
            position=Case(*(When(public_id=each, then=ids[each]) for each in rest)),
        )
        if taken != len(rest):
            raise NotFound(_("There is no such attachment, or it is sent already."), field="attachments")


def keep(*, before: Message, question: Message) -> None:
    """What a question had, for the same question in other words."""
    _repeat(Attachment.objects.filter(message=before), question)


def _repeat(attachments: Iterable[Attachment], question: Message) -> None:
    """Rows of their own over the same files: the rows of one conversation go together."""
    rows = []
    for each in attachments:
        row = copied(each)
        row.message, row.conversation_id = question, question.conversation_id
        rows.append(row)
    if rows:
        Attachment.objects.bulk_create(rows)


def copied(attachment: Attachment) -> Attachment:
    """An unsaved row of its own over the same file, for the same conversation."""
    row = copy(attachment)
    row.pk, row.public_id = None, uuid7()
    return row


def paths_of(conversations: Iterable[int]) -> list[str]:
    """Of the stored files of conversations."""
    return list(Attachment.objects.filter(conversation__in=conversations).values_list("path", flat=True).distinct().order_by())


def _remove_after_commit(paths: Sequence[str]) -> None:
    if paths:
        transaction.on_commit(partial(remove_files, paths))


def remove_files(paths: Iterable[str]) -> None:
    """Safe to repeat. What cannot be removed now, the sweep meets again."""
    for path in paths:
        try:
            default_storage.delete(path)
        except OSError as error:
            logger.warning("an attached file stays for now", extra={"error": type(error).__name__})


def sweep(*, everybody: bool = False) -> int:
    """Remove what was never sent for a day, and files that no row names any more; returns how many. Runs under `context.service`.

    Of the stored files those of a part of the people each time, so that an hour sees all; `everybody` at once.
    """
    schema = context.current().schema
    due: dict[int, list[int]] = defaultdict(list)
    old = Attachment.objects.filter(message=None, created_at__lt=timezone.now() - UNSENT_LIFE)
    for key, owner in old.values_list("pk", "owner")[:1000]:
        due[owner].append(key)
    removed = 0
    for owner, keys in due.items():
        with context.use(context.person(schema, owner)), transaction.atomic():
            rows = Attachment.objects.filter(pk__in=keys, message=None)
            paths = list(rows.values_list("path", flat=True))
            removed += rows.delete()[0]
            _remove_after_commit(paths)
    slot = timezone.now().minute // 5 % HOURS_SLICES
    for owner in _owners():
        if everybody or owner % HOURS_SLICES == slot:
            with context.use(context.person(schema, owner)):
                removed += _remove_orphans(owner)
    return removed


def _owners() -> list[int]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return [int(name) for name in default_storage.listdir(FOLDER)[0] if name.isdecimal()]
    return []


def _remove_orphans(owner: int) -> int:
    """A process may end between a row's end and its file's, and an account may go with all its rows."""
    with suppress(FileNotFoundError):
        stored = {f"{FOLDER}/{owner}/{name}" for name in default_storage.listdir(f"{FOLDER}/{owner}")[1]}
        named = set(Attachment.objects.filter(owner=owner).values_list("path", flat=True))
        edge = timezone.now().timestamp() - FRESH
        orphans = [path for path in stored - named if default_storage.get_modified_time(path).timestamp() < edge]
        remove_files(orphans)
        return len(orphans)
    return 0
