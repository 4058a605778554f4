"""What can be done with conversations and runs. Everything runs in the context of the person who asks."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from assistants.conversations import tree
from assistants.conversations.answers import Turn
from assistants.conversations.carrying import NOTHING, Carried, carried
from assistants.conversations.models import Conversation, Message, Run
from assistants.conversations.turns import Started, add_turn, check_folders, last_of, locked, once
from assistants.profiles.models import Assistant
from core.errors import AppError, NotFound
from documents.models import Folder
from gateway.types import ChatMessage

LONGEST_QUESTION = 60_000  # characters
TITLE_LENGTH = 80
HISTORY = 40  # messages that a turn looks back on
LEASE = timedelta(seconds=10)
QUEUE_PATIENCE = timedelta(seconds=2)  # a run queued for longer has missed its wake-up


class EmptyMessage(AppError):
    code: ClassVar[str] = "empty_message"
    title = _("The message is empty")


class MessageTooLong(AppError):
    code: ClassVar[str] = "message_too_long"
    status = 413
    title = _("The message is too long")


def title_of(question: str) -> str:
    """The first words of a question, cut at a word."""
    line = " ".join(question.split())
    if len(line) <= TITLE_LENGTH:
        return line
    return line[: TITLE_LENGTH - 1].rsplit(" ", 1)[0] + "…"


def clean(content: str) -> str:
    """What is stored of a message: NUL and lone surrogates do not survive PostgreSQL.

    Raises `EmptyMessage` or `MessageTooLong`.
    """
    text = content.replace("\0", "").encode("utf-8", "replace").decode("utf-8").strip()
    if not text:
        raise EmptyMessage
    if len(text) > LONGEST_QUESTION:
        raise MessageTooLong(
            _("A message may have %(most)d characters; this one has %(length)d.")
            % {"most": LONGEST_QUESTION, "length": len(text)},
            limit=LONGEST_QUESTION,
        )
    return text


def create_conversation(
    *,
    owner: User,
    title: str = "",
    assistant: uuid.UUID | None = None,
    model: str = "",
    folders: Sequence[uuid.UUID] | None = None,
    temporary: bool = False,
) -> Conversation:
    """`model` and `folders` (None: all) are what its turns use; a temporary one has no title.

    Raises `NotFound` for an assistant or a folder.
    """
    check_folders(owner, folders)
    return Conversation.objects.create(
        owner=owner,
        title="" if temporary else title[:200],
        assistant=assistant_of(owner, assistant),
        model=model,
        folders=None if folders is None else [str(folder) for folder in folders],
        temporary=temporary,
    )


def assistant_of(user: User, public_id: uuid.UUID | None) -> Assistant | None:
    """One that the person may use; the first for None. Raises `NotFound`."""
    if public_id is None:
        return Assistant.objects.visible_to(user).first()
    found = Assistant.objects.visible_to(user).filter(public_id=public_id).first()
    if found is None:
        raise NotFound(_("There is no such assistant."), field="assistant")
    return found


def start_run(
    *,
    owner: User,
    conversation: uuid.UUID | None,
    content: str,
    key: str | None = None,
    request: dict[str, Any] | None = None,
) -> Started:
    """Store the message, an empty answer and a queued run in one transaction; the run starts after the commit.

    `conversation` None begins a new one, whose own the request's model and folders become. `key` makes it once: the same
    key and body give the stored turn again.
    `request` holds `model`, `folders` (ids), `attachments` (ids), `assistant` (id) and `api_key` (the key's own, for its
    budget), each optional, or `models`: two or three that answer at once, each with an answer and a run.
    Raises `EmptyMessage`, `MessageTooLong`, `NotFound`, `TooManyAttachments`, `NoAnswers`, `RunInProgress` or `KeyReused`.
    """
    text, asked = clean(content), request or {}

    def store(body: str) -> Started:
        if conversation is None:
            own = {name: asked[name] for name in ("model", "folders", "assistant") if asked.get(name) is not None}
            row = create_conversation(owner=owner, title=title_of(text), **own)
            rest = {name: value for name, value in asked.items() if name not in own}
            return add_turn(owner=owner, conversation=row, parent=None, content=text, key=key, body=body, request=rest)
        row = locked(owner, conversation)
        if asked.get("assistant"):
            row.assistant = assistant_of(owner, asked["assistant"])
        row.title = row.title or ("" if row.temporary else title_of(text))
        row.active_at = timezone.now()
        parent, row.leaf = last_of(row), None
        row.save(update_fields=["active_at", "title", "assistant", "leaf"])
        return add_turn(owner=owner, conversation=row, parent=parent, content=text, key=key, body=body, request=asked)

    return once(owner, key, ["send", str(conversation or ""), text], asked, store)


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run that this process now holds, and the turn that it is to answer."""

    run: Run
    turn: Turn


