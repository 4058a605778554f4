"""Pages of order: lists, search, bin, the menu of a conversation. All of it works by plain forms; `static/js/organise.js`
sends the same forms without leaving the page, and gets the sidebar back."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from assistants.conversations import bin as bins
from assistants.conversations import organising, retention, services
from assistants.conversations.failures import ERROR_TEXTS
from assistants.conversations.models import Conversation, ConversationFolder, Tag
from assistants.conversations.search import InvalidQuery, search
from assistants.conversations.web.chat import person
from assistants.conversations.web.sidebar import recent
from core.errors import AppError, NotFound

PAGE = 50
FETCHED = "X-Fetched"  # organise.js sends it: the answer is the sidebar, not another page
KINDS: dict[str, Any] = {"folder": ConversationFolder, "tag": Tag}


def _find(request: HttpRequest, public_id: uuid.UUID) -> Conversation:
    """One of the person's, also in the bin."""
    try:
        return bins.find(person(request), public_id)
    except NotFound as error:
        raise Http404 from error


def _done(request: HttpRequest, *where: Any) -> HttpResponse:
    if request.headers.get(FETCHED):
        return sidebar(request)
    return redirect(*where)


def _refuse(request: HttpRequest, error: AppError) -> None:
    messages.error(request, str(ERROR_TEXTS.get(error.code, error.detail)))


@login_required
def sidebar(request: HttpRequest) -> HttpResponse:
    """The sidebar's lists and what is to be said, for scripts; `here` is the conversation that the page shows."""
    user, here = person(request), request.headers.get("X-Here", "")
    try:
        current = Conversation.objects.visible_to(user).filter(public_id=uuid.UUID(here)).first()
    except ValueError:
        current = None
    return render(request, "conversations/_refreshed.html", {"recent": recent(user), "conversation": current})


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """All conversations, those of a folder or a tag, the archive, or with `?q=` what is found."""
    user = person(request)
    asked = {name: request.GET[name] for name in ("folder", "tag", "archived") if request.GET.get(name)}
    page: dict[str, Any] = {"section": "conversations", "recent": recent(user), "query": request.GET.get("q", "")[:600]}
    if page["query"].strip():
        try:
            page["found"] = search(user=user, query=page["query"] + " ", most=50)
        except InvalidQuery as error:
            page["refused"] = error.detail
        return render(request, "conversations/list.html", {**page, "heading": _("Search conversations")})
    try:
        rows = organising.listed(user, asked)
    except organising.InvalidFilter as error:
        raise Http404 from error
    heading = _("Archive") if asked.get("archived") == "true" else _("Conversations")
    for kind, model in KINDS.items():
        if asked.get(kind) and asked[kind] != "none":
            thing = model.objects.visible_to(user).filter(public_id=asked[kind]).first()
            if thing is None:
                raise Http404
            page |= {"thing": thing, "kind": kind}
            heading = thing.name
    shown = Paginator(rows.select_related("folder").prefetch_related("tags"), PAGE).get_page(request.GET.get("page"))
    page |= {
        "heading": heading,
        "page": shown,
        "archived": asked.get("archived") == "true",
        "filters": "".join(f"{name}={value}&" for name, value in asked.items()),
        "tags": Tag.objects.visible_to(user)[: organising.MOST_TAGS],
    }
    return render(request, "conversations/list.html", page)


@login_required
@require_GET
def bin_page(request: HttpRequest) -> HttpResponse:
    user = person(request)
    rows = Paginator(Conversation.objects.in_bin(user), PAGE).get_page(request.GET.get("page"))
    shown = {"section": "conversations", "recent": recent(user), "page": rows, "days": retention.policy().bin_days}
    return render(request, "conversations/bin.html", shown)


