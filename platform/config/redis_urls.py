"""One REDIS_URL, five uses, each in a database of its own and in the spelling that its client wants."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class RedisURLs:
    runs: str  # Redis Streams of run events
    cache: str
    channels: str
    celery: str


def derive(url: str) -> RedisURLs:
    """From `redis://…/0`, `rediss://…` or `unix://:password@/path/to/socket`; empty for an empty one."""
    if not url:
        return RedisURLs("", "", "", "")
    parts = urlsplit(url)
    if parts.scheme == "unix":
        password = quote(unquote(parts.password or ""), safe="")
        base = f"unix://:{password}@{parts.path}" if password else f"unix://{parts.path}"
        celery = (
            f"redis+socket://:{password}@{parts.path}?virtual_host=3"
            if password
            else f"redis+socket://{parts.path}?virtual_host=3"
        )
        return RedisURLs(f"{base}?db=0", f"{base}?db=1", f"{base}?db=2", celery)
    base = f"{parts.scheme}://{parts.netloc}"
    return RedisURLs(f"{base}/0", f"{base}/1", f"{base}/2", f"{base}/3")