def claim_run(*, run_id: int, host: str, known: Run | None = None) -> ClaimedRun | None:
    """Take a queued run; None where another process was faster or it is over.

    `known` is the run as `start_run` made it in this process, which saves loading it again.
    """
    taken = Run.objects.filter(pk=run_id, status=Run.Status.QUEUED).update(
        status=Run.Status.RUNNING, host=host, lease_until=timezone.now() + LEASE
    )
    if not taken:
        return None
    run = known or Run.objects.select_related("conversation__assistant", "question", "answer__continues", "owner").get(pk=run_id)
    assistant = run.conversation.assistant
    continues = run.answer.continues
    earlier = tree.branch_before(run.question, HISTORY)
    attached = carried(run.question, earlier)
    own = attached.get(run.question.pk, NOTHING)
    turn = Turn(
        user=run.owner,
        question=run.question.content,
        history=tuple(_past(message, attached.get(message.pk, NOTHING)) for message in reversed(earlier)),
        files=own.files,
        images=own.images,
        audio=own.audio,
        instructions=assistant.instructions if assistant else "",
        model=run.request.get("model") or run.conversation.model or (assistant.model if assistant else "") or None,
        folders=_folders_of(run),
        run=run.public_id,
        conversation=run.conversation.public_id,
        assistant=run.conversation.assistant_id,
        api_key=int(run.request["api_key"]) if run.request.get("api_key") else None,
        so_far=continues.content if continues else "",
        cited=tuple(continues.citations) if continues else (),
    )
    return ClaimedRun(run, turn)


def _folders_of(run: Run) -> tuple[uuid.UUID, ...] | None:
    """A turn's own folders, which are exclusive; else those of the conversation that are still there; None: all."""
    asked = run.request.get("folders")
    if asked is not None:
        return tuple(uuid.UUID(folder) for folder in asked)
    chosen = run.conversation.folders
    if not chosen:
        return None if chosen is None else ()
    there = Folder.objects.visible_to(run.owner).filter(public_id__in=chosen).values_list("public_id", flat=True)
    return tuple(there) or None


def _past(message: Message, attached: Carried) -> ChatMessage:
    """A message of the branch that leads to the question."""
    role: Literal["user", "assistant"] = "user" if message.role == Message.Role.USER else "assistant"
    return ChatMessage(role, message.content, images=attached.images, files=attached.files)


def take_over_run(*, run_id: int, host: str) -> Run | None:
    """Take a run whose process lost its lease; None where somebody else did."""
    taken = Run.objects.filter(pk=run_id, status=Run.Status.RUNNING, lease_until__lt=timezone.now()).update(
        host=host, lease_until=timezone.now() + LEASE
    )
    return Run.objects.select_related("answer__continues", "question", "conversation", "owner").get(pk=run_id) if taken else None


def asked_of(run: Run) -> list[str]:
    """The texts that a run's model was asked with, without passages and attachments."""
    earlier = tree.branch_before(run.question, HISTORY)
    return [run.question.content, *(message.content for message in earlier)]


def keep_run(*, run_id: int, answer_id: int, host: str, text: str) -> bool:
    """Renew the lease and store the text so far. False: the run is no longer this process's."""
    kept = Run.objects.filter(pk=run_id, host=host, status=Run.Status.RUNNING).update(lease_until=timezone.now() + LEASE)
    if kept and text:
        Message.objects.filter(pk=answer_id).update(content=text)
    return bool(kept)


@transaction.atomic
def finish_run(
    *,
    run_id: int,
    answer_id: int,
    host: str,
    status: str,
    text: str,
    citations: tuple[dict[str, Any], ...] = (),
    grounded: bool | None = None,
    routing: dict[str, Any] | None = None,
    usage: dict[str, Any] | None = None,
    error_code: str = "",
) -> bool:
    """Store the answer and end the run, once. False: it was taken over, or ended by somebody else, before.

    Safe to repeat for its host: a commit whose answer was lost is not mistaken for another's.
    """
    ended = Run.objects.filter(pk=run_id, host=host, status=Run.Status.RUNNING).update(
        status=status,
        finished_at=timezone.now(),
        lease_until=None,
        error_code=error_code,
        routing=routing or {},
        usage=usage or {},
    )
    if ended:
        Message.objects.filter(pk=answer_id).update(content=text, citations=list(citations), grounded=grounded)
    return bool(ended) or Run.objects.filter(pk=run_id, host=host, status=status).exists()


@dataclass(frozen=True, slots=True)
class LostRun:
    """A run that no process works on: `queued` missed its wake-up, otherwise its process died."""

    run_id: int
    owner: User
    queued: bool


def lost_runs() -> list[LostRun]:
    """Runs of the current tenant that wait for a host. Runs under `context.service`."""
    now = timezone.now()
    queued = Run.objects.filter(status=Run.Status.QUEUED, created_at__lt=now - QUEUE_PATIENCE)
    orphaned = Run.objects.filter(status=Run.Status.RUNNING, lease_until__lt=now)
    return [
        LostRun(run.pk, run.owner, run.status == Run.Status.QUEUED)
        for run in (queued | orphaned).select_related("owner").order_by("pk")[:100]
    ]


def ended_runs(public_ids: list[uuid.UUID]) -> list[Run]:
    """Those of the runs that are over, with their owners. Runs under `context.service`."""
    return list(Run.objects.filter(public_id__in=public_ids, finished_at__isnull=False).select_related("owner"))


def ended_run(run_id: int) -> Run | None:
    return Run.objects.select_related("answer", "owner").filter(pk=run_id, finished_at__isnull=False).first()


def stop_queued_run(*, run: Run) -> bool:
    """End a run that nobody has taken yet. False: somebody has."""
    return bool(
        Run.objects.filter(pk=run.pk, status=Run.Status.QUEUED).update(status=Run.Status.STOPPED, finished_at=timezone.now())
    )
