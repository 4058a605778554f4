"""What a person attaches to a question: pictures, sounds and files. Theirs alone, and unsent until a message takes it."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import User
from assistants.conversations.models.conversation import not_gone
from core.ids import uuid7

UNSENT_LIFE = timedelta(hours=24)


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def visible_to(self, user: User) -> Self:
        """Nobody but their owner sees them, sent or not; what lies in the bin, as its conversation, to nobody."""
        return self.filter(Q(message=None) | not_gone("conversation__"), owner=user)

    def unsent(self) -> Self:
        return self.filter(message=None)


class Attachment(models.Model):
    """A picture, sound or file of a question. A picture is one that we drew again; what else a file carried is not kept."""

    class Kind(models.TextChoices):
        IMAGE = "image"
        AUDIO = "audio"
        FILE = "file"

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    # The conversation's and the message's, which the database makes sure of (migration 0017).
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    conversation = models.ForeignKey("Conversation", on_delete=models.CASCADE, null=True, related_name="+")
    message = models.ForeignKey("Message", on_delete=models.CASCADE, null=True, related_name="attachments")
    kind = models.CharField(max_length=5, choices=Kind)
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    # Two rows of one conversation may share it: a question that was asked in other words keeps what it had.
    path = models.CharField(max_length=200, editable=False)
    text = models.TextField(blank=True, help_text="of a file, as far as it is kept")
    characters = models.PositiveIntegerField(default=0, help_text="of the file's whole text")
    position = models.PositiveSmallIntegerField(default=0, help_text="among those of its message")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Attachment]] = AttachmentQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]
        indexes = [
            models.Index(fields=["owner", "path"], name="conversations_attached_at"),
            models.Index(fields=["created_at"], name="conversations_unsent", condition=Q(message=None)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(message=None, conversation=None) | Q(message__isnull=False, conversation__isnull=False),
                name="conversations_attachment_sent_whole",
            ),
        ]
