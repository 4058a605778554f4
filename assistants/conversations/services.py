"""What can be done with conversations and runs. Everything runs in the context of the person who asks."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from assistants.conversations import wakeups
from assistants.conversations.answers import Turn
from assistants.conversations.models import Conversation, Message, Run
from assistants.profiles.models import Assistant
from core.errors import AppError, Conflict, NotFound
from documents.models import Folder
from gateway.types import ChatMessage
from isolation import context

LONGEST_QUESTION = 60_000  # characters
TITLE_LENGTH = 80
HISTORY = 40  # messages that a turn looks back on
LEASE = timedelta(seconds=10)
QUEUE_PATIENCE = timedelta(seconds=2)  # a run queued for longer has missed its wake-up


class EmptyMessage(AppError):
    code: ClassVar[str] = "empty_message"
    title = "The message is empty"


class MessageTooLong(AppError):
    code: ClassVar[str] = "message_too_long"
    status = 413
    title = "The message is too long"


class RunInProgress(Conflict):
    code: ClassVar[str] = "run_in_progress"
    title = "An answer is still being written"


class KeyReused(Conflict):
    code: ClassVar[str] = "key_reused"
    title = "This key belongs to another message"


@dataclass(frozen=True, slots=True)
class Started:
    """A stored turn: the person's message, the empty answer and the run that fills it."""

    conversation: Conversation
    message: Message
    answer: Message
    run: Run


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
            f"A message may have {LONGEST_QUESTION} characters; this one has {len(text)}.", limit=LONGEST_QUESTION
        )
    return text


def create_conversation(
    *, owner: User, title: str = "", assistant: uuid.UUID | None = None, temporary: bool = False
) -> Conversation:
    """A temporary one has no title. Raises `NotFound` for an assistant that is not the tenant's."""
    kept = "" if temporary else title[:200]
    return Conversation.objects.create(owner=owner, title=kept, assistant=_assistant(owner, assistant), temporary=temporary)


def _assistant(user: User, public_id: uuid.UUID | None) -> Assistant | None:
    if public_id is None:
        return Assistant.objects.visible_to(user).first()
    found = Assistant.objects.visible_to(user).filter(public_id=public_id).first()
    if found is None:
        raise NotFound("There is no such assistant.", field="assistant")
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

    `conversation` None begins a new one. `key` makes it once: the same key and content give the stored turn again.
    `request` holds `model`, `folders` (ids), `assistant` (id) and `api_key` (the key's own, for its budget), each optional.
    Raises `EmptyMessage`, `MessageTooLong`, `NotFound`, `RunInProgress` or `KeyReused`.
    """
    text = clean(content)
    try:
        with transaction.atomic():
            return _store_turn(owner, conversation, text, key, request or {})
    except (IntegrityError, RunInProgress):
        # Perhaps this key was sent before: asked only now, since nearly every message is new.
        if key and (known := _known(owner, key, text)):
            return known
        raise


def _known(owner: User, key: str, text: str) -> Started | None:
    run = Run.objects.select_related("conversation", "question", "answer").filter(owner=owner, key=key).first()
    if run is None:
        return None
    if run.question.content != text:
        raise KeyReused
    return Started(run.conversation, run.question, run.answer, run)


def _store_turn(owner: User, conversation_id: uuid.UUID | None, text: str, key: str | None, request: dict[str, Any]) -> Started:
    if conversation_id is None:
        conversation = create_conversation(owner=owner, title=title_of(text), assistant=request.get("assistant"))
        last = None
    else:
        # The row's lock makes two sends to one conversation follow each other.
        found = (
            Conversation.objects.visible_to(owner)
            .select_related("assistant")
            .select_for_update(of=("self",))
            .filter(public_id=conversation_id)
            .first()
        )
        if found is None:
            raise NotFound("There is no such conversation.")
        conversation = found
        if Run.objects.open().filter(conversation=conversation).exists():
            raise RunInProgress
        last = Message.objects.filter(conversation=conversation).order_by("-pk").first()
        if request.get("assistant"):
            conversation.assistant = _assistant(owner, request["assistant"])
        conversation.active_at = timezone.now()
        conversation.title = conversation.title or ("" if conversation.temporary else title_of(text))
        conversation.save(update_fields=["active_at", "title", "assistant"])
    _check_folders(owner, request.get("folders"))
    message = Message.objects.create(conversation=conversation, parent=last, role=Message.Role.USER, content=text)
    answer = Message.objects.create(conversation=conversation, parent=message, role=Message.Role.ASSISTANT)
    stored = {name: value for name in ("model", "folders", "assistant", "api_key") if (value := request.get(name)) is not None}
    run = Run.objects.create(
        conversation=conversation,
        owner=owner,
        question=message,
        answer=answer,
        key=key or None,
        request={name: _plain(value) for name, value in stored.items()},
    )
    transaction.on_commit(partial(wakeups.run_queued, context.current(), run))
    return Started(conversation, message, answer, run)


def _check_folders(owner: User, folders: Any) -> None:
    """Raises `NotFound` where one of a turn's folders is not there for this person."""
    wanted = set(folders or ())
    if wanted and Folder.objects.visible_to(owner).filter(public_id__in=wanted).count() != len(wanted):
        raise NotFound("There is no such folder.", field="folders")


def _plain(value: Any) -> Any:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else str(value)


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
    run = known or Run.objects.select_related("conversation__assistant", "question", "answer", "owner").get(pk=run_id)
    assistant = run.conversation.assistant
    folders = run.request.get("folders")
    turn = Turn(
        user=run.owner,
        question=run.question.content,
        history=_history(run.question),
        instructions=assistant.instructions if assistant else "",
        model=run.request.get("model") or (assistant.model if assistant else "") or None,
        folders=None if folders is None else tuple(uuid.UUID(folder) for folder in folders),
        run=run.public_id,
        conversation=run.conversation.public_id,
        assistant=run.conversation.assistant_id,
        api_key=int(run.request["api_key"]) if run.request.get("api_key") else None,
    )
    return ClaimedRun(run, turn)


def _history(question: Message) -> tuple[ChatMessage, ...]:
    """The branch that leads to `question`, oldest first, without empty answers."""
    if question.parent_id is None:
        return ()
    earlier = Message.objects.filter(conversation_id=question.conversation_id, pk__lt=question.pk).order_by("-pk")
    rows = {m.pk: m for m in earlier[: 4 * HISTORY]}
    branch: list[ChatMessage] = []
    parent: int | None = question.parent_id
    while parent in rows and len(branch) < HISTORY:
        message = rows[parent]
        if message.content:
            role = "user" if message.role == Message.Role.USER else "assistant"
            branch.append(ChatMessage(role=role, content=message.content))  # type: ignore[arg-type]
        parent = message.parent_id
    return tuple(reversed(branch))


def take_over_run(*, run_id: int, host: str) -> Run | None:
    """Take a run whose process lost its lease; None where somebody else did."""
    taken = Run.objects.filter(pk=run_id, status=Run.Status.RUNNING, lease_until__lt=timezone.now()).update(
        host=host, lease_until=timezone.now() + LEASE
    )
    return Run.objects.select_related("answer").get(pk=run_id) if taken else None


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
    """Store the answer and end the run, once. False: it was ended, or taken over, before."""
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
    return bool(ended)


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


def stop_queued_run(*, run: Run) -> bool:
    """End a run that nobody has taken yet. False: somebody has."""
    return bool(
        Run.objects.filter(pk=run.pk, status=Run.Status.QUEUED).update(status=Run.Status.STOPPED, finished_at=timezone.now())
    )
