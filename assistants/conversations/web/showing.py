"""What the chat page shows beside its texts: one window of the active branch, and the choices of the composer."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import QueryDict

from accounts.models import User
from assistants.conversations import branches
from assistants.conversations.models import Conversation, Message
from assistants.conversations.tree import Tree
from assistants.conversations.turns import MOST_MODELS
from documents.models import Folder
from gateway import picking

LISTED = 100  # folders in the composer's menu


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the active branch, oldest first. `compared` are answers that stand beside the last of `rows`, it included."""

    rows: tuple[Message, ...]
    compared: tuple[Message, ...]
    siblings: dict[int, list[uuid.UUID]]
    continued: frozenset[int]
    earlier: uuid.UUID | None


def window(*, user: User, conversation: Conversation, before: uuid.UUID | None, most: int) -> Window:
    """The last `most` messages of the active branch, or of its part that ends before a message. Four or five queries."""
    tree = Tree.of(conversation)
    branch = tree.path()
    compared = tree.compared
    if before is not None:
        found = Message.objects.filter(conversation=conversation, public_id=before).values_list("pk", flat=True).first()
        if found in tree.parents:
            branch, compared = tree.to(found)[:-1], ()
    shown = branch[-most:]
    rows = {row.pk: row for row in branches.rows_of(user, [*shown, *compared])}
    return Window(
        tuple(rows[pk] for pk in shown if pk in rows),
        tuple(rows[pk] for pk in compared if pk in rows),
        tree.ids_beside(rows.values()),
        tree.continued,
        rows[shown[0]].public_id if len(branch) > most else None,
    )


def composer(user: User, conversation: Conversation | None) -> dict[str, Any]:
    """The models and folders to choose from, and what the conversation has chosen. Three queries, and those of budgets."""
    folders = Folder.objects.visible_to(user).order_by("name", "pk")
    models = picking.choices(user)
    mine = [each.model for each in models]
    chosen = conversation.model if conversation else ""
    kept = {str(folder) for folder in (conversation.folders or ())} if conversation else set()
    rows = [(folder, str(folder.public_id) in kept) for folder in folders[:LISTED]]
    return {
        "choices": models,
        "titles": settings.CLOISON_TITLES,
        "model": next((one for one in mine if chosen in {one.id, one.name}), None),
        "usual_model": next(iter(mine), None),
        "folder_rows": rows,
        "folders_chosen": sum(ticked for _folder, ticked in rows),
        "folder_count": len(rows) if len(rows) < LISTED else _count(folders),
    }


def _count(folders: QuerySet[Folder]) -> int:
    return folders.count()


def choice_of(form: QueryDict) -> tuple[dict[str, Any], list[str]]:
    """The composer's `model` and `folders` (None: all), and the models to be asked side by side. Raises `ValueError`.

    Nothing for a form that has no such choices.
    """
    if "choice" not in form:
        return {}, []
    folders = [str(uuid.UUID(folder)) for folder in form.getlist("folders")[:LISTED]]
    beside = list(dict.fromkeys(form.getlist("beside")))[:MOST_MODELS]
    return {"model": form.get("model", "")[:200], "folders": folders or None}, beside if len(beside) > 1 else []
