"""Links to copies of conversations: made, seen again, ended, opened.

A link holds 192 random bits. The database keeps their SHA-256, by which it is found, and the token itself sealed, for its
owner's eyes. A copy holds the active branch as it was: nothing that is written later, no run, no route, no document's id.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import audit
from accounts.models import User
from accounts.permissions import Right, require
from assistants.conversations.models import Conversation, Message, Run, Share, SharingPolicy
from assistants.conversations.sql import OpenedRow, open_share
from assistants.conversations.tree import active_branch
from assistants.conversations.turns import RunInProgress
from core import sealing
from core.errors import AppError, NotAllowed, NotFound
from isolation import context

TOKEN = 24  # bytes
LONGEST_TOKEN = 100
DAYS = 30
MOST_DAYS = 366
AUDITED = frozenset(10**power for power in range(8))  # openings that are noted: the first, the tenth, …


class PublicLinksAreOff(NotAllowed):
    code: ClassVar[str] = "public_links_off"
    title = _("This organisation does not allow links that anyone can open.")


class NothingToShare(AppError):
    code: ClassVar[str] = "nothing_to_share"
    title = _("There is nothing in this conversation to share yet.")


class BadExpiry(AppError):
    code: ClassVar[str] = "bad_expiry"
    title = _("A link ends after one day at least, and a year at most.")


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _about(public_id: uuid.UUID) -> str:
    return f"share|{context.current().schema}|{public_id}"


def policy() -> SharingPolicy:
    return SharingPolicy.objects.get()


def set_public_links(*, actor: User, allowed: bool) -> None:
    """Allow links that anyone can open, or end all there are: turned on again, older ones stay closed."""
    require(actor, Right.SET_POLICY)
    with transaction.atomic():
        changed = SharingPolicy.objects.exclude(public_links=allowed).update(
            public_links=allowed, public_since=timezone.now() if allowed else None
        )
        if changed:
            audit.record("policy.public_links", details={"allowed": allowed})


def create_share(
    *,
    owner: User,
    conversation: Conversation,
    audience: str = Share.Audience.TENANT,
    expires_at: datetime | None = None,
    days: int | None = None,
    named: bool = False,
) -> Share:
    """A link to a copy of the active branch, for `days` (30 by default) or until `expires_at`.

    `named` puts the owner's name on it. Raises `PublicLinksAreOff`, `NothingToShare`, `BadExpiry` or `RunInProgress`.
    """
    now = timezone.now()
    ends = expires_at or now + timedelta(days=DAYS if days is None else days)
    if not now < ends <= now + timedelta(days=MOST_DAYS):
        raise BadExpiry
    if conversation.temporary:
        raise NothingToShare(_("A temporary chat leaves nothing behind, so there is no copy of it."))
    if audience == Share.Audience.PUBLIC and not policy().public_links:
        raise PublicLinksAreOff
    if Run.objects.open().filter(conversation=conversation).exists():
        raise RunInProgress
    messages = list(Message.objects.filter(conversation=conversation).order_by("pk"))
    copied = [_copy(message) for message in active_branch(conversation, messages) if message.content]
    if not copied:
        raise NothingToShare
    token = secrets.token_urlsafe(TOKEN)
    share = Share(
        conversation=conversation,
        owner=owner,
        audience=audience,
        digest=digest_of(token),
        title=str(conversation)[:200] if conversation.title else "",
        assistant=conversation.assistant.name if conversation.assistant else "",
        shared_by=(owner.get_full_name() or owner.email)[:200] if named else "",
        messages=copied,
        expires_at=ends,
    )
    share.token = sealing.seal(token, about=_about(share.public_id))
    with transaction.atomic():
        share.save()
        details: dict[str, Any] = {"audience": audience, "days": (ends - now).days, "named": named}
        audit.record("share.created", target=f"share:{share.public_id}", subject=owner.pk, details=details)
    return share


def _copy(message: Message) -> dict[str, Any]:
    """What a reader may see of a message: of its sources only number, name and page."""
    sources = [{"number": c["number"], "title": c["title"], "page": c.get("page")} for c in message.citations]
    return {
        "role": message.role,
        "content": message.content,
        "created_at": message.created_at.isoformat(),
        "sources": sources,
    }


def token_of(share: Share) -> str | None:
    """The link's token for its owner; None where the key that sealed it is gone (the link still opens)."""
    try:
        return sealing.unseal(share.token, about=_about(share.public_id))
    except sealing.CannotUnseal:
        return None


