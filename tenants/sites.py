"""From the Host header to a site: exact match, cached for a moment, 404 for everything unknown.

Every process keeps a cache. Whoever changes the registry raises a number in Redis, which each process looks at twice a
second while it serves: a suspended site is shut everywhere within a second, and without Redis when its entry is old.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import cached_property

import redis
from django.conf import settings
from django.http.request import split_domain_port
from redis.backoff import NoBackoff
from redis.retry import Retry

from isolation import context, in_thread
from tenants.models import Domain, Tenant

CACHE_SECONDS = 10.0
CACHE_ENTRIES = 10_000
LOOK_SECONDS = 0.5  # between two looks at the number in Redis
LOOK_AGAIN_SECONDS = 5.0  # after Redis did not answer
REDIS_SECONDS = 0.25
VERSION_KEY = "sites:version"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Site:
    """What a host leads to. `schema` is "public" for the operator's site, whose other fields are its defaults."""

    schema: str
    name: str = "Cloison"
    host: str = ""
    language: str = ""
    colour: str = ""
    colour_ink: str = ""
    tenant_id: int = 0

    @property
    def is_operator(self) -> bool:
        return self.schema == context.PUBLIC

    @property
    def urlconf(self) -> str:
        return settings.PUBLIC_SCHEMA_URLCONF if self.is_operator else settings.ROOT_URLCONF


_cache: dict[str, tuple[float, Site | None]] = {}


class _Version:
    """The number in Redis that says how often the registry has changed, and what this process last saw of it."""

    seen: int | None = None
    look_at = 0.0

    @cached_property
    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(
            settings.REDIS.runs,
            socket_connect_timeout=REDIS_SECONDS,
            socket_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 1),  # Once, for a connection that has gone stale.
        )

    def read(self) -> int:
        """Raises `redis.RedisError`."""
        return int(self.redis.get(VERSION_KEY) or 0)

    def raise_by_one(self) -> None:
        """Raises `redis.RedisError`."""
        self.redis.incr(VERSION_KEY)

    async def has_moved(self) -> bool:
        """Whether the registry changed since this process last looked; False while Redis does not answer."""
        now = time.monotonic()
        if now < self.look_at:
            return False
        self.look_at = now + LOOK_SECONDS  # Requests that come meanwhile do not look, too.
        try:
            found = await asyncio.to_thread(self.read)
        except redis.RedisError:
            self.look_at = now + LOOK_AGAIN_SECONDS
            return False
        moved = found != self.seen
        self.seen = found
        return moved


_version = _Version()


def normalise(host: str) -> str:
    """The domain of a Host header, lower case, without port and trailing dot; empty where it is malformed."""
    domain, _port = split_domain_port(host)
    return domain


async def resolve(host: str) -> Site | None:
    """The site of a Host header, or None. A change is known within a second, without Redis after `CACHE_SECONDS`."""
    domain = normalise(host)
    if not domain:
        return None
    if domain in settings.CLOISON_OPERATOR_HOSTS:
        return Site(schema=context.PUBLIC, host=domain)
    if await _version.has_moved():
        _cache.clear()
        origins.forget()
    now = time.monotonic()
    if (found := _cache.get(domain)) and found[0] > now:
        return found[1]
    site = await in_thread(find, domain)
    if len(_cache) >= CACHE_ENTRIES:  # Hosts are the caller's to choose: the cache stays bounded.
        _cache.clear()
    _cache[domain] = (now + CACHE_SECONDS, site)
    return site


def find(domain: str) -> Site | None:
    """One query under the gateway's role, which sees the registry's two tables and nothing else."""
    with context.use(context.gateway()):
        found = Domain.objects.select_related("tenant").filter(domain=domain, tenant__status=Tenant.Status.ACTIVE).first()
    if found is None:
        return None
    tenant = found.tenant
    return Site(
        schema=tenant.schema_name,
        name=tenant.name,
        host=domain,
        language=tenant.language,
        colour=tenant.colour,
        colour_ink=tenant.colour_ink,
        tenant_id=tenant.pk,
    )


class Origins:
    """The hosts whose API other origins may read, and which origins: all of them in one query, now and then."""

    def __init__(self) -> None:
        self._until = 0.0
        self._table: dict[str, frozenset[str]] = {}

    async def allows(self, host: str, origin: str) -> bool:
        now = time.monotonic()
        if now >= self._until:
            self._until = now + CACHE_SECONDS  # Set first, so that one request of many looks.
            self._table = await in_thread(self._read)
        return origin in self._table.get(normalise(host), ())

    @staticmethod
    def _read() -> dict[str, frozenset[str]]:
        with context.use(context.gateway()):
            listed = Domain.objects.filter(tenant__status=Tenant.Status.ACTIVE).exclude(tenant__cors_origins=[])
            return {domain: frozenset(origins) for domain, origins in listed.values_list("domain", "tenant__cors_origins")}

    def forget(self) -> None:
        self._until = 0.0


origins = Origins()


async def origin_allowed(host: str, origin: str) -> bool:
    """Whether scripts of `origin` may read the API on `host`. A change is known after at most `CACHE_SECONDS`."""
    return await origins.allows(host, origin)


def address_of(schema: str) -> str:
    """The address of a tenant's site for links in mail: its registered domain, never what a request named.

    `https` where cookies are secure; `CLOISON_PORT` is named unless it is the usual one. Raises `Domain.DoesNotExist`.
    """
    with context.use(context.gateway()):
        domain = Domain.objects.filter(tenant__schema_name=schema).order_by("-is_primary", "pk")[:1].get().domain
    scheme, usual = ("https", "443") if settings.SESSION_COOKIE_SECURE else ("http", "80")
    port = settings.CLOISON_PORT
    return f"{scheme}://{domain}{f':{port}' if port not in {'', usual} else ''}"


def forget() -> None:
    """After the registry changed: empty this process's cache, and tell the others through Redis."""
    _cache.clear()
    origins.forget()
    try:
        _version.raise_by_one()
    except redis.RedisError as error:
        logger.warning("other processes learn of the change after %s s", CACHE_SECONDS, extra={"error": type(error).__name__})


def active_schemas() -> list[str]:
    """The schemas of all active tenants, for work that visits each."""
    with context.use(context.gateway()):
        return list(Tenant.objects.filter(status=Tenant.Status.ACTIVE).order_by("pk").values_list("schema_name", flat=True))
