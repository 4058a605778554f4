"""The registry: which organisations live here, and which host is whose. The walls themselves are `isolation`."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_tenants.models import DomainMixin, TenantMixin

from core.ids import uuid7

ORIGIN = RegexValidator(r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$", "An origin looks like https://intranet.example.org")
HEX_COLOUR = RegexValidator(r"^#[0-9a-f]{6}$", "A colour looks like #8a4b2a.")


def opaque_schema() -> str:
    """`t_` and 12 hexadecimal digits: a name that says nothing of its tenant and is never used twice."""
    return f"t_{secrets.token_hex(6)}"


class TenantQuerySet(models.QuerySet["Tenant"]):
    def active(self) -> TenantQuerySet:
        return self.filter(status=Tenant.Status.ACTIVE)


class Tenant(TenantMixin):  # type: ignore[misc]
    """An organisation. Its schema holds everything it owns."""

    class Status(models.TextChoices):
        CREATING = "creating", _("being created")
        ACTIVE = "active", _("active")
        SUSPENDED = "suspended", _("suspended")
        DELETED = "deleted", _("deleted, can be restored")

    auto_create_schema = False
    auto_drop_schema = False

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    schema_name = models.CharField(max_length=63, unique=True, default=opaque_schema, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    status = models.CharField(_("state"), max_length=10, choices=Status, default=Status.CREATING)
    language = models.CharField(_("language"), max_length=8, default="en")
    colour = models.CharField(_("colour"), max_length=7, default="#8a4b2a", validators=[HEX_COLOUR])
    colour_ink = models.CharField(_("text on the colour"), max_length=7, default="#ffffff", validators=[HEX_COLOUR])
    cors_origins = ArrayField(
        models.CharField(max_length=200, validators=[ORIGIN]),
        verbose_name=_("origins whose scripts may read the API"),
        help_text=_("separated by commas: https://intranet.example.org"),
        default=list,
        blank=True,
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    purge_after = models.DateTimeField(_("gone for good from"), null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager[Tenant]] = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")
        constraints = [
            # What is deleted has a day on which it goes; nothing else has one.
            models.CheckConstraint(
                condition=models.Q(status="deleted", purge_after__isnull=False)
                | (~models.Q(status="deleted") & models.Q(purge_after__isnull=True)),
                name="tenants_tenant_deleted_has_its_day",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Domain(DomainMixin):  # type: ignore[misc]
    """A host, without port, that leads to one tenant by exact match."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="domains", verbose_name=_("organisation"))

    class Meta:
        ordering = ["domain"]
        verbose_name = _("host")
        verbose_name_plural = _("hosts")

    def __str__(self) -> str:
        return str(self.domain)


class TenantJobQuerySet(models.QuerySet["TenantJob"]):
    def open(self) -> TenantJobQuerySet:
        return self.filter(state__in=[TenantJob.State.QUEUED, TenantJob.State.RUNNING])


class TenantJob(models.Model):
    """Work on roles and schemas, asked for by an operator and done by `manage.py provision`, which alone may.

    The operator's context adds queued rows and reads; only the migrator's changes them (migrations/0004).
    """

    class Kind(models.TextChoices):
        CREATE = "create", _("creation")
        PURGE = "purge", _("removal")

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    class Step(models.TextChoices):
        WAITING = "waiting", _("waiting for its turn")
        REGISTRY = "registry", _("registering name and host")
        SCHEMA = "schema", _("making role and schema")
        TABLES = "tables", _("making tables and their policies")
        ADMINISTRATOR = "administrator", _("adding the first administrator")
        READY = "ready", _("ready")
        CLOSING = "closing", _("closing the site")
        ROWS = "rows", _("removing schema and role")
        FILES = "files", _("removing files")
        CACHES = "caches", _("removing cached values")
        GONE = "gone", _("gone")

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.CREATE)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    step = models.CharField(_("step"), max_length=15, choices=Step, default=Step.WAITING)
    progress = models.PositiveSmallIntegerField(_("progress"), default=0, help_text="percent")
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.SET_NULL, related_name="jobs", verbose_name=_("organisation"))
    name = models.CharField(_("name"), max_length=100)
    domain = models.CharField(_("host"), max_length=253, blank=True)
    admin_email = models.EmailField(_("first administrator's email"), max_length=254, blank=True)
    admin_secret = models.CharField(max_length=200, blank=True, help_text="the first password's hash, until it is used")
    language = models.CharField(_("language"), max_length=8, default="en")
    colour = models.CharField(_("colour"), max_length=7, default="#8a4b2a", validators=[HEX_COLOUR])
    colour_ink = models.CharField(_("text on the colour"), max_length=7, default="#ffffff", validators=[HEX_COLOUR])
    error_code = models.CharField(max_length=60, blank=True)
    error = models.CharField(_("what went wrong"), max_length=500, blank=True)
    asked_by = models.BigIntegerField(null=True, help_text="the operator's key; null: a command or the calendar")
    asked_by_name = models.CharField(_("asked by"), max_length=254, blank=True)
    created_at = models.DateTimeField(_("asked for"), auto_now_add=True)
    started_at = models.DateTimeField(_("begun"), null=True)
    finished_at = models.DateTimeField(_("ended"), null=True)
    holder = models.CharField(max_length=100, blank=True, help_text="the process that works on it")
    lease_until = models.DateTimeField(null=True, help_text="another process takes it over after this")

    objects: ClassVar[models.Manager[TenantJob]] = TenantJobQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(state__in=["queued", "running"]), name="tenants_tenantjob_one_open_per_name"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.name}"

    @property
    def is_open(self) -> bool:
        return self.state in {self.State.QUEUED, self.State.RUNNING}