def rotate(schema: str) -> int:
    """Seal an organisation's tokens again under the ring's first key, each as its owner, whose alone they are; how many were.

    One that cannot be read stays: its link opens by the digest as before. Safe to repeat, and to stop in the middle.
    """
    with context.use(context.auth(schema)):
        people = list(User.objects.order_by("pk").values_list("pk", flat=True))
    done = 0
    for owner in people:
        with context.use(context.person(schema, owner)):
            for row in Share.objects.filter(owner=owner).only("pk", "public_id", "token").order_by("pk"):
                try:
                    fresh = sealing.sealed_anew(row.token, about=_about(row.public_id))
                except sealing.CannotUnseal:
                    continue
                if fresh is not None:
                    done += Share.objects.filter(pk=row.pk).update(token=fresh)
    return done


def shares(owner: User, conversation: Conversation | None = None) -> QuerySet[Share]:
    """One's own links, newest first, ended ones too; each with `public_since`, when the tenant allowed public ones."""
    rows = _with_rule(Share.objects.visible_to(owner)).select_related("conversation").defer("messages")
    return rows.filter(conversation=conversation) if conversation else rows


def _with_rule(rows: QuerySet[Share]) -> QuerySet[Share]:
    return rows.annotate(public_since=Subquery(SharingPolicy.objects.values("public_since")[:1]))


def state_of(share: Share) -> str:
    """`open`, `expired`, or `closed` by the tenant's rule. For rows of `shares`."""
    if share.expires_at <= timezone.now():
        return "expired"
    since: datetime | None = getattr(share, "public_since", None)
    if share.audience == Share.Audience.PUBLIC and (since is None or share.created_at < since):
        return "closed"
    return "open"


def revoke_share(*, owner: User, share: uuid.UUID) -> Conversation:
    """End a link at once, and forget its copy. Raises `NotFound`."""
    row = Share.objects.visible_to(owner).select_related("conversation").filter(public_id=share).first()
    if row is None:
        raise NotFound(_("There is no such link."))
    with transaction.atomic():
        row.delete()
        details: dict[str, Any] = {"audience": row.audience, "opened": row.opened}
        audit.record("share.revoked", target=f"share:{share}", subject=owner.pk, details=details)
    return row.conversation


def audience_of(conversation: Conversation) -> str:
    """Who can see a conversation through an open link: "public", "tenant", or "" for its owner alone. One query."""
    unexpired = Share.objects.filter(conversation=conversation, expires_at__gt=timezone.now())
    rows = _with_rule(unexpired).only("audience", "created_at", "expires_at").order_by()
    found = {share.audience for share in rows if state_of(share) == "open"}
    return next((str(each) for each in (Share.Audience.PUBLIC, Share.Audience.TENANT) if each in found), "")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link shows. `copy` None: it is there, for people who are signed in."""

    copy: OpenedRow | None


def open_link(token: str) -> Opened | None:
    """What is behind a link, for whoever asks; None for one that is unknown, ended, or another tenant's.

    The database compares digests, so that the time it takes tells nothing of any token.
    """
    found = open_share(digest_of(token)) if 0 < len(token) <= LONGEST_TOKEN else None
    if found is None:
        return None
    if found.share is None:
        return Opened(None)
    if found.audience == Share.Audience.PUBLIC and found.opened in AUDITED and not context.current().user_id:
        audit.record("share.opened_publicly", target=f"share:{found.share}", details={"opened": found.opened})
    return Opened(found)
