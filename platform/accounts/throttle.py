"""How often the doors of sign-in may be tried, by django-ratelimit's fixed windows. Keys carry the tenant.

What counts is failure: who knows the password is not slowed down by having used it.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_ratelimit import ALL
from django_ratelimit.core import get_usage

from accounts.services import SignInRefused
from core import caller
from core.cache import CounterCache
from core.errors import AppError


class Throttled(AppError):
    code: ClassVar[str] = "throttled"
    status = 429
    title = _("Too many tries. Wait a moment.")


class LoginThrottled(Throttled):
    code: ClassVar[str] = "login_throttled"


class RefreshThrottled(Throttled):
    code: ClassVar[str] = "refresh_throttled"


class ResetThrottled(Throttled):
    code: ClassVar[str] = "reset_throttled"


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` uses per `seconds`; while Redis is down each process counts for itself, so each allows half."""

    name: str
    most: int
    seconds: int
    error: type[Throttled]


@dataclass(frozen=True, slots=True)
class Usage:
    left: int
    wait: int  # seconds until the window ends


def login_limit() -> Limit:
    """Failed sign-ins by address and name."""
    return Limit("login", settings.CLOISON_LOGIN_TRIES, 60, LoginThrottled)


def address_limit() -> Limit:
    """Failed sign-ins by address alone, so that names cannot be tried one after the other."""
    return Limit("login-address", settings.CLOISON_LOGIN_TRIES_PER_ADDRESS, 60, LoginThrottled)


REFRESH = Limit("refresh", 30, 60, RefreshThrottled)
FORGED = Limit("refresh-forged", 30, 60, RefreshThrottled)
CODE = Limit("code", 20, 3600, LoginThrottled)  # wrong codes of one person from anywhere: a million codes take years
RESET_NAME = Limit("reset-name", 3, 3600, ResetThrottled)
RESET_ADDRESS = Limit("reset-address", 3, 3600, ResetThrottled)

# Tries of one name come one after the other, so that a burst of them cannot pass before the first has failed.
_stripes = tuple(threading.Lock() for _number in range(64))


def _usage(request: HttpRequest, limit: Limit, value: str, *, count: bool) -> Usage:
    most = max(1, limit.most // 2) if CounterCache.degraded() else limit.most
    hashed, rate = hashlib.sha256(value.encode()).hexdigest(), f"{most}/{limit.seconds}s"
    found = get_usage(request, group=limit.name, key=lambda _group, _request: hashed, rate=rate, method=ALL, increment=count)
    return Usage(left=max(0, most - found["count"]), wait=max(1, found["time_left"]))


def check(request: HttpRequest, limit: Limit, value: str) -> None:
    """Raises the limit's `Throttled` where nothing is left."""
    usage = _usage(request, limit, value, count=False)
    if usage.left <= 0:
        raise limit.error(retry_after=usage.wait)


def count(request: HttpRequest, limit: Limit, value: str) -> Usage:
    return _usage(request, limit, value, count=True)


def _pair(name: str) -> str:
    return f"{caller.address()}|{name.strip().lower()}"


@contextmanager
def attempt(request: HttpRequest, name: str, *, code: bool = False) -> Iterator[None]:
    """Around one try to sign in as `name`. Raises `LoginThrottled`; counts where the block raises `SignInRefused`.

    `code` is the try of a second factor, which has a limit of its own.
    """
    pair = _pair(name)
    with _stripes[zlib.crc32(pair.encode()) % len(_stripes)]:
        check(request, login_limit(), pair)
        check(request, address_limit(), caller.address())
        if code:
            check(request, CODE, name.lower())
        try:
            yield
        except SignInRefused as refused:
            if refused.code == "wrong_code":
                count(request, CODE, name.lower())
            count(request, login_limit(), pair)
            count(request, address_limit(), caller.address())
            raise


def count_reset(request: HttpRequest, name: str) -> None:
    """Around asking for a new password: every ask counts, for the address and for the name. Raises `ResetThrottled`."""
    asks = ((RESET_ADDRESS, caller.address()), (RESET_NAME, name.strip().lower()))
    for limit, value in asks:
        check(request, limit, value)
    for limit, value in asks:
        count(request, limit, value)


def tries_left(request: HttpRequest, name: str) -> Usage:
    """What a page says after a failure."""
    return _usage(request, login_limit(), _pair(name), count=False)
