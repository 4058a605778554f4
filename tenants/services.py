"""The life of a tenant: created, suspended, deleted with a grace, restored, removed for good.

What touches roles and schemas (`create_tenant`, `purge_tenant`) needs the migrator's login; the rest is rows of the
registry, which an operator's own context may write. Every step may be repeated after a kill.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import ClassVar

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import audit
from accounts.models import User
from audit.log import Fact
from core.errors import AppError, Conflict, NotFound
from isolation import context, schemas
from isolation.context import Context
from tenants import remains, sites, spares
from tenants.migration import migrate_schema
from tenants.models import Domain, Tenant, TenantJob, opaque_schema

DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
GRACE = timedelta(days=30)

Step = TenantJob.Step
Tell = Callable[[str, int], None]
"""Is told each step and how many percent are done when it begins."""


class InvalidDomain(AppError):
    code: ClassVar[str] = "invalid_domain"
    title = _("Not a host name")


class TenantExists(Conflict):
    code: ClassVar[str] = "tenant_exists"
    title = _("This name or host is taken")


class WrongState(Conflict):
    code: ClassVar[str] = "tenant_state"
    title = _("The organisation is not in a state that allows this.")


class NotRepeated(AppError):
    code: ClassVar[str] = "name_not_repeated"
    title = _("Type the organisation's name to delete it.")


def silent(step: str, percent: int) -> None:
    """Tells nobody."""


def checked_domain(domain: str) -> str:
    """The host as it is registered: lower case, without a trailing dot. Raises `InvalidDomain`."""
    domain = domain.strip().lower().rstrip(".")
    if not DOMAIN.fullmatch(domain):
        raise InvalidDomain(_("%(domain)r is not a host name.") % {"domain": domain})
    return domain


def create_tenant(
    *,
    name: str,
    domain: str,
    admin_email: str | None,
    admin_password: str | None = None,
    admin_secret: str = "",
    language: str = "en",
    colour: str = "#8a4b2a",
    colour_ink: str = "#ffffff",
    tell: Tell = silent,
    registered: Callable[[Tenant], None] = lambda tenant: None,
) -> Tenant:
    """Register an organisation, build its walls and its first administrator. Safe to repeat after it was killed.

    `admin_email` None leaves the tenant without people; `admin_secret` is a hash of the first password, for those who do
    not hold the password itself. Without either the administrator cannot sign in until a password is set.
    Raises `InvalidDomain` or `TenantExists`.
    """
    tell(Step.REGISTRY, 5)
    tenant = _register(name=name, domain=checked_domain(domain), language=language, colour=colour, colour_ink=colour_ink)
    registered(tenant)
    tell(Step.SCHEMA, 15)
    schemas.create(tenant.schema_name)
    tell(Step.TABLES, 25)
    if not spares.is_ready(tenant.schema_name):
        migrate_schema(tenant.schema_name)
    tell(Step.ADMINISTRATOR, 85)
    if admin_email:
        with context.use(context.auth(tenant.schema_name)):
            _first_administrator(email=admin_email, password=admin_password, secret=admin_secret, language=language)
    spares.used(tenant.schema_name)
    # Before the site opens: a kill in between may write it twice, never not at all.
    record(tenant, "tenant.created", details={"name": name})
    with context.use(context.migrating(context.PUBLIC)):
        Tenant.objects.filter(pk=tenant.pk, status=Tenant.Status.CREATING).update(status=Tenant.Status.ACTIVE)
        tenant.refresh_from_db()
    sites.forget()
    tell(Step.READY, 100)
    return tenant


def _first_administrator(*, email: str, password: str | None, secret: str, language: str) -> None:
    email = email.strip().lower()
    if User.objects.filter(email=email).exists():
        return
    person = User(email=email, role=User.Role.ADMIN, language=language)
    person.set_password(password)
    if secret:
        person.password = secret
    person.save(force_insert=True)


def _register(*, name: str, domain: str, **fields: str) -> Tenant:
    """The registry's rows, in state `creating`; those of an attempt that was killed are taken up again."""
    spare = spares.find()
    with context.use(context.migrating(context.PUBLIC)):
        unfinished = Tenant.objects.filter(name=name, status=Tenant.Status.CREATING, domains__domain=domain).first()
        if unfinished:
            return unfinished
        for schema in dict.fromkeys([spare, ""]):  # Another process may take the spare at the same moment.
            try:
                with transaction.atomic():
                    tenant = Tenant.objects.create(name=name, schema_name=schema or opaque_schema(), **fields)
                    Domain.objects.create(domain=domain, tenant=tenant, is_primary=True)
                    return tenant
            except IntegrityError:
                continue
    raise TenantExists(
        _("There is an organisation with the name %(name)s or the host %(domain)s.") % {"name": name, "domain": domain}
    )


