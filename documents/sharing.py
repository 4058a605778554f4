"""Sharing folders and documents: whoever owns one says who else may read it, and add to it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext_lazy as _

import audit
from accounts import grants
from accounts.grants import Principal, ReadsOnly
from accounts.models import User
from accounts.permissions import Right, allows
from core.errors import NotAllowed, NotFound
from documents.models import Document, DocumentGrant, Folder, FolderGrant

MOST_SHARES = 200  # grants of one folder or document


class NotYours(NotAllowed):
    title = _("Only its owner shares it.")


class TooManyShares(NotAllowed):
    code = "too_many_grants"
    title = _("It is shared with too many. Share it with a group.")


class GrantNotFound(NotFound):
    code = "grant_not_found"
    title = _("It is not shared with them.")


@dataclass(frozen=True, slots=True)
class Share:
    """A grant as people see it. `id` is the grant's."""

    id: uuid.UUID
    principal: Principal
    access: str


def _rows(thing: Folder | Document) -> list[FolderGrant] | list[DocumentGrant]:
    if isinstance(thing, Folder):
        return list(FolderGrant.objects.filter(folder=thing)[:MOST_SHARES])
    return list(DocumentGrant.objects.filter(document=thing)[:MOST_SHARES])


def shares(*, user: User, thing: Folder | Document) -> list[Share]:
    """The grants of a folder or document that the person may see: its owner all, others those that name them."""
    rows = _rows(thing)
    if thing.owner_id != user.pk:
        mine = user.principals()
        rows = [row for row in rows if row.principal in mine]  # type: ignore[assignment]
    known = grants.named(row.principal for row in rows)
    return [Share(row.public_id, known[row.principal], row.access) for row in rows if row.principal in known]


def share(*, user: User, thing: Folder | Document, principal: Principal, access: str = "read") -> Share:
    """Let somebody read a folder or document, or (`write`, folders only) add documents of their own to a folder.

    Safe to repeat; another `access` takes the place of the one before.
    Raises `NotYours`, `ReadsOnly` for a reader's role and `TooManyShares`.
    """
    _check_owner(user, thing)
    if access != "read" and (principal.only_reads or not isinstance(thing, Folder)):
        raise ReadsOnly
    with transaction.atomic():
        _lock(thing)
        rows = _rows(thing)
        if before := next((row for row in rows if row.principal == principal.text), None):
            if before.access == access:
                return Share(before.public_id, principal, access)
            before.delete()
        elif len(rows) >= MOST_SHARES:
            raise TooManyShares
        row: FolderGrant | DocumentGrant
        if isinstance(thing, Folder):
            row = FolderGrant.objects.create(folder=thing, principal=principal.text, access=access)
        else:
            row = DocumentGrant.objects.create(document=thing, principal=principal.text)
        _record("grant.added", thing, principal, access)
    return Share(row.public_id, principal, access)


def unshare(*, user: User, thing: Folder | Document, grant: uuid.UUID) -> None:
    """Take a grant back, at once everywhere. Raises `NotYours` or `GrantNotFound`."""
    _check_owner(user, thing)
    with transaction.atomic():
        _lock(thing)
        row = next((row for row in _rows(thing) if row.public_id == grant), None)
        if row is None:
            raise GrantNotFound
        known = grants.named([row.principal])
        row.delete()
        _record("grant.removed", thing, known.get(row.principal), row.access)


def unshare_with(*, user: User, thing: Folder | Document, principal: Principal) -> None:
    """As `unshare`, for callers that know whom and not which grant."""
    _check_owner(user, thing)
    row = next((row for row in _rows(thing) if row.principal == principal.text), None)
    if row is None:
        raise GrantNotFound
    unshare(user=user, thing=thing, grant=row.public_id)


def _check_owner(user: User, thing: Folder | Document) -> None:
    if thing.owner_id != user.pk or not allows(user, Right.UPLOAD):
        raise NotYours


def _lock(thing: Folder | Document) -> None:
    """Two changes to one thing's grants follow each other."""
    type(thing)._default_manager.select_for_update().filter(pk=thing.pk).first()


def _record(action: str, thing: Folder | Document, principal: Principal | None, access: str) -> None:
    kind = "folder" if isinstance(thing, Folder) else "document"
    audit.record(
        action,
        target=f"{kind}:{thing.public_id}",
        subject=principal.key if principal else None,
        details={"principal": principal.public if principal else "", "access": access},
    )
