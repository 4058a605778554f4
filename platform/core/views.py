"""Errors as pages for people and as problem documents for programs, decided by the path."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.exceptions import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils.translation import gettext as _

from core.errors import problem
from core.middleware.security_headers import is_api

PROBLEM = "application/problem+json; charset=utf-8"


def problem_page(request: HttpRequest, status: int, code: str, title: str, detail: str = "", **extra: Any) -> HttpResponse:
    """The error for whoever asks: HTML where a page was asked for and a site is known, problem+json otherwise.

    `extra` are further members of the problem document.
    """
    known_site = getattr(request, "site", None) is not None
    if known_site and not is_api(request.path_info):
        try:
            template = get_template(f"{status}.html")
        except TemplateDoesNotExist:
            pass
        else:
            return HttpResponse(template.render({"code": code, "detail": detail}, request), status=status)
    response = JsonResponse(problem(status, code, title, detail, **extra), status=status, content_type=PROBLEM)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="api"'
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_page(request, 400, "bad_request", _("Bad request"))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_page(request, 403, "not_allowed", _("Not allowed"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_page(request, 404, "not_found", _("Not found"))


def server_error(request: HttpRequest) -> HttpResponse:
    return problem_page(request, 500, "internal", _("Something failed on our side"))


def csrf_failure(request: HttpRequest, reason: str = "", **kwargs: Any) -> HttpResponse:
    return problem_page(request, 403, "csrf_failed", _("This form is too old"), _("Reload the page and send it again."))
