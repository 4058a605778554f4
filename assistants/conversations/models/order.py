"""What a person's conversations are kept in order by: folders, tags, drafts, words to find them by, and how long they stay."""

from __future__ import annotations

from typing import ClassVar, Self, TypeVar

from django.conf import settings
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.ids import uuid7

LONGEST_NAME = 60
MOST_DAYS = 36_500
Row = TypeVar("Row", bound=models.Model)


class OwnQuerySet(models.QuerySet[Row]):
    def visible_to(self, user: User) -> Self:
        """A person's own alone."""
        return self.filter(owner=user)


class ConversationFolder(models.Model):
    """A person's own folder of conversations; folders lie beside each other, never in each other."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=LONGEST_NAME)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[ConversationFolder]] = OwnQuerySet["ConversationFolder"].as_manager()

    class Meta:
        ordering = [Lower("name"), "pk"]
        constraints = [
            models.UniqueConstraint("owner", Lower("name"), name="conversations_folder_once_per_owner"),
            models.CheckConstraint(condition=~models.Q(name=""), name="conversations_folder_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """A person's own word for conversations."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=LONGEST_NAME)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Tag]] = OwnQuerySet["Tag"].as_manager()

    class Meta:
        ordering = [Lower("name"), "pk"]
        constraints = [
            models.UniqueConstraint("owner", Lower("name"), name="conversations_tag_once_per_owner"),
            models.CheckConstraint(condition=~models.Q(name=""), name="conversations_tag_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class ConversationTag(models.Model):
    conversation = models.ForeignKey("conversations.Conversation", on_delete=models.CASCADE, related_name="+")
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["conversation", "tag"], name="conversations_tagged_once")]


class Draft(models.Model):
    """A question that is not sent yet. One for each conversation, and one for that which is not begun (`conversation` null)."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    conversation = models.ForeignKey("conversations.Conversation", on_delete=models.CASCADE, null=True, related_name="+")
    text = models.TextField()
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager[Draft]] = OwnQuerySet["Draft"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "conversation"], nulls_distinct=False, name="conversations_draft_once_per_conversation"
            ),
        ]


class SearchEntry(models.Model):
    """The words of one message, or of a conversation's title (`message` null). Triggers keep it; nothing writes it by hand."""

    conversation = models.ForeignKey("conversations.Conversation", on_delete=models.CASCADE, related_name="+")
    message = models.OneToOneField("conversations.Message", on_delete=models.CASCADE, null=True, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    words = SearchVectorField(help_text="stems in French and English without accents, and @OWNER")

    class Meta:
        indexes = [models.Index(fields=["owner", "-id"], name="conversations_words_by_owner")]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"], condition=models.Q(message=None), name="conversations_one_entry_per_title"
            ),
        ]


class RetentionPolicy(models.Model):
    """How long an organisation keeps conversations. One row."""

    conversations_days = models.PositiveIntegerField(
        _("days that a conversation is kept"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)],
        help_text=_(
            "Counted from its last question. After that it is removed for good with its questions and answers, pinned and"
            " archived ones too, without passing through the bin. Empty: conversations stay until their owner removes them."
        ),
    )
    bin_days = models.PositiveIntegerField(
        _("days that the bin keeps a deleted conversation"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text=_("Its owner can restore it until then; after that it is removed for good."),
    )
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("retention of conversations")
        verbose_name_plural = _("retention of conversations")

    def __str__(self) -> str:
        return str(_("Retention of conversations"))
