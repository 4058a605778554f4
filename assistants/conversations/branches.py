"""Asking again in other words, answering again, going on where an answer broke off, and walking between the branches."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from assistants.conversations.models import Attachment, Conversation, Feedback, Message, Run
from assistants.conversations.services import assistant_of, clean
from assistants.conversations.tree import Tree
from assistants.conversations.turns import Started, add_turn, check_folders, locked, once
from core.errors import Conflict, NotFound
from documents.models import Folder

LONGEST_COMMENT = 2_000  # characters
LONGEST_MODEL = 250
INHERITED = ("model", "folders")  # of the turn that is asked or answered again


class NotAQuestion(Conflict):
    code: ClassVar[str] = "not_a_question"
    title = _("Only a question can be edited")


class NotAnAnswer(Conflict):
    code: ClassVar[str] = "not_an_answer"
    title = _("Only an answer can be rated or kept")


class NotContinuable(Conflict):
    code: ClassVar[str] = "not_continuable"
    title = _("This answer cannot be gone on with")


def visible_message(user: User, public_id: uuid.UUID) -> Message:
    """Raises `NotFound` for a message that is not this person's."""
    rows = Message.objects.visible_to(user).select_related("conversation", "parent", "run")
    found = rows.filter(public_id=public_id).first()
    if found is None:
        raise NotFound(_("There is no such message."))
    return found


def edit_message(*, owner: User, message: uuid.UUID, content: str, key: str | None = None, request: dict[str, Any]) -> Started:
    """Ask a question again in other words, beside the old one, which stays with all that followed it.

    What `request` leaves out is as it was asked before, attachments too. Raises as `services.start_run` does, and `NotAQuestion`.
    """
    text = clean(content)

    def store(body: str) -> Started:
        question = visible_message(owner, message)
        if question.role != Message.Role.USER:
            raise NotAQuestion
        row = _newest_branch(owner, question.conversation)
        if request.get("assistant"):
            choose(conversation=row, assistant=assistant_of(owner, request["assistant"]))
        asked = _inherited(owner, Run.objects.filter(question=question).order_by("pk").first(), request)
        return add_turn(
            owner=owner,
            conversation=row,
            parent=question.parent,
            content=text,
            instead_of=question,
            key=key,
            body=body,
            request=asked,
        )

    return once(owner, key, ["edit", str(message), text], request, store)


def regenerate(*, owner: User, message: uuid.UUID, key: str | None = None, request: dict[str, Any]) -> Started:
    """Answer a question once more, beside its other answers. `message` is one of these, or the question.

    What `request` leaves out is as it was. Raises `NotFound`, `NoAnswers`, `RunInProgress` or `KeyReused`.
    """

    def store(body: str) -> Started:
        found = visible_message(owner, message)
        question = found if found.role == Message.Role.USER else found.parent
        if question is None:
            raise NotAnAnswer  # An answer without a question has been imported.
        row = _newest_branch(owner, found.conversation)
        runs = Run.objects.filter(question=question).order_by("pk")
        before = getattr(found, "run", None) if found is not question else runs.first()
        return add_turn(
            owner=owner, conversation=row, question=question, key=key, body=body, request=_inherited(owner, before, request)
        )

    return once(owner, key, ["regenerate", str(message)], request, store)


def continue_run(*, owner: User, run: uuid.UUID, key: str | None = None, request: dict[str, Any]) -> Started:
    """Go on with an answer that broke off: a new answer that begins with its text.

    Raises `NotFound`, `NotContinuable`, `RunInProgress` or `KeyReused`.
    """

    def store(body: str) -> Started:
        rows = Run.objects.visible_to(owner).select_related("conversation", "question", "answer")
        broken = rows.filter(public_id=run).first()
        if broken is None:
            raise NotFound(_("There is no such run."))
        tree = Tree.of(broken.conversation)
        stays = broken.answer_id in tree.compared  # Still to be compared: it goes on where it stands.
        row = _newest_branch(owner, broken.conversation)
        if not is_continuable(broken, broken.answer) or Message.objects.filter(continues=broken.answer).exists():
            raise NotContinuable
        return add_turn(
            owner=owner,
            conversation=row,
            question=broken.question,
            continues=broken.answer,
            beside=tree.besides.get(broken.answer_id, broken.answer_id) if stays else None,
            key=key,
            body=body,
            request=_inherited(owner, broken, request),
        )

    return once(owner, key, ["continue", str(run)], request, store)


