"""Which branch of a conversation is the active one, of all its messages."""

from __future__ import annotations

from collections.abc import Sequence

from assistants.conversations.models import Conversation, Message
from assistants.conversations.tree import Tree


def leaf_of(conversation: Conversation, messages: Sequence[Message]) -> Message | None:
    """The last message of the active branch. `messages` are all of the conversation's."""
    branch = branch_of(conversation, messages)
    return branch[-1] if branch else None


def branch_of(conversation: Conversation, messages: Sequence[Message]) -> list[Message]:
    """The active branch, oldest first. `messages` are all of the conversation's, by key."""
    by_key = {message.pk: message for message in messages}
    rows = ((m.pk, m.parent_id, m.continues_id, m.beside_id) for m in messages)
    return [by_key[key] for key in Tree.built(rows, conversation.leaf_id).path()]


def set_leaf(conversation: Conversation, leaf: Message | None) -> None:
    """Make the branch that ends with `leaf` the active one; None: the newest message's."""
    conversation.leaf = leaf
    conversation.save(update_fields=["leaf"])
