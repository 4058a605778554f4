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

    objects: ClassVar[models.Manager[Tenant]] = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")

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
