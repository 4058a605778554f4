"""The request's walk, as one asynchronous middleware (a synchronous one would cost a thread hop each).

CORS → rate limit by address → tenant → person → rate limit by principal → language → right → CSRF → view. Security
headers and metrics wrap all of it, so that a 403, 404, 429 and 500 carry them too. Static files and health are answered
before anything is decided. The steps that need apps above `core` are named in the settings.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.contrib.messages.storage import default_storage as message_storage
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import reverse
from django.utils import translation
from django.utils.module_loading import import_string

from core import caller, health, languages
from core.errors import AppError
from core.middleware import cors, metrics, rate_limit, security_headers, tenant, trace
from core.middleware.security_headers import is_api
from core.middleware.static_files import StaticFiles
from core.views import problem_page


class RequestChain:
    """Django's only middleware here."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        if not iscoroutinefunction(get_response):
            raise TypeError("the request chain is asynchronous: serve config.asgi")
        self.get_response = get_response
        self.resolve_site = import_string(settings.CLOISON_SITE_RESOLVER)
        self.origin_allowed = import_string(settings.CLOISON_CORS_ALLOWS)
        self.principals = import_module(settings.CLOISON_PRINCIPALS)
        self.refusal = import_string(settings.CLOISON_ACCESS)
        self.csrf = CsrfViewMiddleware(self._no_response)
        self.static = StaticFiles()
        markcoroutinefunction(self)

    @staticmethod
    def _no_response(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begun = time.perf_counter()
        caller.enter(caller.address_of(request.META))
        response = await self._answer(request)
        security_headers.apply(request, response)
        trace.note("security_headers")
        metrics.observe(request, response, time.perf_counter() - begun)
        trace.note("metrics")
        return response

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(settings.STATIC_URL):
            return self.static.answer(request)
        if request.path_info.startswith("/health/"):
            return await health.answer(request)
        trace.note("cors")
        origin = request.headers.get("Origin")
        allowed = bool(origin) and await self.origin_allowed(request.META.get("HTTP_HOST", ""), origin)
        response = cors.preflight(request, allowed=allowed) or await self._decide(request)
        cors.mark(request, response, allowed=allowed)
        rate_limit.mark(request, response)
        return response

    async def _decide(self, request: HttpRequest) -> HttpResponseBase:
        """May this request come in, and whose is it?"""
        trace.note("rate_limit.address")
        if refused := rate_limit.by_address(request):
            return refused
        trace.note("tenant")
        if refused := await tenant.enter(request, self.resolve_site):
            return refused
        trace.note("person")
        unknown: AppError | None = None
        try:
            await self.principals.resolve(request)
        except AppError as error:
            unknown = error
            request.user = AnonymousUser()
        with translation.override(self._language(request)):
            request.LANGUAGE_CODE = translation.get_language()
            trace.note("rate_limit.principal")
            if refused := await rate_limit.by_principal(request, self.principals.stamps(request)):
                return refused
            try:
                await self.principals.confirm(request, rate_limit.stamps_of(request))
            except AppError as error:
                unknown = error
            if unknown:
                return problem_page(request, unknown.status, unknown.code, str(unknown.title), str(unknown.detail))
            return await self._serve(request)

    async def _serve(self, request: HttpRequest) -> HttpResponseBase:
        """Messages and CSRF around the view; the session is stored after it."""
        request._messages = message_storage(request)  # type: ignore[attr-defined]
        self.csrf.process_request(request)
        response = await self.get_response(request)
        response = self.csrf.process_response(request, response)
        response.headers.setdefault("Content-Language", request.LANGUAGE_CODE or "")
        request._messages.update(response)  # type: ignore[attr-defined]
        await self.principals.finish(request, response)
        if response.streaming:
            # The body may last for minutes: the view's thread gives its connection back before the first byte.
            await sync_to_async(connections.close_all, thread_sensitive=True)()
        return response

    async def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Django's hook between URL and view: may this person come here, then the CSRF check as Django makes it."""
        trace.note("right")
        if error := self.refusal(request):
            if error.status == 401 and not is_api(request.path_info):
                # The operator's site has no other door than its console's.
                door = reverse("admin:login") if request.site.is_operator else None  # type: ignore[attr-defined]
                return redirect_to_login(request.get_full_path(), door)
            return problem_page(request, error.status, error.code, str(error.title), str(error.detail))
        return self.csrf.process_view(request, view, args, kwargs)

    @staticmethod
    def _language(request: HttpRequest) -> str:
        return languages.choose(
            chosen=request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME),
            user=getattr(request, "user", None),
            accepted=request.headers.get("Accept-Language", ""),
            site=getattr(request, "site", None),
        )
