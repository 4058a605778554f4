"""The shape of a conversation: which branch is active, what stands beside a message, what led to a question.

Only keys are read here, whatever the length of the texts; whoever shows messages reads the rows of one window.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assistants.conversations.models import Conversation, Message


@dataclass(frozen=True, slots=True)
class Tree:
    """Keys of one conversation's messages. A child is always younger than its parent, so its key is greater."""

    parents: dict[int, int | None]
    children: dict[int | None, list[int]]
    continued: frozenset[int]  # broken-off answers that a later one goes on with, and begins with the whole text of
    hidden: frozenset[int]  # those of them that nobody has asked on from: what follows one would be out of reach
    besides: dict[int, int]  # answer → the first of those given beside it
    leaf: int | None

    @classmethod
    def of(cls, conversation: Conversation) -> Tree:
        """One query, of keys alone."""
        rows = Message.objects.filter(conversation=conversation).order_by("pk")
        return cls.built(rows.values_list("pk", "parent_id", "continues_id", "beside_id"), conversation.leaf_id)

    @classmethod
    def built(cls, rows: Iterable[tuple[int, int | None, int | None, int | None]], leaf: int | None) -> Tree:
        """From (key, parent, what it continues, what it stands beside) of all messages, by key."""
        parents: dict[int, int | None] = {}
        children: dict[int | None, list[int]] = defaultdict(list)
        besides: dict[int, int] = {}
        continued = set()
        for pk, parent, continues, beside in rows:
            parents[pk] = parent
            children[parent].append(pk)
            if continues:
                continued.add(continues)
            if beside:
                besides[pk] = beside
        hidden = frozenset(pk for pk in continued if pk not in children)
        return cls(parents, children, frozenset(continued), hidden, besides, leaf)

    @property
    def compared(self) -> tuple[int, ...]:
        """The answers that stand beside one another until the person keeps one, or asks on; else none."""
        if self.leaf is not None or not self.parents:
            return ()
        newest = next(reversed(self.parents))
        first = self.besides.get(newest)
        if first is None:
            return ()
        group = {first, *(pk for pk, beside in self.besides.items() if beside == first)} - self.hidden
        return tuple(pk for pk in self.children[self.parents[newest]] if pk in group)

    def path(self) -> list[int]:
        """The active branch, oldest first."""
        if self.leaf is not None:
            return self.to(self.leaf)
        if compared := self.compared:
            return self.to(compared[0])
        return self.to(next(reversed(self.parents))) if self.parents else []

    def to(self, message: int) -> list[int]:
        """The branch that ends with `message`, oldest first."""
        found: list[int] = []
        at: int | None = message
        while at is not None:
            found.append(at)
            at = self.parents[at]
        return found[::-1]

    def newest_under(self, message: int) -> int:
        """Where the branch through `message` ends, with the newest at each fork."""
        at = message
        while at in self.children and (known := self.siblings(self.children[at][0])):
            at = known[-1]
        return at

    def siblings(self, message: int) -> list[int]:
        """The versions of `message` in their order, itself included; one that a longer one holds is left out."""
        return [pk for pk in self.children[self.parents[message]] if pk not in self.hidden or pk == message]

    def ids_beside(self, messages: Iterable[Message]) -> dict[int, list[uuid.UUID]]:
        """The public ids of each message's siblings. One query where any has others, none otherwise."""
        known = {message.pk: message.public_id for message in messages}
        beside = {pk: self.siblings(pk) for pk in known}
        wanted = {pk for group in beside.values() for pk in group} - known.keys()
        if wanted:
            known |= dict(Message.objects.filter(pk__in=wanted).order_by().values_list("pk", "public_id"))
        return {pk: [known[each] for each in group if each in known] for pk, group in beside.items()}


def ancestors(conversation: int, message: int) -> list[int]:
    """Keys of the branch that ends with `message`, newest first."""
    rows = Message.objects.filter(conversation_id=conversation, pk__lte=message).order_by()
    parents = dict(rows.values_list("pk", "parent_id"))
    found: list[int] = []
    at: int | None = message
    while at is not None and at in parents:
        found.append(at)
        at = parents[at]
    return found


def branch_before(question: Message, most: int) -> Sequence[Message]:
    """Up to `most` messages that lead to `question`, newest first, without empty answers.

    One query where the branch lies among the newest messages, as nearly always; three where others lie between.
    """
    if question.parent_id is None:
        return ()
    fields = ("pk", "parent_id", "role", "content")
    earlier = Message.objects.filter(conversation_id=question.conversation_id, pk__lt=question.pk)
    rows = {message.pk: message for message in earlier.only(*fields).order_by("-pk")[: 2 * most]}
    found: list[Message] = []
    at: int | None = question.parent_id
    while at is not None and len(found) < most:
        if at not in rows:
            rest = ancestors(question.conversation_id, at)[: 2 * most]
            rows = {message.pk: message for message in Message.objects.filter(pk__in=rest).only(*fields)}
            if at not in rows:
                break
        if rows[at].content:
            found.append(rows[at])
        at = rows[at].parent_id
    return found


def active_branch(conversation: Conversation, messages: Sequence[Message]) -> list[Message]:
    """The active branch, oldest first, of messages that are loaded: all of the conversation's, by key."""
    by_key = {message.pk: message for message in messages}
    rows = ((m.pk, m.parent_id, m.continues_id, m.beside_id) for m in messages)
    return [by_key[key] for key in Tree.built(rows, conversation.leaf_id).path()]
