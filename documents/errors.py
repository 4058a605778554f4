"""What can be wrong with a document or a question, for people and programs."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import AppError, Conflict, NotAllowed, NotFound


class DocumentNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__(_("There is no such document."))


class FolderNotFound(NotFound):
    def __init__(self, **extra: str) -> None:
        super().__init__(_("There is no such folder."), **extra)


class EmptyDocument(AppError):
    code = "empty_document"
    status = 400
    title = _("The file is empty")


class FileTooLarge(AppError):
    code = "too_large"
    status = 413
    title = _("The file is too large")


class UnsupportedType(AppError):
    code = "unsupported_type"
    status = 415
    title = _("This type of file cannot be read")


class StorageFull(AppError):
    code = "storage_full"
    status = 507
    title = _("There is no room left")


class FolderExists(Conflict):
    code = "folder_exists"
    title = _("There is a folder with this name")


class NotYourFolder(NotAllowed):
    """Seen, but another person's to change."""


class MayNotUpload(NotAllowed):
    """A role that reads and asks only."""


class NotReady(Conflict):
    code = "not_ready"
    title = _("The document has not been read yet")


class NoPageImage(NotFound):
    code = "no_page_image"
    title = _("There is no image of this page")


class InvalidQuery(AppError):
    code = "invalid_query"
    status = 400
    title = _("The question cannot be searched for")
