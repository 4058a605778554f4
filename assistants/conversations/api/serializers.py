"""Shapes of the conversations' API: `…In` validates, `…Out` lists fields by name."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from assistants.conversations.attachments import MOST
from assistants.conversations.branches import LONGEST_COMMENT
from assistants.conversations.models import Attachment, Conversation, ConversationFolder, Feedback, Message, Run, Tag
from assistants.conversations.turns import MOST_MODELS
from gateway.models import ABILITIES


class ConversationIn(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    assistant = serializers.UUIDField(required=False, allow_null=True, default=None)
    temporary = serializers.BooleanField(default=False, help_text="in no list and no search, removed within an hour")


class ConversationPatch(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=200, required=False)
    model = serializers.CharField(max_length=250, required=False, allow_blank=True, help_text="empty: the assistant's")
    folders = serializers.ListField(child=serializers.UUIDField(), required=False, allow_null=True, max_length=100)
    assistant = serializers.UUIDField(required=False)
    folder = serializers.UUIDField(required=False, allow_null=True, help_text="of one's own conversations")
    tags = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=100)
    pinned = serializers.BooleanField(required=False)
    archived = serializers.BooleanField(required=False)


class ReadableOut(serializers.ModelSerializer[Conversation]):
    """What a privileged reader sees in a list: how its owner keeps it in order is nobody else's business."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    assistant = serializers.UUIDField(source="assistant.public_id", read_only=True, default=None)

    class Meta:
        model = Conversation
        fields = ["id", "title", "assistant", "created_at", "active_at"]


class ConversationOut(serializers.ModelSerializer[Conversation]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    assistant = serializers.UUIDField(source="assistant.public_id", read_only=True, default=None)
    folder = serializers.UUIDField(source="folder.public_id", read_only=True, default=None)
    tags = serializers.SlugRelatedField("public_id", many=True, read_only=True)  # type: ignore[var-annotated]
    pinned = serializers.SerializerMethodField()
    archived = serializers.SerializerMethodField()

    class Meta:
        model = Conversation
        fields = [
            "id",
            "title",
            "assistant",
            "model",
            "folders",
            "folder",
            "tags",
            "pinned",
            "archived",
            "temporary",
            "created_at",
            "active_at",
        ]

    def get_pinned(self, conversation: Conversation) -> bool:
        return conversation.pinned_at is not None

    def get_archived(self, conversation: Conversation) -> bool:
        return conversation.archived_at is not None


class AttachmentIn(serializers.Serializer[Any]):
    file = serializers.FileField(allow_empty_file=True, max_length=1000)


class AttachmentOut(serializers.ModelSerializer[Attachment]):
    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = Attachment
        fields = ["id", "kind", "name", "content_type", "size"]


class MessageIn(serializers.Serializer[Any]):
    content = serializers.CharField(trim_whitespace=False, allow_blank=True)
    model = serializers.CharField(max_length=200, required=False, allow_blank=True)
    assistant = serializers.UUIDField(required=False, allow_null=True)
    folders = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=100)
    models = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        max_length=MOST_MODELS,
        help_text="two or three",
    )
    attachments = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MOST, help_text="unsent ones")


class AgainIn(serializers.Serializer[Any]):
    """What is to be otherwise when a question is answered once more, or an answer gone on with."""

    model = serializers.CharField(max_length=200, required=False, allow_blank=True)
    folders = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=100)
    models = serializers.ListField(child=serializers.CharField(max_length=200), required=False, max_length=MOST_MODELS)


class ContinueIn(serializers.Serializer[Any]):
    model = serializers.CharField(max_length=200, required=False, allow_blank=True)


class FeedbackIn(serializers.Serializer[Any]):
    rating = serializers.ChoiceField(choices=Feedback.Rating.choices)
    reason = serializers.ChoiceField(choices=Feedback.Reason.choices, required=False, allow_blank=True)
    comment = serializers.CharField(max_length=LONGEST_COMMENT, required=False, allow_blank=True)


class FeedbackOut(serializers.ModelSerializer[Feedback]):
    class Meta:
        model = Feedback
        fields = ["rating", "reason", "comment"]


