"""Whether a model server runs on this machine. Asked only when an operator looks at the page that offers to connect it."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

PATIENCE = 0.5  # seconds for each
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d{1,9})\r\n", re.IGNORECASE)
MOST = 256 * 1024  # bytes read of an answer


@dataclass(frozen=True, slots=True)
class LocalServer:
    """`setting` is the line of environment that connects it."""

    name: str
    address: str
    setting: str
    models: tuple[str, ...]


async def local_servers(*, ollama: int = 11434, llamacpp: int = 8080) -> tuple[LocalServer, ...]:
    """Who answers on this machine at the usual ports; at most half a second."""
    tags, models = await asyncio.gather(_get(ollama, "/api/tags"), _get(llamacpp, "/v1/models"))
    found = []
    if isinstance(tags.get("models"), list):
        address = f"http://127.0.0.1:{ollama}"
        found.append(LocalServer("Ollama", address, f"OLLAMA_API_BASE={address}", _names(tags["models"], "name")))
    rows = models.get("data")
    # Port 8080 is anyone's: only what calls itself llama.cpp is taken for it.
    if isinstance(rows, list) and any(isinstance(row, dict) and row.get("owned_by") == "llamacpp" for row in rows):
        address = f"http://127.0.0.1:{llamacpp}/v1"
        found.append(LocalServer("llama.cpp", address, f"OPENAI_API_BASE={address}", _names(rows, "id")))
    return tuple(found)


def _names(rows: list[Any], key: str) -> tuple[str, ...]:
    return tuple(str(row[key]) for row in rows if isinstance(row, dict) and key in row)


async def _get(port: int, path: str) -> dict[str, Any]:
    """The JSON object there, or an empty one. HTTP/1.0 by hand: loading an HTTP library for this would be dear."""
    writer = None
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            body = await reader.readexactly(min(int(length[1]), MOST)) if length else await reader.read(MOST)
        value = json.loads(body) if b" 200 " in head.split(b"\r\n", 1)[0] + b" " else {}
    except (OSError, EOFError, ValueError, TimeoutError, RecursionError, asyncio.LimitOverrunError):
        return {}
    finally:
        if writer is not None:
            writer.close()
    return value if isinstance(value, dict) else {}
