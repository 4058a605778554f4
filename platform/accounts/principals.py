"""Who asks: from the session's cookie or the bearer token to a person and their context, remembered or in one hop."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare

from accounts import keys, marks, mismatch, sign_ins, tokens
from accounts.identity import Identity, by_key
from accounts.models import SignIn
from accounts.remembered import Entry, memory, names
from accounts.sessions import KIND, SIGN_IN, SessionStore
from core import caller
from isolation import context, in_thread

logger = logging.getLogger(__name__)


async def resolve(request: HttpRequest) -> None:
    """Put `session`, `user`, `identity` and `auth` on the request and enter the person's context for the rest of the task.

    `identity` is None for nobody; `auth` is it again for a bearer, and None for a session, which needs CSRF tokens.
    What is remembered counts only once `confirm` has compared its stamps. Raises `accounts.tokens.InvalidToken`.
    """
    schema = request.site.schema  # type: ignore[attr-defined]
    credential = _credential(request)
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    caller.enter_agent(request.headers.get("User-Agent", ""))
    request.session = SessionStore(None)
    if credential is not None:
        key = memory.key(schema, "bearer", credential)
    elif session_key is not None:
        key = memory.key(schema, "session", session_key)
    else:
        return _enter(request, None, bearer=False)
    found = memory.find(key)
    request.remembered = Remembered(key, found)  # type: ignore[attr-defined]
    if found is None:
        return await _read(request, schema, credential, session_key)
    if credential is None:
        request.session = SessionStore(session_key)
    return _enter(request, found.identity, bearer=credential is not None)


@dataclass(slots=True)
class Remembered:
    """Of one request: where its identity is remembered, what was, and when it was read instead (`time.monotonic()`)."""

    key: bytes
    entry: Entry | None
    read_at: float = 0.0


def stamps(request: HttpRequest) -> tuple[str, ...]:
    """The names of the stamps that `confirm` wants to see."""
    identity: Identity | None = getattr(request, "identity", None)
    return names(request.site.schema, identity) if identity else ()  # type: ignore[attr-defined]


async def confirm(request: HttpRequest, seen: tuple[bytes, ...] | None) -> None:
    """Compare what was remembered with the stamps `seen` (None: nobody could look), and ask the database where they differ.

    Raises `accounts.tokens.InvalidToken`.
    """
    remembered: Remembered | None = getattr(request, "remembered", None)
    if remembered is None:
        return
    if remembered.entry is not None:
        if seen is None or not remembered.entry.holds(seen):
            memory.forget(remembered.key)
            await _read(request, request.site.schema, _credential(request), request.COOKIES.get(settings.SESSION_COOKIE_NAME))  # type: ignore[attr-defined]
        return
    identity: Identity | None = getattr(request, "identity", None)
    if identity is not None and seen is not None:
        memory.note(remembered.key, identity, remembered.read_at, seen)


async def _read(request: HttpRequest, schema: str, credential: str | None, session_key: str | None) -> None:
    """Ask the database who it is."""
    request.remembered.read_at = time.monotonic()  # type: ignore[attr-defined]
    if credential is not None:
        return _enter(request, await in_thread(bearer, schema, credential), bearer=True)
    identity, request.session = await in_thread(session_identity, schema, session_key or "")
    return _enter(request, identity, bearer=False)


def _enter(request: HttpRequest, identity: Identity | None, *, bearer: bool) -> None:
    schema = request.site.schema  # type: ignore[attr-defined]
    request.identity = identity  # type: ignore[attr-defined]
    request.auth = identity if bearer else None  # type: ignore[attr-defined]
    request.scopes = identity.scopes if identity else None  # type: ignore[attr-defined]
    request.user = identity.user if identity else AnonymousUser()
    caller.enter_name(identity.user.email if identity else "")
    request.auser = _as_coroutine(request)
    context.enter(identity.user.context(schema) if identity else context.person(schema, 0))


def _credential(request: HttpRequest) -> str | None:
    """A token or key, from whichever header carries it: a key in `X-API-Key` decides over all others."""
    if given := request.headers.get("X-API-Key", "").strip():
        return given if given.startswith(keys.PREFIX) else keys.PREFIX  # No token becomes valid in this header.
    scheme, _space, credential = request.headers.get("Authorization", "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else None


def _as_coroutine(request: HttpRequest) -> Any:
    async def auser() -> Any:
        return request.user

    return auser


def bearer(schema: str, token: str) -> Identity:
    """The person of an access token or API key. Raises `InvalidToken` or `InvalidKey`, which say the same."""
    with context.use(context.auth(schema)):
        if token.startswith(keys.PREFIX):
            return by_key(keys.verify(schema, token))
        found = tokens.verify_access(schema, token)
        return Identity(found.user, sign_in=found.public_id)


def session_identity(schema: str, key: str) -> tuple[Identity | None, SessionStore]:
    """The session with its data loaded, and who is signed in with it."""
    made_for = marks.origin(KIND, key)
    if made_for != schema:
        if made_for is not None:
            mismatch.report(schema, KIND, key)
        return None, SessionStore(None)
    with context.use(context.auth(schema)):
        store = SessionStore(key)
        return _signed_in(store), store


def _signed_in(store: SessionStore) -> Identity | None:
    """Whose open sign-in this session is, where the stored hash still matches the password."""
    identifier, backend = store.get(SIGN_IN), store.get(BACKEND_SESSION_KEY)
    if identifier is None or backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    found = SignIn.objects.open().select_related("user").filter(public_id=identifier, kind=SignIn.Kind.SESSION).first()
    if found is None or str(found.user.pk) != store.get(SESSION_KEY):
        return None
    if not constant_time_compare(store.get(HASH_SESSION_KEY, ""), found.user.get_session_auth_hash()):
        return None
    sign_ins.touch(found)
    return Identity(found.user, sign_in=found.public_id)


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
