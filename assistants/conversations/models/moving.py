"""Rows about conversations that leave or come in: links to copies, the tenant's rule for links, and imports."""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.ids import uuid7


class ShareQuerySet(models.QuerySet["Share"]):
    def visible_to(self, user: User) -> Self:
        """A link is its owner's to see and to end. Whoever follows one goes through the database's `open_share`."""
        return self.filter(owner=user)


class Share(models.Model):
    """A link to a copy of a conversation, taken when the link was made. It goes with its conversation."""

    class Audience(models.TextChoices):
        TENANT = "tenant", _("signed-in people of this organisation")
        PUBLIC = "public", _("anyone with the link")

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    conversation = models.ForeignKey("conversations.Conversation", on_delete=models.CASCADE, related_name="shares")
    # The conversation's, which the database makes sure of.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    audience = models.CharField(max_length=6, choices=Audience, default=Audience.TENANT)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token, hexadecimal")
    token = models.TextField(help_text="sealed (core.sealing), so that its owner sees the link again")
    title = models.CharField(max_length=200)
    assistant = models.CharField(max_length=200, blank=True)
    shared_by = models.CharField(max_length=200, blank=True, help_text="empty: the owner is not named")
    messages = models.JSONField(help_text="role, content, created_at and the names of the sources of each")
    opened = models.PositiveIntegerField(default=0, help_text="by others than the owner")
    opened_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    objects: ClassVar[models.Manager[Share]] = ShareQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]


class SharingPolicy(models.Model):
    """Whether links may be opened by anyone who has them. One row, off until turned on."""

    public_links = models.BooleanField(
        _("conversations may be shared with anyone who has the link"),
        default=False,
        help_text=_("Turning this off ends every such link for good."),
    )
    public_since = models.DateTimeField(null=True, help_text="older public links stay closed")

    class Meta:
        verbose_name = _("sharing policy")
        verbose_name_plural = _("sharing policy")

    def __str__(self) -> str:
        return str(_("Links to conversations"))


class ImportQuerySet(models.QuerySet["Import"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(owner=user)


class Import(models.Model):
    """One file or body with conversations from elsewhere, and what came of it."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    status = models.CharField(max_length=7, choices=Status, default=Status.QUEUED)
    name = models.CharField(max_length=255, blank=True, help_text="the file's")
    path = models.CharField(max_length=200, blank=True, help_text="in storage, until it has been read")
    size = models.PositiveBigIntegerField(default=0, help_text="bytes")
    progress = models.PositiveSmallIntegerField(default=0, help_text="percent")
    key = models.CharField(max_length=200, null=True, help_text="the sender's idempotency key")  # noqa: DJ001 (null: no key, many allowed)
    digest = models.CharField(max_length=64, help_text="SHA-256 of what was sent, hexadecimal")
    imported = models.PositiveIntegerField(default=0, help_text="conversations")
    existing = models.PositiveIntegerField(default=0, help_text="conversations that were here already")
    refused = models.PositiveIntegerField(default=0, help_text="conversations that could not be read")
    reasons = models.JSONField(default=dict, help_text="reason → how often something was left out for it")
    skipped = models.JSONField(default=list, help_text="what was left out: conversation, message, reason; the first ones")
    result = models.JSONField(default=dict, help_text="ids of what was stored: conversations (the first ones), messages")
    error_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(default=timezone.now, help_text="a sign of life of the process that reads it")
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Import]] = ImportQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="conversations_import_once_per_key"),
        ]

    @property
    def is_open(self) -> bool:
        return self.status in {self.Status.QUEUED, self.Status.RUNNING}