@login_required
@require_GET
def menu(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """What can be done with one conversation: a page, or its middle alone for a script."""
    user, row = person(request), _find(request, public_id)
    if row.binned_at or row.temporary:
        raise Http404
    shown = {
        "section": "conversations",
        "conversation": row,
        "folders": ConversationFolder.objects.visible_to(user),
        "tag_names": ", ".join(tag.name for tag in row.tags.all()),
        "known_tags": Tag.objects.visible_to(user)[: organising.MOST_TAGS],
    }
    if request.headers.get(FETCHED):
        return render(request, "conversations/_menu.html", shown)
    return render(request, "conversations/menu.html", {**shown, "recent": recent(user)})


@login_required
@require_POST
def organise(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """`do` is pin, unpin, archive, unarchive, or save: title, folder, new_folder, tags."""
    row, user = _find(request, public_id), person(request)
    if row.binned_at:
        raise Http404
    given = request.POST
    changes: dict[str, Any] = {
        "pin": {"pinned": True},
        "unpin": {"pinned": False},
        "archive": {"archived": True},
        "unarchive": {"archived": False},
    }.get(given.get("do", ""), {})
    try:
        if given.get("do") == "save":
            changes = _saved(request)
        organising.organise(user=user, conversation=row, changes=changes)
    except ValueError:
        raise Http404 from None
    except AppError as error:
        _refuse(request, error)
    return _done(request, "conversation", public_id)


def _saved(request: HttpRequest) -> dict[str, Any]:
    """Raises `ValueError` for an id that is none, and what naming folders and tags does."""
    user, given = person(request), request.POST
    changes: dict[str, Any] = {}
    if title := " ".join(given.get("title", "").replace("\0", "").split())[:200]:
        changes["title"] = title
    if given.get("new_folder", "").strip():
        changes["folder"] = organising.folder_named(owner=user, name=given["new_folder"]).public_id
    elif "folder" in given:
        changes["folder"] = uuid.UUID(given["folder"]) if given["folder"] else None
    if "tags" in given:
        changes["tags"] = [tag.public_id for tag in organising.tags_named(owner=user, names=given["tags"].split(","))]
    return changes


@login_required
@require_POST
def delete(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Into the bin, with a way back; from the bin, or a temporary chat, for good."""
    row = _find(request, public_id)
    was_in_bin = row.binned_at is not None
    try:
        gone = bins.delete(conversation=row)
    except AppError as error:
        _refuse(request, error)
        return _done(request, "bin-page") if was_in_bin else _done(request, "conversation", public_id)
    if gone:
        messages.success(request, _("Removed for good"))
    else:
        messages.success(request, _("Conversation moved to the bin"), extra_tags=f"undo:{public_id}")
    return _done(request, "bin-page") if was_in_bin else _done(request, "chat")


@login_required
@require_POST
def restore(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    bins.restore(conversation=_find(request, public_id))
    messages.success(request, _("Conversation restored"))
    return _done(request, "conversation", public_id)


@login_required
@require_POST
def empty_bin(request: HttpRequest) -> HttpResponse:
    try:
        count = bins.empty(user=person(request))
    except AppError as error:
        _refuse(request, error)
    else:
        text = ngettext("%(n)d conversation removed for good", "%(n)d conversations removed for good", count)
        messages.success(request, text % {"n": count})
    return redirect("bin-page")


@login_required
@require_POST
def temporary(request: HttpRequest) -> HttpResponse:
    """Begin a chat that leaves nothing."""
    made = services.create_conversation(owner=person(request), temporary=True)
    return redirect("conversation", made.public_id)


@login_required
@require_POST
def create_folder(request: HttpRequest) -> HttpResponse:
    try:
        organising.create(ConversationFolder, owner=person(request), name=request.POST.get("name", ""))
    except AppError as error:
        _refuse(request, error)
    return _done(request, "conversations")


@login_required
@require_POST
def change_thing(request: HttpRequest, kind: str, public_id: uuid.UUID) -> HttpResponse:
    """Rename a folder or tag, or with `do=delete` remove it; its conversations stay."""
    if kind not in KINDS:
        raise Http404
    thing = KINDS[kind].objects.visible_to(person(request)).filter(public_id=public_id).first()
    if thing is None:
        raise Http404
    if request.POST.get("do") == "delete":
        organising.remove(thing)
        return redirect("conversations")
    try:
        organising.rename(thing, request.POST.get("name", ""))
    except AppError as error:
        _refuse(request, error)
    return redirect(f"{reverse('conversations')}?{kind}={public_id}")