class MessageOut(serializers.ModelSerializer[Message]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    parent = serializers.UUIDField(source="parent.public_id", read_only=True, default=None)  # type: ignore[assignment]
    run = serializers.SerializerMethodField()
    siblings = serializers.SerializerMethodField(help_text="ids of the versions of this message in order, itself included")
    feedback = serializers.SerializerMethodField()
    attachments = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = [
            "id",
            "role",
            "content",
            "attachments",
            "parent",
            "run",
            "siblings",
            "feedback",
            "citations",
            "grounded",
            "external_id",
            "created_at",
        ]

    @extend_schema_field(AttachmentOut(many=True))
    def get_attachments(self, message: Message) -> list[dict[str, Any]]:
        """Prefetched (`branches.rows_of`); somebody else's reader sees none."""
        found = getattr(message, "_prefetched_objects_cache", {}).get("attachments") or []
        return [dict(AttachmentOut(each).data) for each in found]

    def get_siblings(self, message: Message) -> list[str]:
        found = self.context.get("siblings", {}).get(message.pk) or [message.public_id]
        return [str(each) for each in found]

    @extend_schema_field(FeedbackOut(allow_null=True))
    def get_feedback(self, message: Message) -> dict[str, str] | None:
        """Prefetched (`branches.rows_of`); somebody else's reader sees none."""
        given = getattr(message, "_prefetched_objects_cache", {}).get("feedback") or [None]
        return FeedbackOut(given[0]).data if given[0] else None

    def get_run(self, message: Message) -> str | None:
        run = getattr(message, "run", None)
        return str(run.public_id) if run else None


class PreviewIn(serializers.Serializer[Any]):
    content = serializers.CharField(max_length=60_000, trim_whitespace=False, allow_blank=True)
    conversation = serializers.UUIDField(required=False, help_text="whose past counts, too")
    model = serializers.CharField(max_length=250, required=False)
    attachments = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MOST, help_text="one's own")
    abilities = serializers.ListField(
        child=serializers.ChoiceField(choices=ABILITIES),
        required=False,
        max_length=len(ABILITIES),
        help_text="what a model must be able to do beside: `images` for a picture that is not uploaded yet",
    )

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if not given["content"] and not given.get("attachments") and not given.get("abilities"):
            raise serializers.ValidationError({"content": _("The message is empty.")})
        return {
            **given,
            "attachments": tuple(given.get("attachments", ())),
            "abilities": frozenset(given.get("abilities", ())),
        }


class FindingOut(serializers.Serializer[Any]):
    kind = serializers.CharField()
    start = serializers.IntegerField(help_text="code points")
    end = serializers.IntegerField()
    weight = serializers.FloatField()


class PreviewOut(serializers.Serializer[Any]):
    route = serializers.ChoiceField(choices=["local", "cloud", "pseudonymised", "refused"])
    sensitive = serializers.BooleanField()
    model = serializers.CharField(allow_null=True)
    score = serializers.FloatField()
    findings = FindingOut(many=True)
    difficulty = serializers.FloatField(help_text="0 to 1")
    reasons = serializers.ListField(child=serializers.CharField())


class SentMessageOut(serializers.Serializer[Any]):
    role = serializers.CharField()
    sent = serializers.CharField()
    original = serializers.CharField()
    attached = serializers.ListField(child=serializers.CharField(), help_text="names of pictures and sounds that left")


class SentOut(serializers.Serializer[Any]):
    masked = serializers.BooleanField()
    withheld = serializers.IntegerField(help_text="values that left as placeholders only")
    created_at = serializers.DateTimeField()
    messages = SentMessageOut(many=True)


class RunOut(serializers.ModelSerializer[Run]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    conversation = serializers.UUIDField(source="conversation.public_id", read_only=True)
    message = serializers.UUIDField(source="question.public_id", read_only=True)
    answer = serializers.UUIDField(source="answer.public_id", read_only=True)

    class Meta:
        model = Run
        fields = [
            "id",
            "conversation",
            "message",
            "answer",
            "status",
            "error_code",
            "routing",
            "usage",
            "created_at",
            "finished_at",
        ]


class RefOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()


class AcceptedOut(serializers.Serializer[Any]):
    """What a stored turn answers: ids of the message, its answer and the run."""

    conversation = serializers.UUIDField()
    message = RefOut()
    answer = RefOut()
    run = RefOut()
    answers = RefOut(many=True, required=False, help_text="where several models answer side by side")
    runs = RefOut(many=True, required=False)


class BinnedOut(ConversationOut):
    deleted_at = serializers.DateTimeField(source="binned_at", read_only=True)

    class Meta:
        model = Conversation
        fields = [*ConversationOut.Meta.fields, "deleted_at"]


class ConversationFolderIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60)


class ConversationFolderOut(serializers.ModelSerializer[ConversationFolder]):
    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = ConversationFolder
        fields = ["id", "name", "created_at"]


class TagIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60)


class TagOut(serializers.ModelSerializer[Tag]):
    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = Tag
        fields = ["id", "name", "created_at"]


class FoundOut(serializers.Serializer[Any]):
    conversation = serializers.UUIDField()
    title = serializers.CharField()
    message = serializers.UUIDField(allow_null=True, help_text="null: the words stand in the title")
    text = serializers.CharField(help_text="the passage")
    highlights = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    created_at = serializers.DateTimeField()


class FoundListOut(serializers.Serializer[Any]):
    results = FoundOut(many=True)


class DraftIn(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=60_000, allow_blank=True, trim_whitespace=False)


class DraftOut(serializers.Serializer[Any]):
    text = serializers.CharField()
    updated_at = serializers.DateTimeField(allow_null=True)
