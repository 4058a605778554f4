"""What every API view shares: errors as problem+json, cursor pages, a renderer that answers whatever Accept says."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.utils import OperationalError
from django.http import Http404
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, renderers
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from core.errors import AppError, problem

logger = logging.getLogger(__name__)

CODES: dict[int, tuple[str, str | Promise]] = {
    400: ("bad_request", _("Bad request")),
    401: ("not_authenticated", _("Not authenticated")),
    403: ("not_allowed", _("Not allowed")),
    404: ("not_found", _("Not found")),
    405: ("method_not_allowed", _("Method not allowed")),
    406: ("not_acceptable", _("Not acceptable")),
    413: ("too_large", _("Too large")),
    415: ("unsupported_media_type", _("Unsupported media type")),
    429: ("rate_limited", _("Too many requests")),
    503: ("unavailable", _("Temporarily unavailable")),
}


class JSONRenderer(renderers.JSONRenderer):
    charset = "utf-8"


class CursorPages(CursorPagination):
    """`{results, next, previous}`, newest first; ids are UUIDv7, so they order by creation."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = "-id"


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER: expected failures become problem documents; bugs rise (None)."""
    headers: dict[str, str] = {}
    match error:
        case AppError():
            body = error.as_problem()
        case Http404():
            body = problem(404, *CODES[404])
        case PermissionDenied():
            body = problem(403, *CODES[403])
        case exceptions.ValidationError():
            body = problem(400, "invalid", _("Invalid"), _("Some fields are not valid."), errors=error.detail)
        case exceptions.APIException():
            code, title = CODES.get(error.status_code, ("error", _("Error")))
            body = problem(error.status_code, code, title, str(error.detail))
            if (wait := getattr(error, "wait", None)) is not None:
                body["retry_after"] = int(wait) + 1
            if header := getattr(error, "auth_header", None):
                headers["WWW-Authenticate"] = header
        case OperationalError():
            logger.warning("database unavailable", exc_info=error)
            body = problem(503, *CODES[503], _("The database does not answer. Nothing was changed."), retry_after=2)
        case _:
            return None
    if "retry_after" in body:
        headers["Retry-After"] = str(body["retry_after"])
    if body["status"] == 401:
        headers.setdefault("WWW-Authenticate", 'Bearer realm="api"')
    response = Response(body, status=body["status"], headers=headers, content_type="application/problem+json; charset=utf-8")
    request = context.get("request")
    if request is not None and not getattr(request, "accepted_renderer", None):
        request.accepted_renderer = JSONRenderer()
        request.accepted_media_type = "application/json"
    return response
