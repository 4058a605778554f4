"""Which branch of a conversation is the active one."""

from __future__ import annotations

from collections.abc import Sequence

from assistants.conversations.models import Conversation, Message


def leaf_of(conversation: Conversation, messages: Sequence[Message]) -> Message | None:
    """The last message of the active branch: the newest. `messages` are all of the conversation's, by key."""
    return messages[-1] if messages else None


def branch_of(conversation: Conversation, messages: Sequence[Message]) -> list[Message]:
    """The active branch, oldest first."""
    by_key = {message.pk: message for message in messages}
    found: list[Message] = []
    at = leaf_of(conversation, messages)
    while at is not None:
        found.append(at)
        at = by_key.get(at.parent_id or 0)
    return found[::-1]


def set_leaf(conversation: Conversation, leaf: Message | None) -> None:
    """Make the branch that ends with `leaf` the active one. The newest message ends it, whatever is asked for."""
