"""Loaded by every process of the product that the suite starts: an address beyond this machine is refused and written down."""

import ipaddress
import os
import sys
from typing import Any

LOG = os.environ.get("CLOISON_SOCKET_GUARD_LOG", "")
NAMES = ("localhost", "", None)


def _is_here(host: Any) -> bool:
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if host in NAMES or str(host).endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).split("%")[0]).is_loopback
    except ValueError:
        return False


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        if not isinstance(address, tuple) or _is_here(address[0]):
            return
    elif event == "socket.getaddrinfo":
        if _is_here(arguments[0]):
            return
        address = arguments[:2]
    else:
        return
    with open(LOG, "a") as log:  # noqa: PTH123 (nothing but builtins: this runs in every process)
        log.write(f"{event} {address!r} {sys.argv}\n")
    raise PermissionError(f"{event} to {address!r}: the suite's processes stay on this machine")


if LOG:
    sys.addaudithook(_guard)
