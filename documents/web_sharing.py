"""Who can see a folder or a document, on its page: shown to whoever sees it, changed by its owner."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts import grants
from accounts.models import User
from accounts.permissions import Right, allows
from core.errors import AppError
from documents import services, sharing
from documents.models import Document, Folder
from documents.sharing import Share

EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class Who:
    """The line under a title."""

    icon: str
    text: str


def person(request: HttpRequest) -> User:
    """Who asks: `login_required` lets nobody else in."""
    return cast("User", request.user)


def who(request: HttpRequest, thing: Folder | Document, shares: list[Share]) -> Who:
    """Who can see a folder or document, in a few words."""
    folder = thing if isinstance(thing, Folder) else thing.folder
    if folder and folder.visibility == Folder.Visibility.TENANT:
        return Who("building-2", _("Everyone at %(name)s") % {"name": request.site.name})
    if thing.owner_id != person(request).pk:
        return Who("users", _("Shared with you"))
    through_folder = isinstance(thing, Document) and folder is not None and (folder.readers or folder.owner_id != thing.owner_id)
    if through_folder:
        return Who("users", _("You, and whoever can open its folder"))
    if not shares:
        return Who("lock", _("Only you"))
    names = ", ".join(share.principal.label for share in shares[:3])
    rest = len(shares) - 3
    if rest > 0:
        names = ngettext("%(names)s and %(n)d other", "%(names)s and %(n)d others", rest) % {"names": names, "n": rest}
    return Who("users", _("You and %(names)s") % {"names": names})


def share_panel(request: HttpRequest, thing: Folder | Document) -> dict[str, Any]:
    """What `documents/_share.html` shows, and the line that says who can see it."""
    user = person(request)
    found = sharing.shares(user=user, thing=thing)
    kind = "folder" if isinstance(thing, Folder) else "document"
    panel: dict[str, Any] = {
        "who": who(request, thing, found),
        "kind": kind,
        "is_owner": thing.owner_id == user.pk,
        "may_share": thing.owner_id == user.pk and allows(user, Right.UPLOAD),
        "rows": [{"share": share, "name": share.principal.label} for share in found],
        "open": isinstance(thing, Folder) and thing.visibility == Folder.Visibility.TENANT,
        "add": reverse(f"{kind}-share", args=[thing.public_id]),
        "remove": reverse(f"{kind}-unshare", args=[thing.public_id]),
    }
    if panel["may_share"]:
        taken = {share.principal.text for share in found}
        free = [p for p in grants.directory(without=user.pk) if p.text not in taken]
        panel["choices"] = [
            (title, [(f"{p.kind}:{p.id or p.name}", p.label) for p in free if p.kind == kind_])
            for title, kind_ in ((_("Groups"), "group"), (_("People"), "user"), (_("Roles"), "role"))
        ]
    return panel


def _thing(request: HttpRequest, kind: str, public_id: uuid.UUID) -> Folder | Document:
    found: Folder | Document | None
    if kind == "folder":
        found = Folder.objects.visible_to(person(request)).filter(public_id=public_id).first()
    else:
        found = Document.objects.visible_to(person(request)).select_related("folder").filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found


def _back(thing: Folder | Document) -> HttpResponse:
    if isinstance(thing, Folder):
        return redirect(f"{reverse('documents')}?folder={thing.public_id}#share")
    return redirect(f"{reverse('document', args=[thing.public_id])}#share")


@login_required
@require_POST
def share(request: HttpRequest, public_id: uuid.UUID, kind: str) -> HttpResponse:
    """`principal` is "user:<id>", "group:<id>", "role:<name>", or, for a folder, "everyone"."""
    thing, user = _thing(request, kind, public_id), person(request)
    given, access = request.POST.get("principal", ""), request.POST.get("access", "read")
    try:
        if given == EVERYONE and isinstance(thing, Folder):
            services.change_folder(user=user, folder=thing, visibility=Folder.Visibility.TENANT)
            messages.success(request, _("Everyone here can read it now"))
            return _back(thing)
        principal = _principal(given)
        sharing.share(user=user, thing=thing, principal=principal, access="write" if access == "write" else "read")
    except AppError as error:
        messages.error(request, str(error.detail))
    else:
        messages.success(request, _("Shared with %(name)s") % {"name": principal.label})
    return _back(thing)


@login_required
@require_POST
def unshare(request: HttpRequest, public_id: uuid.UUID, kind: str) -> HttpResponse:
    """`grant` is the grant's id, or, for a folder, "everyone"."""
    thing, user = _thing(request, kind, public_id), person(request)
    given = request.POST.get("grant", "")
    try:
        if given == EVERYONE and isinstance(thing, Folder):
            services.change_folder(user=user, folder=thing, visibility=Folder.Visibility.PRIVATE)
        else:
            sharing.unshare(user=user, thing=thing, grant=uuid.UUID(given))
    except ValueError:
        raise Http404 from None
    except AppError as error:
        messages.error(request, str(error.detail))
    else:
        messages.success(request, _("No longer shared"))
    return _back(thing)


def _principal(given: str) -> grants.Principal:
    kind, _colon, rest = given.partition(":")
    try:
        return grants.find(kind, name=rest) if kind == "role" else grants.find(kind, id=uuid.UUID(rest))
    except ValueError:
        raise grants.NoSuchPrincipal from None
