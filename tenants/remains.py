"""What a tenant leaves outside the database: a folder of files, cached values, streams of runs."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import redis
from django.conf import settings
from django.core.files.storage import default_storage

from isolation import context, schemas

logger = logging.getLogger(__name__)
BATCH = 500  # keys per round trip


def remove_files(schema: str) -> None:
    """The tenant's folder with all that is in it. Raises `ValueError` for what is no tenant's schema."""
    with context.use(context.service(schemas.checked(schema))):
        folder = Path(default_storage.path(""))
    if folder.name == schema and folder.exists():
        shutil.rmtree(folder)


def remove_keys(schema: str) -> int:
    """Every key of Redis that carries the schema's name; returns how many. With Redis down they end by themselves."""
    schemas.checked(schema)
    removed = 0
    for url in (settings.REDIS.cache, settings.REDIS.runs, settings.REDIS.channels):
        try:
            with redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=10) as client:
                found: list[bytes] = []
                for key in client.scan_iter(match=f"*{schema}*", count=BATCH):
                    found.append(key)
                    if len(found) == BATCH:
                        removed += int(client.unlink(*found))
                        found.clear()
                if found:
                    removed += int(client.unlink(*found))
        except redis.RedisError as error:
            logger.warning("keys of a removed tenant are left to expire", extra={"error": type(error).__name__})
    return removed
