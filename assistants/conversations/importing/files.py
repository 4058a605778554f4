"""The JSON of a file from outside: as it is, or in a zip archive that is believed nothing."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from assistants.conversations.importing.errors import ArchiveTooLarge, BrokenFile, UnknownFormat
from assistants.conversations.importing.pieces import Cutter, Piece

PART = 64 * 1024  # bytes
MOST_MEMBERS = 50_000
LONGEST_DIRECTORY = 16 * 1024 * 1024  # bytes: Python reads an archive's directory as a whole
MOST_UNPACKED = 1024 * 1024 * 1024  # bytes of all members that are read
MOST_RATIO = 200  # unpacked : packed, of one member
RATIO_FLOOR = 16 * 1024 * 1024  # bytes: smaller members may compress as well as they like
ZIP = b"PK\x03\x04"
END, END64 = b"PK\x05\x06", b"PK\x06\x07"
END_SIZE = 22
CONVERSATIONS = re.compile(r"conversations(?:[-_]?\d+)?\.json")
FILES = "files/"  # where our own archives keep attached files, each under its hash
ASSET = re.compile(r"(file[-_][A-Za-z0-9]{1,64})[-.]")  # how ChatGPT's archive names files: the asset, and often a name behind it
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, OSError)

Tell = Callable[[int], None]
"""Is told how many bytes of the file are behind."""


def nobody(done: int) -> None:
    """Tells nobody."""


def is_archive(file: IO[bytes]) -> bool:
    """Leaves the file at its start."""
    file.seek(0)
    head = file.read(len(ZIP))
    file.seek(0)
    return head == ZIP


@dataclass(frozen=True, slots=True)
class Source:
    """What is read: a file of JSON, or an archive with one or more of them and perhaps attached files."""

    file: IO[bytes]
    archive: zipfile.ZipFile | None = None

    def conversations(self, tell: Tell = nobody) -> Iterator[tuple[Piece, bytes]]:
        """Each conversation, and what stood around it so far in its file.

        Raises what `Cutter.feed` does, or `ArchiveTooLarge`.
        """
        if self.archive:
            yield from _unzipped(self.archive, tell)
            return
        yield from _cut(iter(lambda: self.file.read(PART), b""), lambda: tell(self.file.tell()))


@contextmanager
def opened(file: IO[bytes]) -> Iterator[Source]:
    """Raises `BrokenFile` or `ArchiveTooLarge`."""
    if not is_archive(file):
        yield Source(file)
        return
    _check_directory(file)
    try:
        archive = zipfile.ZipFile(file)
    except DAMAGE as error:
        raise BrokenFile from error
    with archive:
        yield Source(file, archive)


def is_attached(member: str) -> bool:
    return member.startswith(FILES) or ASSET.match(PurePosixPath(member).name) is not None


def holds_attached(file: IO[bytes]) -> bool:
    """Whether an archive brings files, too. Leaves the file at its start. Raises as `opened`."""
    with opened(file) as source:
        found = source.archive is not None and any(map(is_attached, source.archive.namelist()))
    file.seek(0)
    return found


def _cut(parts: Iterator[bytes], tell: Callable[[], None]) -> Iterator[tuple[Piece, bytes]]:
    cutter = Cutter()
    for part in parts:
        for piece in cutter.feed(part):
            yield piece, bytes(cutter.head[:1024])
        tell()
    for piece in cutter.end():
        yield piece, b""


def _unzipped(archive: zipfile.ZipFile, tell: Tell) -> Iterator[tuple[Piece, bytes]]:
    try:
        done = 0
        budget = [MOST_UNPACKED]
        for member in _wanted(archive.infolist()):
            at = done
            yield from _cut(_parts(archive, member, budget), lambda at=at: tell(at))  # type: ignore[misc]
            done += member.compress_size
            tell(done)
    except DAMAGE as error:
        raise BrokenFile from error


def _check_directory(file: IO[bytes]) -> None:
    """How long the directory claims to be, before Python makes objects of it. Archives over 4 GiB are not read."""
    size = file.seek(0, 2)
    tail_at = max(0, size - END_SIZE - 65_535)
    file.seek(tail_at)
    tail = file.read()
    at = len(tail) - END_SIZE
    if at < 0 or tail[at : at + 4] != END or tail[-2:] != b"\0\0":
        at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_SIZE:
        raise BrokenFile
    entries, length = struct.unpack("<HL", tail[at + 10 : at + 16])
    if tail[max(0, at - 20) : at].startswith(END64) or entries > MOST_MEMBERS or length > LONGEST_DIRECTORY:
        raise ArchiveTooLarge
    file.seek(0)


def _wanted(members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The members that hold conversations: those named so, else every JSON file at the top."""
    if len(members) > MOST_MEMBERS:
        raise ArchiveTooLarge
    named = [each for each in members if CONVERSATIONS.fullmatch(PurePosixPath(each.filename).name)]
    wanted = named or [each for each in members if "/" not in each.filename and each.filename.endswith(".json")]
    if not wanted:
        raise UnknownFormat
    for each in wanted:
        if each.flag_bits & 1 or each.compress_type not in METHODS:
            raise BrokenFile
        if is_bomb(each):
            raise ArchiveTooLarge
    if sum(each.file_size for each in wanted) > MOST_UNPACKED:
        raise ArchiveTooLarge
    return sorted(wanted, key=lambda each: each.filename)


def is_bomb(member: zipfile.ZipInfo) -> bool:
    return member.file_size > RATIO_FLOOR and member.file_size > MOST_RATIO * member.compress_size


def _parts(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: list[int]) -> Iterator[bytes]:
    """What is unpacked is counted: what the directory claims may be a lie."""
    with archive.open(member) as content:
        while part := content.read(PART):
            budget[0] -= len(part)
            if budget[0] < 0:
                raise ArchiveTooLarge
            yield part
