"""Events, the head of their chain, and the rule for reading private content. Persons are kept as keys: they may go."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def concerning(self, person: int) -> Self:
        """What others did with this person's content or account."""
        return self.filter(subject=person).exclude(actor=person)


class AuditEvent(models.Model):
    """One event. `hash` covers its fields and the hash before it; the database refuses UPDATE, DELETE and TRUNCATE."""

    seq = models.BigIntegerField(_("number"), unique=True, help_text="1, 2, 3, … without a gap")
    at = models.DateTimeField(_("when"), db_index=True)
    actor = models.BigIntegerField(null=True, db_index=True, help_text="the person's key; null: nobody signed in")
    actor_name = models.CharField(_("who"), max_length=200, blank=True)
    address = models.CharField(_("address"), max_length=45, blank=True, help_text="IP address of the caller")
    action = models.CharField(_("action"), max_length=60, db_index=True)
    target = models.CharField(_("target"), max_length=200, blank=True, help_text="kind:public_id")
    subject = models.BigIntegerField(null=True, db_index=True, help_text="the person whom it concerns")
    details = models.TextField(_("details"), default="{}", help_text="JSON, keys sorted")
    hash = models.CharField(_("hash"), max_length=64, help_text="SHA-256, hexadecimal")

    objects: ClassVar[models.Manager[AuditEvent]] = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ["-seq"]
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")

    def __str__(self) -> str:
        return f"{self.seq} {self.action}"

    @property
    def facts(self) -> dict[str, Any]:
        return dict(json.loads(self.details))


class Head(models.Model):
    """The last event's number and hash: what makes a cut at the end show. One row."""

    genesis = models.CharField(max_length=64, help_text="the hash before the first event")
    seq = models.BigIntegerField()
    hash = models.CharField(max_length=64)


class ReadingPolicy(models.Model):
    """Whether privileged people may read others' private conversations, with a reason. One row, off until turned on."""

    private_reading = models.BooleanField(_("private conversations may be read for audit"), default=False)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("reading policy")
        verbose_name_plural = _("reading policy")

    def __str__(self) -> str:
        return str(_("Private conversations"))


class ReadingQuerySet(models.QuerySet["Reading"]):
    def open_for(self, reader: int) -> Self:
        return self.filter(reader=reader, expires_at__gt=timezone.now())


class Reading(models.Model):
    """A privileged person's leave to read one person's private conversations for a while. The subject sees it."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    reader = models.BigIntegerField(db_index=True)
    reader_name = models.CharField(max_length=200)
    subject = models.BigIntegerField(db_index=True)
    reason = models.CharField(_("reason"), max_length=500)
    opened_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    objects: ClassVar[models.Manager[Reading]] = ReadingQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("reading of private conversations")
        verbose_name_plural = _("readings of private conversations")
        constraints = [
            models.CheckConstraint(condition=~models.Q(reason=""), name="audit_reading_has_a_reason"),
            models.CheckConstraint(condition=~models.Q(reader=models.F("subject")), name="audit_reading_is_of_another"),
        ]


class WallReport(models.Model):
    """One test of the walls: what was tried, what came back, and our signature. Once ended it is not changed again."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    organisation = models.CharField(_("organisation"), max_length=100)
    asked_by = models.BigIntegerField(help_text="the person's key")
    asked_by_name = models.CharField(_("who"), max_length=254)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    progress = models.PositiveSmallIntegerField(default=0, help_text="percent")
    step = models.TextField(blank=True, help_text="JSON: language → what is being tried")
    created_at = models.DateTimeField(_("when"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    version = models.CharField(_("version"), max_length=100, blank=True, help_text="of Cloison and of PostgreSQL")
    tried = models.PositiveIntegerField(_("tried"), default=0)
    holes = models.PositiveIntegerField(_("holes"), default=0)
    findings = models.TextField(default="[]", help_text="JSON: [{section, what, where, outcome, held}], texts by language")
    sha256 = models.CharField(max_length=64, blank=True, help_text="of the report as it is downloaded, hexadecimal")
    signature = models.CharField(max_length=64, blank=True, help_text="HMAC-SHA256, hexadecimal")

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("test of the walls")
        verbose_name_plural = _("tests of the walls")

    def __str__(self) -> str:
        return str(_("Test of the walls"))

    @property
    def is_open(self) -> bool:
        return self.state in {self.State.QUEUED, self.State.RUNNING}
