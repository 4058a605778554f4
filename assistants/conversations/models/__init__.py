"""Everything a person's conversations are kept in. All of it is private to its owner."""

from assistants.conversations.models.attachment import UNSENT_LIFE, Attachment
from assistants.conversations.models.conversation import (
    TEMPORARY_LIFE,
    Conversation,
    ConversationQuerySet,
    Disclosure,
    Feedback,
    Message,
    Run,
    not_gone,
)
from assistants.conversations.models.moving import Import, Share, SharingPolicy
from assistants.conversations.models.order import (
    LONGEST_NAME,
    ConversationFolder,
    ConversationTag,
    Draft,
    RetentionPolicy,
    SearchEntry,
    Tag,
)

__all__ = [
    "LONGEST_NAME",
    "TEMPORARY_LIFE",
    "UNSENT_LIFE",
    "Attachment",
    "Conversation",
    "ConversationFolder",
    "ConversationQuerySet",
    "ConversationTag",
    "Disclosure",
    "Draft",
    "Feedback",
    "Import",
    "Message",
    "RetentionPolicy",
    "Run",
    "SearchEntry",
    "Share",
    "SharingPolicy",
    "Tag",
    "not_gone",
]
