"""Conversations, their messages, and the runs that answer them. All of it is private to its owner."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from assistants.conversations.models.order import ConversationFolder, ConversationTag, Tag
from assistants.profiles.models import Assistant
from core.ids import uuid7

TEMPORARY_LIFE = timedelta(hours=1)  # after the last question


def not_gone(prefix: str = "") -> Q:
    """Neither in the bin, nor a temporary chat whose hour is over (which the sweep may not have met yet)."""
    there = Q(**{f"{prefix}temporary": False}) | Q(**{f"{prefix}active_at__gt": timezone.now() - TEMPORARY_LIFE})
    return Q(**{f"{prefix}binned_at": None}) & there


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user: User) -> Self:
        """A conversation is its owner's alone, and not in the bin. Staff status grants nothing."""
        return self.filter(not_gone(), owner=user)

    def in_bin(self, user: User) -> Self:
        """What the person deleted and may restore, the latest first."""
        return self.filter(owner=user, binned_at__isnull=False).order_by("-binned_at", "-pk")

    def listed(self) -> Self:
        """What lists, sidebar and search may name: temporary chats leave nothing there."""
        return self.filter(temporary=False)


class Conversation(models.Model):
    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations")
    assistant = models.ForeignKey(Assistant, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    title = models.CharField(max_length=200, blank=True)
    leaf = models.ForeignKey(
        "Message",
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        help_text="the last message of the active branch; null: the newest",
    )
    model = models.CharField(max_length=250, blank=True, help_text="the model that its turns ask for")
    folders = models.JSONField(null=True, help_text="ids of the folders that its turns search; null: all")
    # What was once personal in it stays so, and each value keeps its placeholder (gateway.privacy).
    privacy_outcome = models.CharField(max_length=12, default="allow", editable=False)
    vault = models.JSONField(default=dict, editable=False, help_text="placeholders and what they stand for")
    source = models.CharField(max_length=20, blank=True, db_default="", editable=False, help_text="where it was imported from")
    external_id = models.CharField(max_length=200, blank=True, db_default="", editable=False, help_text="its name there")
    created_at = models.DateTimeField(default=timezone.now)
    active_at = models.DateTimeField(default=timezone.now, help_text="the last question")
    folder = models.ForeignKey(ConversationFolder, on_delete=models.SET_NULL, null=True, blank=True, related_name="conversations")
    tags = models.ManyToManyField(Tag, through=ConversationTag, related_name="conversations")
    pinned_at = models.DateTimeField(null=True)
    archived_at = models.DateTimeField(null=True)
    binned_at = models.DateTimeField(null=True, help_text="deleted, and in the bin since")
    temporary = models.BooleanField(default=False, db_default=False, help_text="leaves nothing behind")

    objects: ClassVar[models.Manager[Conversation]] = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ["-active_at", "-pk"]
        indexes = [
            models.Index(fields=["owner", "-active_at"], name="conversations_by_owner"),
            models.Index(fields=["binned_at"], name="conversations_in_bin", condition=Q(binned_at__isnull=False)),
            models.Index(fields=["active_at"], name="conversations_temporary", condition=Q(temporary=True)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "source", "external_id"],
                name="conversations_imported_once",
                condition=~models.Q(external_id=""),
            ),
        ]
        verbose_name = _("conversation")

    def __str__(self) -> str:
        return self.title or (str(_("Temporary chat")) if self.temporary else str(self.public_id))


class MessageQuerySet(models.QuerySet["Message"]):
    def visible_to(self, user: User) -> Self:
        """Whoever may read the conversation may read its messages."""
        return self.filter(not_gone("conversation__"), owner=user)


