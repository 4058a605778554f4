"""Stamps: random words in Redis that change when what other processes remember of a thing is no longer so.

Whoever changes the thing renews its stamp before saying that it is done; whoever remembers the thing compares the
stamp at each use (the rate limiter's one round trip brings it along). A stamp that is not there is a stamp, too.
"""

from __future__ import annotations

import logging
import secrets
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

PREFIX = "stamp:"
KEPT = 3600  # seconds; far longer than anything is remembered
PATIENCE = 0.5


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS.runs,
        socket_connect_timeout=PATIENCE,
        socket_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 1),  # Once, for a connection that has gone stale.
    )


def renew(*names: str) -> None:
    """Make every process forget what it remembers under these names. Without Redis nothing is remembered for longer
    than its own few seconds."""
    try:
        with _client().pipeline(transaction=False) as pipe:
            for name in names:
                pipe.set(PREFIX + name, secrets.token_hex(8), ex=KEPT)
            pipe.execute()
    except redis.RedisError as error:
        logger.warning("a stamp could not be renewed", extra={"error": type(error).__name__})
