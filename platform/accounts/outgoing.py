"""Calls to identity providers: https to public addresses only, unless the operator allows a host by name.

The address that was checked is the one that is connected to; redirects are not followed; answers are small and quick.
"""

from __future__ import annotations

import socket
import time
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from requests.adapters import HTTPAdapter

from core import outgoing
from core.errors import AppError

TIMEOUT = 10.0  # seconds, for connecting, for each wait, and for the whole answer
LARGEST = 1024 * 1024  # bytes


class AddressRefused(AppError):
    code: ClassVar[str] = "address_refused"
    title = _("This address is not allowed: https to a public host, or a host that the operator names.")


def is_allowed(url: str) -> bool:
    """Whether the operator names this host and port: it may be private, and plain http."""
    parts = urlsplit(url)
    return parts.netloc.lower() in settings.CLOISON_OIDC_ALLOWED_HOSTS


def check(url: str) -> str:
    """The IP address to connect to. Raises `AddressRefused`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError as error:
        raise AddressRefused from error
    named = is_allowed(url)
    if not host or "@" in parts.netloc or parts.scheme not in ({"http", "https"} if named else {"https"}):
        raise AddressRefused
    try:
        found = {str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise AddressRefused from error
    # One private record among public ones is enough to refuse.
    if not found or not (named or all(outgoing.permitted(ip) for ip in found)):
        raise AddressRefused
    return sorted(found)[0]


class GuardedAdapter(HTTPAdapter):
    """Connects to the checked address under the name of the URL."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        given: tuple[Any, Any] = super().build_connection_pool_key_attributes(request, verify, cert)
        host_params, pool_kwargs = given
        if host_params["scheme"] == "https":
            pool_kwargs.update({"server_hostname": host_params["host"], "assert_hostname": host_params["host"]})
        host_params["host"] = check(request.url)
        return host_params, pool_kwargs

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        request.headers["Host"] = urlsplit(request.url).netloc
        answer = super().send(request, **{**kwargs, "stream": True, "timeout": TIMEOUT, "proxies": {}})
        answer._content, answer._content_consumed = self._body(answer), True  # type: ignore[attr-defined]
        return answer

    @staticmethod
    def _body(answer: requests.Response) -> bytes:
        until, body = time.monotonic() + TIMEOUT, b""
        while part := answer.raw.read1(65_536, decode_content=True):
            body += part
            if len(body) > LARGEST or time.monotonic() > until:
                answer.close()
                raise requests.exceptions.ConnectionError("the answer is too long or too slow")
        answer.close()
        return body


def guard(session: requests.Session) -> requests.Session:
    """Make every request of this session go through the checks above."""
    session.trust_env, session.max_redirects = False, 0
    adapter = GuardedAdapter(max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
