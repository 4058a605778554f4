"""How a turn is stored: a question, its empty answers and their runs, in one transaction and once per key.

Sending, editing, regenerating and continuing (`services.start_run`, `branches`) all come through here.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from assistants.conversations import attachments, wakeups
from assistants.conversations.models import Conversation, Message, Run
from assistants.conversations.tree import Tree
from core.errors import AppError, Conflict, NotFound
from documents.models import Folder
from isolation import context

MOST_MODELS = 3  # that answer one message side by side


class RunInProgress(Conflict):
    code: ClassVar[str] = "run_in_progress"
    title = _("An answer is still being written")


class KeyReused(Conflict):
    code: ClassVar[str] = "key_reused"
    title = _("This key belongs to another message")


class NoAnswers(AppError):
    code: ClassVar[str] = "models_invalid"
    title = _("Side by side are two or three different models")


@dataclass(frozen=True, slots=True)
class Started:
    """A stored turn: the person's message, the empty answer and the run that fills it.

    `beside` are the runs, answers in them, of the other models that answer the same message.
    """

    conversation: Conversation
    message: Message
    answer: Message
    run: Run
    beside: tuple[Run, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The ids, as every door tells them. `answers` and `runs` only where there are several."""
        told: dict[str, Any] = {"conversation": str(self.conversation.public_id)}
        told |= {"message": _ref(self.message), "answer": _ref(self.answer), "run": _ref(self.run)}
        if self.beside:
            told["answers"] = [_ref(self.answer), *(_ref(run.answer) for run in self.beside)]
            told["runs"] = [_ref(self.run), *map(_ref, self.beside)]
        return told


def _ref(row: Any) -> dict[str, str]:
    return {"id": str(row.public_id)}


def once(owner: User, key: str | None, what: list[str], request: dict[str, Any], store: Callable[[str], Started]) -> Started:
    """Store a turn in one transaction, or give the one that was stored under the same key and body again."""
    body = _digest(what, request) if key else ""
    try:
        with transaction.atomic():
            return store(body)
    except (IntegrityError, Conflict, NotFound):
        # Perhaps this key was sent before: asked only now, since nearly every message is new.
        if key and (known := _known(owner, key, body)):
            return known
        raise


def _digest(what: list[str], request: dict[str, Any]) -> str:
    """Equal for equal requests, whoever's credential they came with."""
    asked = {name: _plain(value) for name, value in request.items() if value is not None and name != "api_key"}
    return hashlib.sha256(json.dumps([what, asked], sort_keys=True).encode()).hexdigest()


def _known(owner: User, key: str, body: str) -> Started | None:
    run = Run.objects.select_related("conversation", "question", "answer").filter(owner=owner, key=key).first()
    if run is None:
        return None
    if run.body and run.body != body:
        raise KeyReused
    beside = Run.objects.select_related("answer").filter(answer__beside=run.answer).order_by("pk")
    return Started(run.conversation, run.question, run.answer, run, tuple(beside[:MOST_MODELS]))


def locked(owner: User, public_id: uuid.UUID) -> Conversation:
    """A conversation that is about to get a turn. Its row's lock makes two sends follow each other.

    Raises `NotFound` or `RunInProgress`.
    """
    found = (
        Conversation.objects.visible_to(owner)
        .select_related("assistant")
        .select_for_update(of=("self",))
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotFound(_("There is no such conversation."))
    if Run.objects.open().filter(conversation=found).exists():
        raise RunInProgress
    return found


def last_of(conversation: Conversation) -> Message | None:
    """The end of the active branch."""
    if conversation.leaf_id is not None:
        return Message.objects.get(pk=conversation.leaf_id)
    newest = Message.objects.filter(conversation=conversation).select_related("beside").order_by("-pk").first()
    if newest is None or newest.beside is None:
        return newest
    return Message.objects.get(pk=Tree.of(conversation).path()[-1])


def add_turn(
    *,
    owner: User,
    conversation: Conversation,
    parent: Message | None = None,
    content: str = "",
    question: Message | None = None,
    instead_of: Message | None = None,
    continues: Message | None = None,
    beside: int | None = None,
    key: str | None,
    body: str,
    request: dict[str, Any],
) -> Started:
    """The rows of a turn, inside the caller's transaction: a new question, or one that is asked again; answers; runs.

    `continues` is the broken answer that the new one begins with, `beside` the key of the one it stands beside. A question
    `instead_of` another keeps its attachments where the request names none.
    Raises `NotFound` for folders and attachments, `TooManyAttachments`, and `NoAnswers` for models.
    """
    check_folders(owner, request.get("folders"))
    models = _models(request)
    if question is None:
        question = Message.objects.create(
            conversation=conversation, owner=owner, parent=parent, role=Message.Role.USER, content=content
        )
        if request.get("attachments") is not None:
            attachments.attach(owner=owner, question=question, wanted=request["attachments"], kept=instead_of)
        elif instead_of is not None:
            attachments.keep(before=instead_of, question=question)
    stored = {name: value for name in ("model", "folders", "assistant", "api_key") if (value := request.get(name)) is not None}
    runs: list[Run] = []
    for model in models:
        answer = Message.objects.create(
            conversation=conversation,
            owner=owner,
            parent=question,
            role=Message.Role.ASSISTANT,
            continues=continues,
            content=continues.content if continues else "",
            beside_id=runs[0].answer_id if runs else beside,
        )
        run = Run.objects.create(
            conversation=conversation,
            owner=owner,
            question=question,
            answer=answer,
            key=(key or None) if not runs else None,
            body=body,
            request={name: _plain(value) for name, value in (stored | ({"model": model} if model else {})).items()},
        )
        runs.append(run)
        transaction.on_commit(partial(wakeups.run_queued, context.current(), run))
    return Started(conversation, question, runs[0].answer, runs[0], tuple(runs[1:]))


def _models(request: dict[str, Any]) -> list[str | None]:
    """Who answers: the one asked for, or nobody by name; or two or three. Raises `NoAnswers`."""
    models: list[str] = request.get("models") or []
    if not models:
        return [None]
    if not 2 <= len(models) <= MOST_MODELS or len(set(models)) != len(models):
        raise NoAnswers(_("Name at least two different models, and %(most)d at most.") % {"most": MOST_MODELS}, field="models")
    return list(models)


def check_folders(owner: User, folders: Any) -> None:
    """Raises `NotFound` where one of a turn's folders is not there for this person."""
    wanted = set(folders or ())
    if wanted and Folder.objects.visible_to(owner).filter(public_id__in=wanted).count() != len(wanted):
        raise NotFound(_("There is no such folder."), field="folders")


def _plain(value: Any) -> Any:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else str(value)
