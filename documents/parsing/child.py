"""One document in one bounded process: forked, fenced, and gone when it has written its result."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import socket
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any, NoReturn

from documents.parsing.elements import Parsed, ParsingFailed

ADDRESS_SPACE = 1024 * 1024 * 1024  # bytes beyond what the warm parser has mapped already
CPU_SECONDS = 60
LARGEST_RESULT = 256 * 1024 * 1024  # bytes
CLONE_NEWUSER, CLONE_NEWNET = 0x1000_0000, 0x4000_0000
EXIT_MEMORY = 3
PICTURE = "picture"  # the kind of a request for a picture drawn again


def parse(path: Path, kind: str) -> Parsed:
    """Read a file of a kind that `sniff` named. Raises `ParsingFailed`."""
    if kind == "pdf":
        from documents.parsing.pdf import parse_pdf

        return parse_pdf(path)
    from documents.parsing.office import parse_office

    return parse_office(path, kind)


def run(request: dict[str, Any]) -> NoReturn:
    """The whole life of the child: fence itself in, parse or draw, write the result as JSON, exit without clean-up."""
    try:
        fence()
        body = json.dumps(_outcome(request), ensure_ascii=False, separators=(",", ":"))
        Path(request["result"]).write_text(body, encoding="utf-8")
    except MemoryError:
        os._exit(EXIT_MEMORY)
    except BaseException as error:  # noqa: BLE001 (the edge of a process)
        print(f"parser child: {type(error).__name__}", file=sys.stderr)  # noqa: T201 (no logging in a forked child)
        os._exit(1)
    os._exit(0)


def _outcome(request: dict[str, Any]) -> dict[str, Any]:
    path = Path(request["path"])
    try:
        if request["kind"] == PICTURE:
            from documents.parsing.pictures import redraw

            image, form = redraw(path)
            return {"image": b64encode(image).decode(), "format": form}
        if page := request.get("page"):
            from documents.parsing.pdf import draw_page

            return {"image": b64encode(draw_page(path, page)).decode()}
        return {"parsed": parse(path, request["kind"]).as_json()}
    except ParsingFailed as failure:
        return {"code": failure.code, "detail": failure.detail}
    except RecursionError:
        return {"code": "too_complex", "detail": "nested too deeply"}


def fence() -> None:
    """Limits on memory, processor, file size and descriptors; no network."""
    resource.setrlimit(resource.RLIMIT_AS, (mapped() + ADDRESS_SPACE,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_RESULT, LARGEST_RESULT))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unplug()


def mapped() -> int:
    """Bytes of address space in use: the libraries of the warm parser count, and are no document's fault."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def unplug() -> None:
    """Leave the network: a namespace without interfaces where the kernel allows it, and a guard in Python anyway."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise PermissionError("the parser has no network")

    socket.socket = refuse  # type: ignore[assignment, misc]
    socket.create_connection = refuse
    socket.getaddrinfo = refuse
