"""Who asks: from the session's cookie or the bearer token to a person and their context, in one hop to the database."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare

from accounts import tokens
from accounts.models import User
from accounts.sessions import SessionStore
from core import caller
from isolation import context, in_thread

logger = logging.getLogger(__name__)


async def resolve(request: HttpRequest) -> None:
    """Put `session`, `user` and `auth` on the request and enter the person's context for the rest of the task.

    `auth` is None for a session and the token's claims for a bearer. Raises `accounts.tokens.InvalidToken`.
    """
    schema = request.site.schema  # type: ignore[attr-defined]
    header = request.headers.get("Authorization", "")
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    user: User | None = None
    request.auth = None  # type: ignore[attr-defined]
    request.session = SessionStore(None)
    if header.startswith("Bearer "):
        user, request.auth = await in_thread(bearer, schema, header[7:].strip())  # type: ignore[attr-defined]
    elif key:
        user, request.session = await in_thread(session_user, schema, key)
    request.user = user or AnonymousUser()
    caller.enter_name(user.email if user else "")
    request.auser = _as_coroutine(request)
    context.enter(user.context(schema) if user else context.person(schema, 0))


def _as_coroutine(request: HttpRequest) -> Any:
    async def auser() -> Any:
        return request.user

    return auser


def bearer(schema: str, token: str) -> tuple[User, dict[str, Any]]:
    """The person of an access token. Raises `InvalidToken`."""
    with context.use(context.auth(schema)):
        return tokens.verify_access(schema, token)


def session_user(schema: str, key: str) -> tuple[User | None, SessionStore]:
    """The session with its data loaded, and its person where the stored hash still matches the password."""
    with context.use(context.auth(schema)):
        store = SessionStore(key)
        user = person_of(store)
        return user, store


def person_of(store: SessionStore) -> User | None:
    """The active person signed in with this session, or None. Runs under `context.auth`."""
    user_id, backend = store.get(SESSION_KEY), store.get(BACKEND_SESSION_KEY)
    if user_id is None or backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not constant_time_compare(store.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
        return None
    return user


async def finish(request: HttpRequest, response: HttpResponseBase) -> None:
    """Store a changed session and set its cookie; take the cookie back from an empty one."""
    session = request.session
    name = settings.SESSION_COOKIE_NAME
    empty = session.is_empty()
    if empty and name in request.COOKIES:
        response.delete_cookie(name, path=settings.SESSION_COOKIE_PATH, samesite="Lax")
        return
    if not session.modified or empty or response.status_code >= 500:
        return
    try:
        await in_thread(session.save)
    except SessionInterrupted:
        logger.info("session ended while a request used it")
        return
    response.set_cookie(
        name,
        session.session_key or "",
        max_age=session.get_expiry_age(),
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
