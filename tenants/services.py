"""The life of a tenant. Everything here needs the migrator's login (`manage.py` gives it to the commands that ask)."""

from __future__ import annotations

import re
from typing import ClassVar

from django.db import IntegrityError, transaction

from accounts import services as accounts
from accounts.models import User
from core.errors import AppError, Conflict, NotFound
from isolation import context, schemas
from tenants import sites
from tenants.migration import migrate_schema
from tenants.models import Domain, Tenant

DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


class InvalidDomain(AppError):
    code: ClassVar[str] = "invalid_domain"
    title = "Not a host name"


class TenantExists(Conflict):
    code: ClassVar[str] = "tenant_exists"
    title = "This name or host is taken"


def create_tenant(
    *,
    name: str,
    domain: str,
    admin_email: str | None,
    admin_password: str | None = None,
    language: str = "en",
    colour: str = "#8a4b2a",
    colour_ink: str = "#ffffff",
) -> Tenant:
    """Register an organisation, build its walls and its first administrator. Safe to repeat after it was killed.

    `admin_email` None leaves the tenant without people. The administrator without a password cannot sign in until one
    is set. Raises `InvalidDomain` or `TenantExists`.
    """
    domain = domain.strip().lower().rstrip(".")
    if not DOMAIN.fullmatch(domain):
        raise InvalidDomain(f"{domain!r} is not a host name.")
    tenant = _register(name=name, domain=domain, language=language, colour=colour, colour_ink=colour_ink)
    schemas.create(tenant.schema_name)
    migrate_schema(tenant.schema_name)
    if admin_email:
        with context.use(context.auth(tenant.schema_name)):
            if not User.objects.filter(email=admin_email.lower()).exists():
                accounts.create_user(email=admin_email, password=admin_password, role=User.Role.ADMIN, language=language)
    with context.use(context.migrating(context.PUBLIC)):
        Tenant.objects.filter(pk=tenant.pk).update(status=Tenant.Status.ACTIVE)
        tenant.refresh_from_db()
    sites.forget()
    return tenant


def _register(*, name: str, domain: str, **fields: str) -> Tenant:
    """The registry's rows, in state `creating`; those of an attempt that was killed are taken up again."""
    with context.use(context.migrating(context.PUBLIC)):
        unfinished = Tenant.objects.filter(name=name, status=Tenant.Status.CREATING, domains__domain=domain).first()
        if unfinished:
            return unfinished
        try:
            with transaction.atomic():
                tenant = Tenant.objects.create(name=name, **fields)
                Domain.objects.create(domain=domain, tenant=tenant, is_primary=True)
        except IntegrityError as error:
            raise TenantExists(f"There is a tenant with the name {name!r} or the host {domain!r}.") from error
    return tenant


def delete_tenant(*, name: str) -> None:
    """Remove a tenant with all that it owns, at once. Raises `NotFound`."""
    with context.use(context.migrating(context.PUBLIC)):
        tenant = Tenant.objects.filter(name=name).first()
        if tenant is None:
            raise NotFound(f"There is no tenant named {name!r}.")
        Tenant.objects.filter(pk=tenant.pk).update(status=Tenant.Status.SUSPENDED)
    schemas.drop(tenant.schema_name)
    with context.use(context.migrating(context.PUBLIC)):
        Domain.objects.filter(tenant_id=tenant.pk).delete()
        Tenant.objects.filter(pk=tenant.pk)._raw_delete("default")
    sites.forget()
