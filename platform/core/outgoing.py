"""Requests to addresses that somebody typed in: where they may go, checked when the address is saved and when it is used.

A name can say one thing today and another tomorrow, so the second check looks at the very address that the socket is
about to connect to. `allow_private` is the explicit permission for a local network; it never opens link-local
addresses, clouds' metadata services or ports where databases listen.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import SplitResult, urljoin, urlsplit

from django.utils.translation import gettext_lazy as _

from core.errors import AppError

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

TOTAL_SECONDS = 10.0
CONNECT_SECONDS = 5.0
MOST_REDIRECTS = 3
MOST_BYTES = 50 * 1024 * 1024
LONGEST = 2000  # characters of an address
# Mail, shells, directories, file shares, databases, queues and caches: nothing there speaks HTTP that anybody wants.
CLOSED_PORTS = frozenset(
    {0, 21, 22, 23, 25, 53, 110, 111, 135, 139, 143, 389, 445, 465, 587, 636, 873, 993, 995, 1433, 1521, 2049, 2375, 2376, 2379}
    | {2380, 3306, 3389, 4369, 5432, 5433, 5672, 5900, 5984, 6379, 6380, 6432, 9042, 9200, 9300, 11211, 26379, 27017, 27018}
)
METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "168.63.129.16")
)
LOCAL = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "::1/128", "fc00::/7")
)
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # IPv4 behind a network's own translation


class AddressNotAllowed(AppError):
    code: ClassVar[str] = "address_not_allowed"
    title = _("This address may not be used.")


class BodyTooLarge(AppError):
    code: ClassVar[str] = "body_too_large"
    status = 413
    title = _("What the address answered is too large.")


class Unreachable(AppError):
    code: ClassVar[str] = "address_unreachable"
    status = 502
    title = _("Nobody answers at this address.")


def _meant(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one: that is where the packet goes."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in TRANSLATED:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def permitted(text: str, *, allow_private: bool = False) -> bool:
    """Whether a connection may go to this IP address."""
    try:
        address = _meant(ipaddress.ip_address(text))
    except ValueError:
        return False
    if address in METADATA or address.is_multicast or address.is_link_local or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv6Address) and (
        address.scope_id or address.is_site_local or address.sixtofour or address.teredo
    ):
        return False
    if any(address in network for network in LOCAL):
        return allow_private
    return address.is_global and not address.is_reserved


def _parts(url: str) -> SplitResult:
    if len(url) > LONGEST or not url.isprintable() or any(sign in url for sign in "\\ <>\"'`{}|^"):
        raise AddressNotAllowed
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressNotAllowed from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise AddressNotAllowed
    if port is not None and port in CLOSED_PORTS:
        raise AddressNotAllowed
    return parts


def _host(parts: SplitResult) -> str:
    """The host as it will be asked for. An IP address must be spelled the one usual way."""
    host = (parts.hostname or "").rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()  # Full-width digits become digits here, and are seen below.
        except UnicodeError:
            raise AddressNotAllowed from None
    if "%" in host or not host:
        raise AddressNotAllowed
    last = host.rpartition(".")[2]
    if ":" in host or last.isdigit() or last.startswith("0x"):
        try:
            ipaddress.ip_address(host)  # Refuses 2130706433, 0x7f.1, 0177.0.0.1 and 127.1, which resolvers accept.
        except ValueError:
            raise AddressNotAllowed from None
    return host


def check_form(url: str, *, allow_private: bool = False) -> str:
    """The host of an address that is well formed and, if it is an IP address, may be used. Asks no name server."""
    host = _host(_parts(url))
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not allow_private and (host == "localhost" or host.endswith((".localhost", ".local", ".internal"))):
            raise AddressNotAllowed from None
        return host
    if not permitted(host, allow_private=allow_private):
        raise AddressNotAllowed
    return host


def check(url: str, *, allow_private: bool = False) -> str:
    """The check at saving: form, scheme, port, and every record of the name. Gives the address back.

    A name that does not resolve now is accepted: it is asked again at each use. Raises `AddressNotAllowed`.
    """
    host = check_form(url, allow_private=allow_private)
    try:
        records = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return url
    if not all(permitted(str(record[4][0]), allow_private=allow_private) for record in records):
        raise AddressNotAllowed
    return url


def _resolver(*, allow_private: bool) -> AbstractResolver:
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Resolver(AbstractResolver):
        """One private record among a name's spoils it: which one is used is not ours to say."""

        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
            records = [(kind, number, str(place[0])) for kind, _type, number, _name, place in found]
            if not all(permitted(text, allow_private=allow_private) for _kind, _number, text in records):
                raise AddressNotAllowed
            return [
                ResolveResult(hostname=host, host=text, port=port, family=kind, proto=number, flags=socket.AI_NUMERICHOST)
                for kind, number, text in records
            ]

        async def close(self) -> None:
            """Nothing is held."""

    return Resolver()


def connector(*, allow_private: bool = False, **options: Any) -> aiohttp.TCPConnector:
    """A connector that opens no socket to an address that is not permitted. Call it on the loop that will use it.

    Its requests raise `AddressNotAllowed`.
    """
    import aiohttp

    def open_socket(info: Any) -> socket.socket:
        # The last word: whatever resolved the name, this is where the packet would go.
        family, kind, number, _name, place = info
        if place[1] in CLOSED_PORTS or not permitted(str(place[0]), allow_private=allow_private):
            raise AddressNotAllowed
        return socket.socket(family, kind, number)

    return aiohttp.TCPConnector(resolver=_resolver(allow_private=allow_private), socket_factory=open_socket, **options)


@dataclass(frozen=True, slots=True)
class Fetched:
    """`url` is where the redirects ended."""

    url: str
    status: int
    content_type: str
    body: bytes = field(repr=False)


async def fetch(
    url: str,
    *,
    method: str = "GET",
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    allow_private: bool = False,
    most: int = MOST_BYTES,
    seconds: float = TOTAL_SECONDS,
) -> Fetched:
    """One request with at most three redirects, each checked as the first; `most` bytes of body, `seconds` for all of it.

    Headers and body go to the first host only. Raises `AddressNotAllowed`, `BodyTooLarge` or `Unreachable`.
    """
    import aiohttp

    link = connector(allow_private=allow_private, limit=4, force_close=True)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(
        connector=link, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": "cloison"}, trust_env=False
    ) as session:
        try:
            async with asyncio.timeout(seconds):
                return await _follow(session, url, method, data, dict(headers or {}), allow_private, most)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable from error


async def _follow(
    session: aiohttp.ClientSession,
    url: str,
    method: str,
    data: bytes | None,
    headers: dict[str, str],
    allow_private: bool,
    most: int,
) -> Fetched:
    for _hop in range(MOST_REDIRECTS + 1):
        host = check_form(url, allow_private=allow_private)
        async with session.request(method, url, data=data, headers=headers, allow_redirects=False) as response:
            if response.status in {301, 302, 303, 307, 308} and (target := response.headers.get("Location")):
                url = urljoin(url, target)
                if method != "GET" or check_form(url, allow_private=allow_private) != host:
                    # What was meant for one host is not shown to another, and nothing is posted twice.
                    method, data, headers = "GET", None, {}
                continue
            body = bytearray()
            async for piece in response.content.iter_chunked(64 * 1024):
                body += piece
                if len(body) > most:
                    raise BodyTooLarge
            return Fetched(url, response.status, response.content_type, bytes(body))
    raise AddressNotAllowed(_("The address leads on to another one too often."))
