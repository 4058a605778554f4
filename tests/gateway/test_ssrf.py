"""Addresses that somebody typed in: refused when saved and when used, with no connection made."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from core import outgoing
from core.outgoing import AddressNotAllowed

REFUSED = [
    "http://127.0.0.1/",
    "http://127.8.9.1/",
    "http://localhost/",
    "http://localhost./",
    "http://api.localhost/",
    "http://0.0.0.0/",
    "http://[::1]/",
    "http://[::]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fd00:ec2::254]/",
    "http://[fc00::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://224.0.0.1/",
    "http://[ff02::1]/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://user:pass@example.com/",
    "http://example.com@127.0.0.1/",
    "http://example.com\\@127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "ftp://example.com/",
    "//example.com/",
    "http:///",
    "http://93.184.215.14:6379/",
    "http://93.184.215.14:5432/",
    "http://93.184.215.14:99999/",
    "http://93.184.215.14/a b",
    "http://93.184.215.14/\nHost: x",
]
ALWAYS = ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "fe80::1", "224.0.0.1", "0.0.0.0", "::", "2002:7f00:1::"]  # noqa: S104
NAMES = {
    "private.example.com": ["10.0.0.7"],
    "mixed.example.com": ["93.184.215.14", "127.0.0.1"],
    "metadata.example.com": ["169.254.169.254"],
    "public.example.com": ["93.184.215.14"],
}


class Listener:
    """Counts who knocks at 127.0.0.1."""

    def __init__(self, answer: bytes = b"") -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.knocks = 0
        self.heard = b""
        self.answer = answer
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                link, _place = self.server.accept()
            except OSError:
                return
            self.knocks += 1
            with link:
                if self.answer:
                    self.heard += link.recv(65536)
                    link.sendall(self.answer)


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.server.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server of ours for example.com; everything else is the system's."""
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host in NAMES:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port or 0)) for text in NAMES[host]]
        return real(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize("url", REFUSED)
async def test_case_42_an_address_is_refused_when_saved_and_when_used(url: str) -> None:
    with pytest.raises(AddressNotAllowed) as saved:
        outgoing.check(url)
    with pytest.raises(AddressNotAllowed) as used:
        await outgoing.fetch(url)

    assert saved.value.code == used.value.code == "address_not_allowed"


@pytest.mark.parametrize("host", [*NAMES, "127.0.0.1"])
async def test_case_42_no_connection_is_made_to_a_private_address(names: None, listener: Listener, host: str) -> None:
    url = f"http://{host}:{listener.port}/"
    if host == "public.example.com":
        assert outgoing.check(url) == url  # The control: a public name passes both checks.
        assert all(outgoing.permitted(text) for text in NAMES[host])
        return

    with pytest.raises(AddressNotAllowed):
        outgoing.check(url)
    with pytest.raises(AddressNotAllowed):
        await outgoing.fetch(url)

    assert listener.knocks == 0


async def test_case_42_the_socket_itself_is_checked(monkeypatch: pytest.MonkeyPatch, listener: Listener) -> None:
    """Whatever let a name through, the address that would be connected to has the last word."""
    monkeypatch.setattr(outgoing, "check_form", lambda url, **_more: "rebound")
    async with aiohttp.ClientSession(connector=outgoing.connector()) as session:
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]"):
            with pytest.raises(AddressNotAllowed):
                await session.get(f"http://{host}:{listener.port}/")

    assert listener.knocks == 0


@pytest.mark.parametrize("text", ALWAYS)
def test_case_42_permission_for_local_networks_opens_no_metadata_service(text: str) -> None:
    assert not outgoing.permitted(text, allow_private=True)


async def test_case_42_permission_for_local_networks_is_explicit() -> None:
    there = Listener(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi")
    url = f"http://127.0.0.1:{there.port}/"

    with pytest.raises(AddressNotAllowed):
        await outgoing.fetch(url)
    assert there.knocks == 0
    assert outgoing.check(url, allow_private=True) == url
    assert (await outgoing.fetch(url, allow_private=True)).body == b"hi"
    with pytest.raises(AddressNotAllowed):
        outgoing.check("http://127.0.0.1:6379/", allow_private=True)
    there.server.close()


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.2 stands for the public net."""
    real = outgoing.permitted
    monkeypatch.setattr(outgoing, "permitted", lambda text, **more: text == "127.0.0.2" or real(text, **more))


class Site:
    """A server in the public net: redirects as often as the path says, or to where `to` says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.seen: list[str | None] = []
        self.ended = asyncio.Event()

    async def serve(self) -> int:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.ended.clear()
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1]
            self.asked.append(path)
            self.seen.append("yes" if "Authorization" in head else None)
            if path.startswith("/to/"):
                place = path[4:]
                writer.write(f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())
            elif path.startswith("/hops/") and path != "/hops/0":
                place = f"/hops/{int(path[6:]) - 1}"
                writer.write(f"HTTP/1.1 307 Again\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())
            elif path == "/slow":
                await reader.read()  # Until the other side has had enough.
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + b"x" * 4096)
            writer.close()
            self.ended.set()

        self.server = await asyncio.start_server(talk, "127.0.0.2", 0)
        return int(self.server.sockets[0].getsockname()[1])


async def test_case_42_redirects_are_few_and_each_is_checked(outside: None, listener: Listener) -> None:
    site = Site()
    base = f"http://127.0.0.2:{await site.serve()}"

    with pytest.raises(AddressNotAllowed):
        await outgoing.fetch(f"{base}/to/http://127.0.0.1:{listener.port}/")
    assert listener.knocks == 0
    for scheme in ("file:///etc/passwd", "gopher://127.0.0.2/"):
        with pytest.raises(AddressNotAllowed):
            await outgoing.fetch(f"{base}/to/{scheme}")
    assert (await outgoing.fetch(f"{base}/hops/3", headers={"Authorization": "x"})).url == f"{base}/hops/0"
    assert site.seen[-1] == "yes"  # Within one host what was sent goes along.
    with pytest.raises(AddressNotAllowed):
        await outgoing.fetch(f"{base}/hops/4")
    assert site.asked[-4:] == ["/hops/4", "/hops/3", "/hops/2", "/hops/1"]
    site.server.close()


async def test_case_42_body_and_time_have_an_end(outside: None) -> None:
    site = Site()
    base = f"http://127.0.0.2:{await site.serve()}"

    with pytest.raises(outgoing.BodyTooLarge):
        await outgoing.fetch(f"{base}/", most=4000)
    assert len((await outgoing.fetch(f"{base}/", most=4096)).body) == 4096
    with pytest.raises(outgoing.Unreachable):
        await outgoing.fetch(f"{base}/slow", seconds=0.2)
    assert outgoing.TOTAL_SECONDS == 10
    await site.ended.wait()
    await asyncio.sleep(0)
    site.server.close()
