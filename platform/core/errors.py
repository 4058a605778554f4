"""Expected failures: each has a stable `code` for clients and a `status` for HTTP. Everything else is a bug and rises."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.functional import Promise


class AppError(Exception):
    """A failure that a caller can act on.

    `detail` is a sentence for people; `extra` are further members of the problem document (RFC 9457), for instance
    `retry_after` in seconds.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    title: ClassVar[str | Promise] = "Bad request"

    def __init__(self, detail: str | Promise = "", **extra: Any) -> None:
        super().__init__(str(detail) or str(self.title))
        self.detail = detail or self.title
        self.extra = extra

    def as_problem(self) -> dict[str, Any]:
        """The body of an `application/problem+json` response (RFC 9457)."""
        return problem(self.status, self.code, str(self.title), str(self.detail), **self.extra)


def problem(status: int, code: str, title: str, detail: str = "", **extra: Any) -> dict[str, Any]:
    """A problem document (RFC 9457) with our stable `code`."""
    return {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail or title, **extra}


class NotFound(AppError):
    code = "not_found"
    status = 404
    title: ClassVar[str | Promise] = "Not found"


class NotAuthenticated(AppError):
    code = "not_authenticated"
    status = 401
    title: ClassVar[str | Promise] = "Not authenticated"


class NotAllowed(AppError):
    code = "not_allowed"
    status = 403
    title: ClassVar[str | Promise] = "Not allowed"


class Conflict(AppError):
    code = "conflict"
    status = 409
    title: ClassVar[str | Promise] = "Conflict"
