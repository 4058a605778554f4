"""Files that an archive brings along: checked and read as uploads are, and believed no more than those."""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import filetype

from accounts.models import User
from assistants.conversations import attachments
from assistants.conversations.importing.errors import NoRoom
from assistants.conversations.importing.files import ASSET, DAMAGE, FILES, METHODS, PART, is_bomb
from assistants.conversations.importing.parsed import ParsedConversation, ParsedFile
from assistants.conversations.models import Attachment
from core.errors import AppError
from documents.errors import FileTooLarge, StorageFull
from documents.parsing.sniff import HEAD

MOST_UNPACKED = 1024 * 1024 * 1024  # bytes of all files that one import stores
MOST_TEXT = 30_000_000  # characters of the files of one conversation, which are in memory until it is stored
LONGEST = 30 * 60.0  # seconds that the files of one import may take


class LeftOut(Exception):
    """A file that is not brought; the text is a reason's code."""


@dataclass(slots=True)
class Files:
    """Those of one import. `alive` is called before each, since reading one may take a while."""

    archive: zipfile.ZipFile | None
    alive: Callable[[], None]
    _left: int = field(default_factory=lambda: MOST_UNPACKED)
    _characters: int = 0  # of the conversation's files so far
    _assets: dict[str, list[zipfile.ZipInfo]] | None = None
    _until: float = field(default_factory=lambda: time.monotonic() + LONGEST)

    def bring(self, owner: User, parsed: ParsedConversation) -> dict[str, list[Attachment]]:
        """By the messages' keys, rows for the caller to save over stored files, or else to remove those.

        What cannot be brought is named among what was left out. Raises `NoRoom`; nothing is stored then.
        """
        found: dict[str, list[Attachment]] = {}
        stored: dict[ParsedFile, Attachment] = {}
        self._characters = 0
        try:
            for message in parsed.messages:
                for given in message.attachments:
                    if (row := self._one(owner, parsed, message.key, given, stored)) is not None:
                        found.setdefault(message.key, []).append(row)
        except BaseException:
            attachments.remove_files(row.path for row in stored.values())
            raise
        return found

    def _one(
        self, owner: User, parsed: ParsedConversation, key: str, given: ParsedFile, stored: dict[ParsedFile, Attachment]
    ) -> Attachment | None:
        try:
            if (before := stored.get(given)) is not None:
                return attachments.copied(before)
            row = stored[given] = self._taken(owner, given)
        except LeftOut as reason:
            parsed.skip(str(reason), key)
            return None
        self._characters += len(row.text)
        return row

    def _taken(self, owner: User, given: ParsedFile) -> Attachment:
        """Raises `LeftOut` or `NoRoom`."""
        member = self._member(given)
        self.alive()
        if self._characters > MOST_TEXT or self._left <= 0:
            raise LeftOut("files_too_large")
        if time.monotonic() > self._until:
            raise LeftOut("files_took_too_long")
        try:
            if is_bomb(member) or member.file_size > attachments.limit_of(attachments.kind_of(self._name(member, given))):
                raise LeftOut("attachment_too_large")
            parts = self._parts(member, given)
            return attachments.take(owner=owner, name=self._name(member, given), parts=parts, ours=bool(given.sha256))
        except StorageFull as error:
            raise NoRoom from error
        except FileTooLarge as error:
            raise LeftOut("attachment_too_large") from error
        except AppError as error:
            raise LeftOut("attachment_refused") from error

    def _member(self, given: ParsedFile) -> zipfile.ZipInfo:
        member = None
        if self.archive and given.sha256:
            with suppress(KeyError):
                member = self.archive.getinfo(f"{FILES}{given.sha256}")
        elif self.archive and given.asset:
            found = self._named_assets(self.archive).get(given.asset, [])
            member = found[0] if len(found) == 1 else None
        if member is None:
            raise LeftOut(given.missing)
        if member.flag_bits & 1 or member.compress_type not in METHODS:
            raise LeftOut("attachment_changed")
        return member

    def _named_assets(self, archive: zipfile.ZipFile) -> dict[str, list[zipfile.ZipInfo]]:
        if self._assets is None:
            self._assets = {}
            for member in archive.infolist():
                if found := ASSET.match(PurePosixPath(member.filename).name):
                    self._assets.setdefault(found[1], []).append(member)
        return self._assets

    def _name(self, member: zipfile.ZipInfo, given: ParsedFile) -> str:
        """As the message says, or the archive. Some archives call pictures `.dat`: those are named by what is in them."""
        assert self.archive
        name = given.name or PurePosixPath(member.filename).name.removeprefix(given.asset).lstrip("-")
        if given.asset and PurePosixPath(name).suffix.lower() in {"", ".dat"}:
            try:
                with self.archive.open(member) as content:
                    found = filetype.guess(content.read(HEAD))
            except DAMAGE as error:
                raise LeftOut("attachment_changed") from error
            name = f"{PurePosixPath(name).stem.lstrip('.') or 'file'}.{found.extension if found else 'dat'}"
        return name

    def _parts(self, member: zipfile.ZipInfo, given: ParsedFile) -> Iterator[bytes]:
        """What is unpacked is counted and hashed: both may be a lie in the archive. Raises `LeftOut`."""
        assert self.archive
        digest = hashlib.sha256()
        try:
            with self.archive.open(member) as content:
                while part := content.read(PART):
                    self._left -= len(part)
                    if self._left < 0:
                        raise LeftOut("files_too_large")
                    digest.update(part)
                    yield part
        except DAMAGE as error:
            raise LeftOut("attachment_changed") from error
        if given.sha256 and digest.hexdigest() != given.sha256:
            raise LeftOut("attachment_changed")
