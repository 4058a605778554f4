"""From the Host header to a site: exact match, cached for a moment, 404 for everything unknown."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings
from django.http.request import split_domain_port

from isolation import context, in_thread
from tenants.models import Domain, Tenant

CACHE_SECONDS = 10.0
CACHE_ENTRIES = 10_000


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


def normalise(host: str) -> str:
    """The domain of a Host header, lower case, without port and trailing dot; empty where it is malformed."""
    domain, _port = split_domain_port(host)
    return domain


async def resolve(host: str) -> Site | None:
    """The site of a Host header, or None. A new domain is known after at most `CACHE_SECONDS`."""
    domain = normalise(host)
    if not domain:
        return None
    if domain in settings.CLOISON_OPERATOR_HOSTS:
        return Site(schema=context.PUBLIC, host=domain)
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
    """Empty this process's cache: after a tenant was created or suspended here."""
    _cache.clear()


def active_schemas() -> list[str]:
    """The schemas of all active tenants, for work that visits each."""
    with context.use(context.gateway()):
        return list(Tenant.objects.filter(status=Tenant.Status.ACTIVE).order_by("pk").values_list("schema_name", flat=True))
