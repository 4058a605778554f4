"""Why a file or body with conversations is not taken."""

from __future__ import annotations

from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from core.errors import AppError, Conflict


class ImportRefused(AppError):
    """The whole file; each kind has its code."""


class UnknownFormat(ImportRefused):
    code: ClassVar[str] = "unknown_format"
    status = 415
    title = _("This is no export of conversations that can be read")


class BrokenFile(ImportRefused):
    code: ClassVar[str] = "broken_file"
    title = _("The file is damaged or not complete")


class FileTooLarge(ImportRefused):
    code: ClassVar[str] = "too_large"
    status = 413
    title = _("The file is too large")


class ArchiveTooLarge(ImportRefused):
    code: ClassVar[str] = "archive_too_large"
    status = 413
    title = _("The archive unpacks to more than is allowed")


class TooDeep(ImportRefused):
    code: ClassVar[str] = "too_deep"
    title = _("The file is nested too deeply")


class TooMany(ImportRefused):
    code: ClassVar[str] = "too_many_conversations"
    status = 413
    title = _("There are more conversations in the file than one import may bring")


class UnknownVersion(ImportRefused):
    code: ClassVar[str] = "unknown_version"
    title = _("The file was made by a newer version")


class NoRoom(ImportRefused):
    """What came in before it stays; sent again, the rest follows."""

    code: ClassVar[str] = "storage_full"
    status = 507
    title = _("There is no room left")


class NothingImported(ImportRefused):
    """Every conversation of the file was refused; `skipped` says why."""

    code: ClassVar[str] = "nothing_imported"
    title = _("No conversation of the file can be brought in")


class KeyReused(Conflict):
    code: ClassVar[str] = "key_reused"
    title = _("This key belongs to another import")


class NobodyReads(AppError):
    code: ClassVar[str] = "unavailable"
    status = 503
    title = _("Large files cannot be read at the moment. Try again later.")
