"""Shapes of the conversations' API: `…In` validates, `…Out` lists fields by name."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from assistants.conversations.models import Conversation, Message, Run


class ConversationIn(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    assistant = serializers.UUIDField(required=False, allow_null=True, default=None)


class ConversationPatch(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=200, required=False)


class ConversationOut(serializers.ModelSerializer[Conversation]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    assistant = serializers.UUIDField(source="assistant.public_id", read_only=True, default=None)

    class Meta:
        model = Conversation
        fields = ["id", "title", "assistant", "created_at", "active_at"]


class MessageIn(serializers.Serializer[Any]):
    content = serializers.CharField(trim_whitespace=False, allow_blank=True)
    model = serializers.CharField(max_length=200, required=False, allow_blank=True)
    assistant = serializers.UUIDField(required=False, allow_null=True)
    folders = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=100)


class MessageOut(serializers.ModelSerializer[Message]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    parent = serializers.UUIDField(source="parent.public_id", read_only=True, default=None)  # type: ignore[assignment]
    run = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = ["id", "role", "content", "parent", "run", "citations", "grounded", "external_id", "created_at"]

    def get_run(self, message: Message) -> str | None:
        run = getattr(message, "run", None)
        return str(run.public_id) if run else None


class PreviewIn(serializers.Serializer[Any]):
    content = serializers.CharField(max_length=60_000, trim_whitespace=False)
    conversation = serializers.UUIDField(required=False, help_text="whose past counts, too")
    model = serializers.CharField(max_length=250, required=False)


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
