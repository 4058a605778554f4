"""A tenant's own colours, and the operator's front page."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from accounts.demo import CAST
from accounts.models import User
from accounts.permissions import Right, allows
from gateway import catalogue, snapshots
from gateway.discovery import local_servers
from isolation import context, in_thread
from tenants.models import HEX_COLOUR, Tenant
from tenants.sites import Site

CSS_SECONDS = 300  # that a browser keeps a tenant's colours


def _site(request: HttpRequest) -> Site:
    return cast("Site", request.site)


@require_GET
def tenant_css(request: HttpRequest) -> HttpResponse:
    """The two colours that a tenant may set, as a stylesheet of its host."""
    site = _site(request)
    for colour in (site.colour, site.colour_ink):
        HEX_COLOUR(colour)
    sheet = f"@layer tokens {{ :root {{ --tenant: {site.colour}; --tenant-ink: {site.colour_ink}; }} }}\n"
    response = HttpResponse(sheet, content_type="text/css; charset=utf-8")
    response.headers["Cache-Control"] = f"private, max-age={CSS_SECONDS}"
    return response


def _tenants() -> list[Tenant]:
    """Names, hosts and states: the registry, no content."""
    with context.use(context.gateway()):
        return list(Tenant.objects.prefetch_related("domains").order_by("name"))


def _address(request: HttpRequest, host: str) -> str:
    port = request.get_port()
    usual = {"http": "80", "https": "443"}[request.scheme or "http"]
    return f"{request.scheme}://{host}{'' if port == usual else f':{port}'}/"


def _mail_domain(host: str) -> str:
    """The domain of a demo tenant's accounts."""
    return f"{host.partition('.')[0]}.test"


@require_GET
async def operator_front(request: HttpRequest) -> HttpResponse:
    """In demo mode: tenants, accounts, links, and what model answers. Elsewhere only the way to the console."""
    if not settings.CLOISON_DEMO:
        return redirect("/admin/")
    rows: list[dict[str, Any]] = []
    for tenant in await in_thread(_tenants):
        hosts = [domain.domain for domain in tenant.domains.all()]
        accounts = [
            {"email": f"{local}@{_mail_domain(host)}", "role": role} for host in hosts[:1] for role, local, *_names in CAST
        ]
        rows.append({"tenant": tenant, "links": [_address(request, host) for host in hosts], "accounts": accounts})
    await snapshots.refresh()
    models = catalogue.available()
    page = {
        "rows": rows,
        "password": settings.CLOISON_DEMO_PASSWORD,
        "models": models,
        "builtin": models[0].provider == catalogue.BUILTIN,
        "servers": await local_servers(),
        "operator": allows(cast("User", request.user), Right.OPERATE),
    }
    return await in_thread(render, request, "tenants/operator.html", page)
