"""What a file is, by its content: the browser's word and the name's ending must agree with it, and never overrule it."""

from __future__ import annotations

import re
import zipfile
from pathlib import PurePath
from typing import IO

MAX_UNPACKED = 500 * 1024 * 1024  # bytes of an archive's members together
MAX_RATIO = 100  # unpacked : packed, of one member
MAX_MEMBERS = 10_000
RATIO_FLOOR = 1024 * 1024  # bytes: smaller members may compress as well as they like

CONTENT_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "md": "text/markdown",
    "html": "text/html",
    "txt": "text/plain",
}
ENDINGS = {
    **{kind: kind for kind in CONTENT_TYPES},
    "htm": "html",
    "markdown": "md",
    "text": "txt",
    "log": "txt",
    "tsv": "csv",
}
OFFICE_MEMBERS = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}
TEXT_KINDS = {"csv", "md", "html", "txt"}
HEAD = 8192  # bytes
EXECUTABLE = (b"MZ", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa", b"#!")
LOOKS_LIKE_HTML = re.compile(
    rb"^\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|script)\b", re.I | re.S
)


class Unsupported(ValueError):
    """The content is no format that can be read, or not the one its name claims."""


class ArchiveTooLarge(ValueError):
    """The archive would unpack to more than the limits allow."""


def sniff(file: IO[bytes], name: str) -> str:
    """The kind of a file (a key of `CONTENT_TYPES`). Leaves the file at its start. Raises `Unsupported`."""
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    claimed = ENDINGS.get(PurePath(name).suffix.lower().lstrip("."))
    if claimed is None:
        raise Unsupported("The file's ending is not one of: " + ", ".join(sorted(ENDINGS)))
    found = _binary_kind(file, head)
    file.seek(0)
    if found is None and claimed in TEXT_KINDS and _is_text(head):
        return claimed
    if found is None or found != claimed:
        raise Unsupported(f"The content is not what the ending .{claimed} says.")
    return found


def _binary_kind(file: IO[bytes], head: bytes) -> str | None:
    if b"%PDF-" in head[:1024] and not LOOKS_LIKE_HTML.match(head):
        return "pdf"
    if head[:4] == b"PK\x03\x04":
        return _office_kind(file) or "zip"
    import filetype

    guess = filetype.guess(head)
    return f"other:{guess.extension}" if guess else None


def _office_kind(file: IO[bytes]) -> str | None:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError):
        return None
    if "[Content_Types].xml" not in names:
        return None
    for prefix, kind in OFFICE_MEMBERS.items():
        if any(name.startswith(prefix) for name in names):
            return kind
    return None


def _is_text(head: bytes) -> bool:
    """Whether the bytes read as text: no executable's mark, and few control characters in some encoding."""
    if head.startswith(EXECUTABLE):
        return False
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    sample = decode(head)
    odd = sum(1 for c in sample if (c < " " and c not in "\t\n\r\f\x1b") or c == "\ufffd")
    return odd <= max(2, len(sample) // 10)


def decode(data: bytes) -> str:
    """Text from bytes of unknown encoding; nothing raises, what cannot be read becomes U+FFFD."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    zeros = data[:HEAD].count(0)
    if zeros > len(data[:HEAD]) // 4:  # UTF-16 without a mark: every second byte of western text is zero.
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le", "replace")
    text = data.decode("utf-8-sig", "replace")
    if text.count("\ufffd") > max(1, len(text) // 1000):
        return data.decode("cp1252", "replace")
    return text


def check_archive(file: IO[bytes]) -> None:
    """Look at what an archive says it unpacks to. Raises `ArchiveTooLarge`, or `Unsupported` for a broken one.

    The parser's memory limit stands behind this: an archive may lie.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError) as error:
        raise Unsupported("The archive is damaged.") from error
    if len(members) > MAX_MEMBERS:
        raise ArchiveTooLarge(f"{len(members)} members")
    if sum(member.file_size for member in members) > MAX_UNPACKED:
        raise ArchiveTooLarge("unpacked size")
    for member in members:
        if member.file_size > RATIO_FLOOR and member.file_size > MAX_RATIO * max(member.compress_size, 1):
            raise ArchiveTooLarge("compression ratio")
        if member.filename.lower().endswith((".zip", ".7z", ".rar")):
            raise ArchiveTooLarge("an archive inside the archive")
