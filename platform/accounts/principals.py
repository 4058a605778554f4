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

from accounts import keys, marks, mismatch, sign_ins, tokens
from accounts.identity import Identity, by_key
from accounts.models import SignIn
from accounts.sessions import KIND, SIGN_IN, SessionStore
from core import caller
from isolation import context, in_thread

logger = logging.getLogger(__name__)


async def resolve(request: HttpRequest) -> None:
    """Put `session`, `user`, `identity` and `auth` on the request and enter the person's context for the rest of the task.

    `identity` is None for nobody; `auth` is it again for a bearer, and None for a session, which needs CSRF tokens.
    Raises `accounts.tokens.InvalidToken`.
    """
    schema = request.site.schema  # type: ignore[attr-defined]
    credential = _credential(request)
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    identity: Identity | None = None
    caller.enter_agent(request.headers.get("User-Agent", ""))
    request.session = SessionStore(None)
    if credential is not None:
        identity = await in_thread(bearer, schema, credential)
    elif key:
        identity, request.session = await in_thread(session_identity, schema, key)
    request.identity = identity  # type: ignore[attr-defined]
    request.auth = identity if credential is not None else None  # type: ignore[attr-defined]
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
