"""`/ws/`: one socket per page. It sends messages, follows runs by sequence number and stops them; it runs nothing itself."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from redis.exceptions import RedisError

from accounts import principals, tickets, watch
from accounts.identity import Identity
from accounts.models import User
from assistants.conversations import attachments, branches, events, following, services
from assistants.conversations.events import Follower
from assistants.conversations.host import host
from assistants.conversations.turns import Started
from core import caller, languages, rate_limiter
from core.errors import AppError
from core.rate_limiter import RateLimited
from core.sockets import sockets
from gateway import parameters
from isolation import context, in_thread
from tenants import sites

logger = logging.getLogger(__name__)

UNAUTHENTICATED = 4401
FORBIDDEN = 4403
MOST_FOLLOWED = 50  # runs that one socket may follow at once
TOO_MANY = 4429
TRY_AGAIN = 1013  # IANA registry: try again later
UNCOUNTED = frozenset({"ping", "run.stop"})  # What must work just when somebody is over the limit.
# What a frame may say of the turn that it asks for, as the requests' bodies may (`api.serializers`).
ANEW = frozenset({"model", "models", "assistant", "folders", "attachments"})
AGAIN = frozenset({"model", "models", "folders"})
ON = frozenset({"model"})


class BadFrame(AppError):
    code: ClassVar[str] = "bad_frame"
    title = _("The frame is not understood")


class PageConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Decodes frames, calls a service, encodes answers. The context is set once, in this task."""

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As Channels', without its hop to a thread that closes connections: all of ours are opened by `in_thread`."""
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        self.user: User | None = None
        self.followers: dict[str, Follower] = {}
        self.outbox: asyncio.Queue[str] = asyncio.Queue()
        self.sender: asyncio.Task[None] | None = None
        self.place: str | None = None
        self.watched: watch.Watched | None = None
        headers = {name: value.decode("latin-1") for name, value in self.scope["headers"]}
        caller.enter(_address(self.scope, headers))
        self.network = caller.network(caller.address())
        if not rate_limiter.shield(self.network).allowed:
            await self.close(code=TOO_MANY)
            return
        site = await sites.resolve(headers.get(b"host", ""))
        if site is None or site.is_operator:
            await self.close(code=FORBIDDEN)
            return
        try:
            identity = await self._identity(site.schema, headers)
        except PermissionError:
            await self.close(code=FORBIDDEN)
            return
        except RedisError:
            await self.close(code=TRY_AGAIN)
            return
        if identity is None:
            await self.close(code=UNAUTHENTICATED)
            return
        self.user, self.schema, self.host = identity.user, site.schema, headers.get(b"host", "")
        cookie = SimpleCookie(headers.get(b"cookie", "")).get(settings.LANGUAGE_COOKIE_NAME)
        self.language = languages.choose(
            chosen=cookie.value if cookie else None,
            user=self.user,
            accepted=headers.get(b"accept-language", ""),
            site=site,
        )
        self.principal = rate_limiter.principal(site.schema, self.user.pk, self.network)
        self.place = await sockets().claim(self.principal)
        if self.place is None:
            await self.close(code=TOO_MANY)
            return
        caller.enter_name(self.user.email)
        context.enter(self.user.context(site.schema))
        await self.accept()
        self.sender = asyncio.get_running_loop().create_task(self._send_forever())
        self.watched = watch.watch(site.schema, identity, self._renew, self._end)

    def _renew(self, user: User) -> None:
        """The person with today's role and groups; the next frame is handled in their context."""
        self.user = user

    def _end(self) -> None:
        """What opened this socket has ended: nothing more is sent, and it closes."""
        self._let_go()
        self.closing = asyncio.get_running_loop().create_task(self.close(code=UNAUTHENTICATED))

    async def _identity(self, schema: str, headers: dict[bytes, str]) -> Identity | None:
        """By single-use ticket, or by cookie with an Origin that is exactly this site. Raises `PermissionError`."""
        query = parse_qs(self.scope.get("query_string", b"").decode("latin-1"))
        if ticket := query.get("ticket", [""])[0]:
            return await tickets.redeem(schema, ticket)
        origin = urlsplit(headers.get(b"origin", ""))
        if origin.scheme not in {"http", "https"} or origin.netloc.lower() != headers.get(b"host", "").lower():
            raise PermissionError
        cookie: SimpleCookie = SimpleCookie(headers.get(b"cookie", ""))
        morsel = cookie.get(settings.SESSION_COOKIE_NAME)
        if morsel is None:
            return None
        identity, _session = await in_thread(principals.session_identity, schema, morsel.value)
        return identity

    async def disconnect(self, code: int) -> None:
        if self.watched:
            watch.forget(self.watched)
        self._let_go()
        if self.place:
            await sockets().release(self.principal, self.place)

    def _let_go(self) -> None:
        self.user = None
        for follower in self.followers.values():
            host.reader.unfollow(follower)
        self.followers.clear()
        if self.sender:
            self.sender.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.user is None:
            return
        if await sites.resolve(self.host) is None:  # Closed by the operator since the socket was opened.
            await self.close(code=FORBIDDEN)
            return
        context.enter(self.user.context(self.schema))
        with translation.override(self.language):
            await self._handle(text_data)

    async def _handle(self, text_data: str | None) -> None:
        frame: dict[str, Any] = {}
        try:
            try:
                frame = _parse(text_data)
            finally:  # A frame that is not understood costs a token, too.
                if frame.get("type") not in UNCOUNTED:
                    await self._count()
            await self._handlers[frame["type"]](self, frame)
        except AppError as error:
            answer = {**error.extra, "type": "error", "code": error.code, "detail": str(error.detail)}
            self._put({**answer, **{name: frame[name] for name in ("run", "key") if isinstance(frame.get(name), str)}})
        except (RedisError, OSError):
            self._put(
                {
                    "type": "error",
                    "code": "unavailable",
                    "retry_after": 2,
                    **({"key": frame["key"]} if "key" in frame else {}),
                }
            )

    async def _count(self) -> None:
        """Take a token of the buckets that requests take from, too. Raises `RateLimited`; the socket stays open."""
        assert self.user
        verdict = await rate_limiter.take(self.schema, self.user.pk, self.network)
        if not verdict.allowed:
            raise RateLimited(verdict)

    async def _send_message(self, frame: dict[str, Any]) -> None:
        where = _uuid(frame["conversation"], "conversation") if frame.get("conversation") else None
        asked = {"conversation": where, "content": _content(frame), "request": _request(frame, ANEW)}
        await self._start(frame, services.start_run, **asked)

    async def _edit_message(self, frame: dict[str, Any]) -> None:
        asked = {"message": _uuid(frame.get("message"), "message"), "content": _content(frame), "request": _request(frame, ANEW)}
        await self._start(frame, branches.edit_message, **asked)

    async def _regenerate(self, frame: dict[str, Any]) -> None:
        asked = {"message": _uuid(frame.get("message"), "message"), "request": _request(frame, AGAIN)}
        await self._start(frame, branches.regenerate, **asked)

    async def _continue(self, frame: dict[str, Any]) -> None:
        asked = {"run": _uuid(frame.get("run"), "run"), "request": _request(frame, ON)}
        await self._start(frame, branches.continue_run, **asked)

    async def _start(self, frame: dict[str, Any], service: Callable[..., Started], **asked: Any) -> None:
        """Store a turn, say so and follow its runs."""
        key = frame.get("key")
        if not (key is None or isinstance(key, str)):
            raise BadFrame(_("key is a text."))
        assert self.user
        started = await in_thread(service, owner=self.user, key=key, **asked)
        self._put({"type": "message.accepted", "key": key, "title": started.conversation.title, **started.as_json()})
        for run in (started.run, *started.beside):
            if run.is_final:  # A key sent again, whose answer is there already.
                await self._attach(run.public_id, 0)
            else:
                self._remember(run.public_id, await following.follow_own(self.schema, run.public_id, self._push))

    async def _follow(self, frame: dict[str, Any]) -> None:
        after = frame.get("after", 0)
        if not isinstance(after, int) or after < 0:
            raise BadFrame(_("after is the number of the last event that was received."))
        await self._attach(_uuid(frame.get("run"), "run"), after)

    async def _attach(self, run: uuid.UUID, after: int) -> None:
        """Follow a run that this person may see. Raises `NotFound`."""
        if self.user is None:  # Ended meanwhile.
            return
        if len(self.followers) >= MOST_FOLLOWED:
            raise BadFrame(_("One socket follows %(most)d runs at most.") % {"most": MOST_FOLLOWED})
        self._remember(run, await following.follow(user=self.user, schema=self.schema, run=run, after=after, push=self._push))

    def _remember(self, run: uuid.UUID, follower: Follower | None) -> None:
        """Keep the newest follower of a run, and let go of an earlier one of this socket."""
        if (known := self.followers.pop(str(run), None)) is not None:
            host.reader.unfollow(known)
        if follower and self.user is None:  # Ended meanwhile.
            host.reader.unfollow(follower)
        elif follower:
            self.followers[str(run)] = follower

    async def _stop(self, frame: dict[str, Any]) -> None:
        assert self.user
        await following.stop(user=self.user, schema=self.schema, run=_uuid(frame.get("run"), "run"))

    async def _ping(self, frame: dict[str, Any]) -> None:
        self._put({"type": "pong"})

    _handlers: ClassVar[dict[str, Callable[[PageConsumer, dict[str, Any]], Awaitable[None]]]] = {
        "message.send": _send_message,
        "message.edit": _edit_message,
        "message.regenerate": _regenerate,
        "run.continue": _continue,
        "run.follow": _follow,
        "run.stop": _stop,
        "ping": _ping,
    }

    def _push(self, event: bytes) -> None:
        """An event of a followed run, sent as it was stored."""
        self.outbox.put_nowait(event.decode())
        if events.is_final(event):
            name = json.loads(event)["run"]
            if (follower := self.followers.pop(name, None)) is not None:
                host.reader.unfollow(follower)

    def _put(self, message: dict[str, Any]) -> None:
        self.outbox.put_nowait(json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    async def _send_forever(self) -> None:
        while True:
            await self.send(text_data=await self.outbox.get())


def _address(scope: dict[str, Any], headers: dict[bytes, str]) -> str:
    client = scope.get("client") or ("",)
    return caller.address_of({"REMOTE_ADDR": client[0], "HTTP_X_FORWARDED_FOR": headers.get(b"x-forwarded-for")})


def _parse(text: str | None) -> dict[str, Any]:
    """A frame's object with a known type. Raises `BadFrame`."""
    try:
        frame = json.loads(text or "")
    except ValueError:
        raise BadFrame(_("A frame is one JSON object.")) from None
    if not isinstance(frame, dict) or frame.get("type") not in PageConsumer._handlers:
        raise BadFrame(_("A frame's type is one of %(types)s.") % {"types": ", ".join(PageConsumer._handlers)})
    return frame


def _uuid(value: Any, name: str) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise BadFrame(_("%(name)s is not an id.") % {"name": name}) from None


def _content(frame: dict[str, Any]) -> str:
    if not isinstance(frame.get("content"), str):
        raise BadFrame(_("%(type)s needs a text as content.") % {"type": frame["type"]})
    return str(frame["content"])


def _request(whole: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """The optional fields of a turn that such a frame may have, as services take them.

    Raises `BadFrame` or `ParameterNotAllowed`.
    """
    parameters.check(whole)
    frame = {name: whole[name] for name in names & whole.keys()}
    request: dict[str, Any] = {}
    if frame.get("model"):
        request["model"] = str(frame["model"])
    if frame.get("assistant"):
        request["assistant"] = _uuid(frame["assistant"], "assistant")
    if isinstance(frame.get("folders"), list):
        request["folders"] = [_uuid(folder, "folders") for folder in frame["folders"][:100]]
    if isinstance(frame.get("attachments"), list):
        request["attachments"] = [_uuid(each, "attachments") for each in frame["attachments"][: attachments.MOST + 1]]
    if isinstance(frame.get("models"), list):
        request["models"] = [str(model) for model in frame["models"][:10]]
    return request
