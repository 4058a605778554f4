"""Counters for throttles: in Redis, and in this process while Redis does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

T = TypeVar("T")

PATIENCE = 0.03  # seconds that an answer of Redis is waited for: a throttled door answers within 50 ms
PAUSE = 2.0  # seconds until Redis is asked again after it failed


class CounterCache(BaseCache):
    """`add`, `incr`, `get`: never raises because of Redis. Counters of both places are apart: a failure starts afresh.

    One client for the whole process: Django makes an instance per thread, and threads here last one request.
    """

    down_until: ClassVar[float] = 0.0
    clients: ClassVar[dict[str, RedisCache]] = {}
    lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.local = LocMemCache("counters", params)
        self.location = location
        with self.lock:
            if location not in self.clients:
                self.clients[location] = self.client(location, params)

    @staticmethod
    def client(location: str, params: dict[str, Any]) -> RedisCache:
        options = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "retry": Retry(NoBackoff(), 0)}
        return RedisCache(location, {**params, "OPTIONS": options})

    @classmethod
    def degraded(cls) -> bool:
        """Whether this process counts alone at the moment; whoever limits by it then limits harder."""
        return time.monotonic() < cls.down_until

    def _ask(self, call: Callable[[BaseCache], T]) -> T:
        if not self.degraded():
            try:
                return call(self.clients[self.location])
            except (RedisError, OSError):
                CounterCache.down_until = time.monotonic() + PAUSE
        return call(self.local)

    def add(self, key: str, value: Any, timeout: Any = 300, version: int | None = None) -> bool:
        return self._ask(lambda cache: cache.add(key, value, timeout, version))

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self._ask(lambda cache: cache.get(key, default, version))

    def set(self, key: str, value: Any, timeout: Any = 300, version: int | None = None) -> None:
        return self._ask(lambda cache: cache.set(key, value, timeout, version))

    def delete(self, key: str, version: int | None = None) -> bool:
        return self._ask(lambda cache: cache.delete(key, version))

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        return self._ask(lambda cache: cache.incr(key, delta, version))