def record(tenant: Tenant, action: str, *, details: Mapping[str, Fact] | None = None) -> None:
    """Write an event into the platform's log and into the tenant's own, where its people read who did it.

    Never inside a transaction: the two logs stand in two schemas.
    """
    here = context.get() or context.service(context.PUBLIC)
    for place in (_logging(here), context.service(tenant.schema_name)):
        with context.use(place):
            audit.record(action, target=f"tenant:{tenant.public_id}", details=details)


def _logging(here: Context) -> Context:
    """The context that writes the platform's log: the operator's own; a command has none, and writes as maintenance."""
    return here if here.user_id else context.service(context.PUBLIC)


def find(name: str) -> Tenant:
    """Raises `NotFound`."""
    tenant = Tenant.objects.filter(name=name).first()
    if tenant is None:
        raise NotFound(_("There is no organisation named %(name)s.") % {"name": name})
    return tenant


def _move(tenant: Tenant, came_from: set[str], **fields: object) -> None:
    """Raises `WrongState` where somebody else has moved it meanwhile."""
    if not Tenant.objects.filter(pk=tenant.pk, status__in=came_from).update(**fields):
        raise WrongState
    tenant.refresh_from_db()
    sites.forget()


def suspend(tenant: Tenant) -> None:
    """Close the site and every door of it; nothing is lost. Raises `WrongState`."""
    _move(tenant, {Tenant.Status.ACTIVE}, status=Tenant.Status.SUSPENDED)
    record(tenant, "tenant.suspended")


def resume(tenant: Tenant) -> None:
    """Raises `WrongState`."""
    _move(tenant, {Tenant.Status.SUSPENDED}, status=Tenant.Status.ACTIVE)
    record(tenant, "tenant.resumed")


def delete(tenant: Tenant, *, typed: str) -> None:
    """Close the site and let everything go after `GRACE`. Raises `NotRepeated` or `WrongState`."""
    if typed.strip() != tenant.name:
        raise NotRepeated
    _move(
        tenant,
        {Tenant.Status.ACTIVE, Tenant.Status.SUSPENDED},
        status=Tenant.Status.DELETED,
        purge_after=timezone.now() + GRACE,
    )
    record(tenant, "tenant.deleted", details={"days": GRACE.days})


def restore(tenant: Tenant) -> None:
    """Open a deleted organisation again, as it was. Raises `WrongState`."""
    _move(tenant, {Tenant.Status.DELETED}, status=Tenant.Status.ACTIVE, purge_after=None)
    record(tenant, "tenant.restored")


def purge_tenant(*, name: str, tell: Tell = silent) -> None:
    """Remove a tenant with all that it owns, at once. Safe to repeat after it was killed. Raises `NotFound`."""
    with context.use(context.migrating(context.PUBLIC)):
        tenant = find(name)
        tell(Step.CLOSING, 5)
        Tenant.objects.filter(pk=tenant.pk).exclude(status=Tenant.Status.DELETED).update(
            status=Tenant.Status.DELETED, purge_after=timezone.now()
        )
    sites.forget()
    tell(Step.ROWS, 20)
    schemas.drop(tenant.schema_name)
    tell(Step.FILES, 60)
    remains.remove_files(tenant.schema_name)
    tell(Step.CACHES, 80)
    remains.remove_keys(tenant.schema_name)
    with context.use(context.service(context.PUBLIC)):
        audit.record("tenant.purged", target=f"tenant:{tenant.public_id}", details={"name": name})
    with context.use(context.migrating(context.PUBLIC)), transaction.atomic():
        TenantJob.objects.filter(tenant_id=tenant.pk).update(tenant=None)
        Domain.objects.filter(tenant_id=tenant.pk).delete()
        Tenant.objects.filter(pk=tenant.pk)._raw_delete("default")
    sites.forget()
    tell(Step.GONE, 100)
