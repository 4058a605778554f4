"""Others' private conversations, read by privileged people: under the tenant's rule, with a reason, for half an hour.

The database holds the wall: without an open leave of this reader for this person it returns no row, and never lets one be
written. Every conversation that is opened is an event that its owner sees.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import audit
from accounts import grants
from accounts.grants import NoSuchPrincipal, Principal
from accounts.models import User
from accounts.people import NoSuchPerson
from accounts.permissions import Right, require
from assistants.conversations.models import Conversation, Message
from audit import services as audit_services
from audit.models import Reading
from core.errors import NotAllowed, NotFound


class LeaveEnded(NotAllowed):
    code: ClassVar[str] = "reading_ended"
    title = _("The leave to read has ended. Give the reason again.")


def people(reader: User, query: str = "") -> list[Principal]:
    """Whose conversations could be asked for, by name. Raises `ReadingIsOff` or `NotAllowed`."""
    _may_ask(reader)
    return [found for found in grants.directory(query, without=reader.pk) if found.kind == "user"]


def find_person(reader: User, person: uuid.UUID) -> Principal:
    """Raises `ReadingIsOff`, `NotAllowed` or `NoSuchPerson`."""
    _may_ask(reader)
    try:
        return grants.find("user", id=person)
    except NoSuchPrincipal as error:
        raise NoSuchPerson(field="person") from error


def take_leave(*, reader: User, person: uuid.UUID, reason: str) -> Reading:
    """Half an hour to read one person's conversations. Raises what `find_person` does, or `ReasonMissing`."""
    found = find_person(reader, person)
    return audit_services.take_leave(
        reader=reader.pk, reader_name=reader.email, subject=found.key or 0, subject_id=str(found.id), reason=reason
    )


def readings_by(reader: User) -> QuerySet[Reading]:
    """The person's own leaves, ended ones too, newest first."""
    return Reading.objects.filter(reader=reader.pk)


def readings_of(person: User) -> QuerySet[Reading]:
    """Who took leave to read this person's conversations, when and why, newest first."""
    return Reading.objects.filter(subject=person.pk)


def open_leave(*, reader: User, reading: uuid.UUID) -> Reading:
    """Raises `NotFound` for another's, `LeaveEnded`, `ReadingIsOff` or `NotAllowed`."""
    require(reader, Right.READ_PRIVATE)
    leave = readings_by(reader).filter(public_id=reading).first()
    if leave is None:
        raise NotFound(_("There is no such leave to read."))
    _may_ask(reader)
    if leave.expires_at <= timezone.now():
        raise LeaveEnded
    return leave


def conversations(leave: Reading) -> QuerySet[Conversation]:
    """What the leave opens, newest first: what its owner still has, so nothing from the bin, and no temporary chat."""
    return Conversation.objects.filter(owner=leave.subject, binned_at=None).listed().select_related("assistant")


def open_conversation(*, leave: Reading, conversation: uuid.UUID) -> Conversation:
    """One conversation, to be read; noted in the audit log before a word of it is shown. Raises `NotFound`."""
    found = conversations(leave).filter(public_id=conversation).first()
    if found is None:
        raise NotFound(_("There is no such conversation."))
    audit.record(
        "content.conversation_read",
        target=f"conversation:{found.public_id}",
        subject=leave.subject,
        details={"reading": str(leave.public_id), "reason": leave.reason},
    )
    return found


def messages(conversation: Conversation) -> QuerySet[Message]:
    """Its messages, oldest first."""
    return Message.objects.filter(conversation=conversation).select_related("parent", "run")


def _may_ask(reader: User) -> None:
    require(reader, Right.READ_PRIVATE)
    if not audit_services.reading_policy().private_reading:
        raise audit_services.ReadingIsOff