class Message(models.Model):
    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    # The conversation's, which the database makes sure of: a policy that looks at the row alone costs nothing to plan.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="children")
    role = models.CharField(max_length=10, choices=Role)
    content = models.TextField(blank=True)
    citations = models.JSONField(default=list, help_text="the retrieved passages that the text uses")
    # An answer that goes on where another broke off begins with the whole text of it.
    continues = models.OneToOneField("self", on_delete=models.SET_NULL, null=True, related_name="continued")
    beside = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="the first of the answers that several models gave to one question at once",
    )
    grounded = models.BooleanField(null=True, help_text="False: the sources held no answer; null: no sources were asked")
    external_id = models.CharField(max_length=200, blank=True, db_default="", help_text="its name where it was imported from")
    origin = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="author and model of an imported message, as its source names them",
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[Message]] = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(role="user", content=""), name="conversations_message_question_has_content"
            ),
        ]


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(not_gone("conversation__"), owner=user)

    def open(self) -> Self:
        return self.filter(status__in=[Run.Status.QUEUED, Run.Status.RUNNING])


class Run(models.Model):
    """The making of one answer. It belongs to the server: no socket's end stops it."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        STOPPED = "stopped"
        INTERRUPTED = "interrupted"

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="runs")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    question = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    answer = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="run")
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    key = models.CharField(max_length=200, null=True, help_text="the sender's idempotency key")  # noqa: DJ001 (null: no key, many allowed)
    body = models.CharField(max_length=64, blank=True, help_text="a digest of what was sent under the key")
    request = models.JSONField(default=dict, help_text="what the sender asked for: model, folders, assistant")
    host = models.CharField(max_length=64, blank=True, help_text="the process that runs it")
    lease_until = models.DateTimeField(null=True, help_text="a run whose lease ended has lost its process")
    routing = models.JSONField(default=dict, help_text="route, model and reasons, as the event says them")
    usage = models.JSONField(default=dict, help_text="input_tokens, output_tokens, cost, currency")
    error_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Run]] = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["created_at"],
                name="conversations_run_open",
                condition=models.Q(status__in=["queued", "running"]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="conversations_run_once_per_key"),
        ]

    @property
    def is_final(self) -> bool:
        return self.status not in {self.Status.QUEUED, self.Status.RUNNING}


class Disclosure(models.Model):
    """What left for a provider outside, word for word: of a run whose model is not the house's own."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="disclosure")
    messages = models.JSONField(help_text="role and content of each, as they were sent")
    masked = models.BooleanField(help_text="values stand as placeholders of the conversation's vault")
    created_at = models.DateTimeField(auto_now_add=True)


class FeedbackQuerySet(models.QuerySet["Feedback"]):
    def visible_to(self, user: User) -> Self:
        """What somebody thinks of an answer is theirs alone."""
        return self.filter(owner=user)


class Feedback(models.Model):
    """What one person thinks of one answer."""

    class Rating(models.TextChoices):
        UP = "up"
        DOWN = "down"

    class Reason(models.TextChoices):
        WRONG = "wrong", _("It is wrong")
        INCOMPLETE = "incomplete", _("Something is missing")
        NOT_SOURCED = "not_sourced", _("Sources are missing or do not say this")
        OFF_TOPIC = "off_topic", _("It answers another question")
        TONE = "tone", _("The tone is not right")
        OTHER = "other", _("Something else")

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="feedback")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    rating = models.CharField(max_length=4, choices=Rating)
    reason = models.CharField(max_length=12, choices=Reason, blank=True)
    comment = models.CharField(max_length=2000, blank=True)
    given_at = models.DateTimeField(auto_now=True)
    # Repeated here, so that counting opens neither runs nor conversations.
    counted = models.BooleanField(default=False, db_default=False, help_text="the answer was written here, not imported")
    model = models.CharField(max_length=250, blank=True, db_default="", help_text="that wrote the answer; empty: none came to it")
    assistant = models.UUIDField(null=True, help_text="the conversation's, when the answer was rated")

    objects: ClassVar[models.Manager[Feedback]] = FeedbackQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["message", "owner"], name="conversations_feedback_once_per_person"),
        ]
        indexes = [models.Index(fields=["given_at"], name="conversations_counted", condition=Q(counted=True))]
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback on answers")
