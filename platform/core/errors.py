"""Expected failures: each has a stable `code` for clients and a `status` for HTTP. Everything else is a bug and rises."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class AppError(Exception):
    """A failure that a caller can act on.

    `detail` is a sentence for people; `extra` are further members of the problem document (RFC 9457), for instance
    `retry_after` in seconds.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    title: ClassVar[str | Promise] = _("Bad request")

    def __init__(self, detail: str | Promise = "", **extra: Any) -> None:
        super().__init__(str(detail) or str(self.title))
        self.detail = detail or self.title
        self.extra = extra

    def as_problem(self) -> dict[str, Any]:
        """The body of an `application/problem+json` response (RFC 9457)."""
        return problem(self.status, self.code, self.title, self.detail, **self.extra)


def problem(status: int, code: str, title: str | Promise, detail: str | Promise = "", **extra: Any) -> dict[str, Any]:
    """A problem document (RFC 9457) with our stable `code`; its texts in the language of this moment."""
    texts = {"title": str(title), "detail": str(detail or title)}
    return {"type": "about:blank", "title": texts["title"], "status": status, "code": code, "detail": texts["detail"], **extra}


class NotFound(AppError):
    code = "not_found"
    status = 404
    title: ClassVar[str | Promise] = _("Not found")


class NotAuthenticated(AppError):
    code = "not_authenticated"
    status = 401
    title: ClassVar[str | Promise] = _("Not authenticated")


class NotAllowed(AppError):
    code = "not_allowed"
    status = 403
    title: ClassVar[str | Promise] = _("Not allowed")


class Conflict(AppError):
    code = "conflict"
    status = 409
    title: ClassVar[str | Promise] = _("Conflict")