def is_continuable(run: Run, answer: Message) -> bool:
    """Whether the run broke off and left a text; whether somebody has gone on with it already is not looked at."""
    return run.status in {Run.Status.STOPPED, Run.Status.INTERRUPTED, Run.Status.FAILED} and bool(answer.content)


def _newest_branch(owner: User, conversation: Conversation) -> Conversation:
    """The conversation, locked, in which the turn about to be stored is the active branch."""
    row = locked(owner, conversation.public_id)
    row.leaf, row.active_at = None, timezone.now()
    row.save(update_fields=["leaf", "active_at"])
    return row


def _inherited(owner: User, before: Run | None, request: dict[str, Any]) -> dict[str, Any]:
    """The request, with what it leaves out as the turn before had it; but for folders that are gone."""
    kept = {name: before.request[name] for name in INHERITED if name in before.request} if before else {}
    if request.get("models"):
        kept.pop("model", None)
    if kept.get("folders") and request.get("folders") is None:
        there = Folder.objects.visible_to(owner).filter(public_id__in=kept.pop("folders"))
        if found := list(there.values_list("public_id", flat=True)):
            kept["folders"] = found
    given = {name: value for name, value in request.items() if value not in (None, "")}
    return {**kept, **given}


@transaction.atomic
def activate(*, owner: User, message: uuid.UUID) -> Conversation:
    """Make the branch through a message the active one, with the newest at each fork below it. Raises `NotFound`."""
    found = visible_message(owner, message)
    row = Conversation.objects.visible_to(owner).select_related("assistant").select_for_update(of=("self",))
    conversation = row.get(pk=found.conversation_id)
    conversation.leaf_id = Tree.of(conversation).newest_under(found.pk)
    conversation.save(update_fields=["leaf"])
    return conversation


def keep_answer(*, owner: User, message: uuid.UUID) -> Conversation:
    """Of answers side by side, go on with this one; the others stay as its siblings. Raises `NotFound` or `NotAnAnswer`."""
    if visible_message(owner, message).role != Message.Role.ASSISTANT:
        raise NotAnAnswer
    return activate(owner=owner, message=message)


def choose(*, conversation: Conversation, **changes: Any) -> None:
    """Set which `model`, `folders` (ids; None: all) and `assistant` the conversation's turns use from now on."""
    for name, value in changes.items():
        setattr(conversation, name, value)
    if changes:
        conversation.save(update_fields=list(changes))


def choose_for(*, owner: User, conversation: Conversation, **changes: Any) -> None:
    """As `choose`, from ids that somebody sent. Raises `NotFound` for a folder or an assistant that is not theirs."""
    if "assistant" in changes:
        changes["assistant"] = assistant_of(owner, changes["assistant"])
    if folders := changes.get("folders"):
        check_folders(owner, folders)
        changes["folders"] = [str(folder) for folder in folders]
    choose(conversation=conversation, **changes)


def rows_of(user: User, keys: list[int]) -> QuerySet[Message]:
    """Messages by their keys, with what every door tells of them. Three queries, whatever their number."""
    mine = Prefetch("feedback", Feedback.objects.visible_to(user))
    attached = Prefetch("attachments", Attachment.objects.filter(owner=user).defer("text"))
    return Message.objects.filter(pk__in=keys).select_related("parent", "run").prefetch_related(mine, attached)


def rate(*, owner: User, message: uuid.UUID, rating: str, reason: str = "", comment: str = "") -> Feedback:
    """What the person thinks of an answer; saying it again takes the place of before. Raises `NotFound` or `NotAnAnswer`."""
    found = visible_message(owner, message)
    if found.role != Message.Role.ASSISTANT:
        raise NotAnAnswer
    said = {"rating": rating, "reason": reason, "comment": comment.replace("\0", "")[:LONGEST_COMMENT], **_of_answer(found)}
    return Feedback.objects.update_or_create(message=found, owner=owner, defaults=said)[0]


def _of_answer(message: Message) -> dict[str, Any]:
    """Whose answer is rated. An imported one is nobody's here."""
    run, assistant = getattr(message, "run", None), message.conversation.assistant
    if run is None:
        return {"counted": False, "model": "", "assistant": None}
    model = str(run.routing.get("model") or "")[:LONGEST_MODEL]
    return {"counted": True, "model": model, "assistant": assistant.public_id if assistant else None}


def take_rating_back(*, owner: User, message: uuid.UUID) -> None:
    """Safe to repeat. Raises `NotFound`."""
    Feedback.objects.visible_to(owner).filter(message=visible_message(owner, message)).delete()
