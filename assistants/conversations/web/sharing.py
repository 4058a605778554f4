"""Pages of sharing and moving: a link's copy, the links of a conversation, and what goes out and comes in."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from assistants.conversations import sharing
from assistants.conversations.importing.services import start_import
from assistants.conversations.models import Conversation, Import
from assistants.conversations.rendering import render_answer
from core.errors import AppError, NotFound
from core.views import not_found

SHOWN = 50  # links and imports on a page
DAYS = {"1": 1, "7": 7, "30": 30, "90": 90, "365": 365}
REASONS: dict[str, str | Promise] = {
    "image": gettext_lazy("an image"),
    "audio": gettext_lazy("a recording"),
    "attachment": gettext_lazy("a file"),
    "attachments": gettext_lazy("files"),  # Of imports that knew no files yet.
    "attachment_missing": gettext_lazy("a file that is not in the archive"),
    "attachment_changed": gettext_lazy("a file that is damaged or was changed"),
    "attachment_too_large": gettext_lazy("a file that is too large"),
    "attachment_refused": gettext_lazy("a file that cannot be read"),
    "too_many_attachments": gettext_lazy("a file more than a message may have"),
    "files_too_large": gettext_lazy("a file beyond what all files of an import may have"),
    "files_took_too_long": gettext_lazy("a file that there was no time left to read"),
    "tool_call": gettext_lazy("a call of a tool"),
    "tool_result": gettext_lazy("what a tool gave back"),
    "code_output": gettext_lazy("what a program printed"),
    "reasoning": gettext_lazy("the model's thoughts"),
    "sources": gettext_lazy("sources of another system"),
    "feedback": gettext_lazy("an opinion about an answer"),
    "custom_instructions": gettext_lazy("custom instructions"),
    "system": gettext_lazy("a hidden instruction"),
    "hidden": gettext_lazy("a hidden message"),
    "unknown_role": gettext_lazy("a message of neither person nor assistant"),
    "unknown_part": gettext_lazy("a part of a kind that is not known"),
    "failed_answer": gettext_lazy("an answer that had failed"),
    "empty": gettext_lazy("an empty message"),
    "too_long": gettext_lazy("a message of more than 500,000 characters"),
    "tags": gettext_lazy("tags"),
    "folder": gettext_lazy("a folder"),
    "no_messages": gettext_lazy("the conversation holds no message"),
    "broken_tree": gettext_lazy("the conversation's messages do not fit together"),
    "too_many_messages": gettext_lazy("the conversation has too many messages"),
    "conversation_too_large": gettext_lazy("the conversation is too large"),
    "unreadable": gettext_lazy("the conversation cannot be read"),
    "unknown_shape": gettext_lazy("the entry is no conversation"),
}
ERRORS: dict[str, str | Promise] = {
    "unknown_format": gettext_lazy("This is no export of conversations that can be read"),
    "broken_file": gettext_lazy("The file is damaged or not complete"),
    "too_large": gettext_lazy("The file is too large"),
    "archive_too_large": gettext_lazy("The archive unpacks to more than is allowed"),
    "too_deep": gettext_lazy("The file is nested too deeply"),
    "too_many_conversations": gettext_lazy("There are more conversations in the file than one import may bring"),
    "nothing_imported": gettext_lazy("No conversation of the file can be brought in"),
    "unknown_version": gettext_lazy("The file was made by a newer version"),
    "storage_full": gettext_lazy("There is no room left"),
}


def person(request: HttpRequest) -> User:
    """Who asks: `login_required` lets nobody else in."""
    return cast("User", request.user)


@dataclass(frozen=True, slots=True)
class SharedMessage:
    """One message of a copy."""

    is_question: bool
    text: str
    html: SafeString | str
    sources: list[dict[str, Any]]
    number: int


def _shown(number: int, message: dict[str, Any]) -> SharedMessage:
    if message["role"] == "user":
        return SharedMessage(True, message["content"], "", [], number)
    # Whoever reads a copy may not be let into the documents: a number leads to the list of names below, no further.
    html = render_answer(message["content"], message["sources"], link=lambda source: f"#s{number}-{source['number']}")
    return SharedMessage(False, "", html, message["sources"], number)


@require_GET
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """A link's copy. Unknown, ended and foreign links are one and the same page."""
    found = sharing.open_link(token)
    if found is None:
        response = not_found(request, Http404())
    elif found.copy is None:
        response = redirect_to_login(request.get_full_path())
    else:
        copy = found.copy
        page = {"copy": copy, "thread": [_shown(number, message) for number, message in enumerate(copy.messages, 1)]}
        response = render(request, "conversations/shared.html", page)
    response.headers["Cache-Control"] = "no-store, max-age=0"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _rows(request: HttpRequest, conversation: Conversation | None = None) -> list[dict[str, Any]]:
    found = []
    for share in sharing.shares(person(request), conversation)[:SHOWN]:
        token = sharing.token_of(share)
        url = request.build_absolute_uri(reverse("share", args=[token])) if token else ""
        found.append({"share": share, "url": url, "state": sharing.state_of(share)})
    return found


def _conversation(request: HttpRequest, public_id: uuid.UUID) -> Conversation:
    rows = Conversation.objects.visible_to(person(request)).select_related("assistant")
    found = rows.filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def share(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The links of a conversation, and the form for another; as a page, or with `?part=1` what a dialog shows."""
    row = _conversation(request, public_id)
    if request.method == "POST":
        try:
            sharing.create_share(
                owner=person(request),
                conversation=row,
                audience="public" if request.POST.get("audience") == "public" else "tenant",
                days=DAYS.get(request.POST.get("days", ""), sharing.DAYS),
                named=request.POST.get("named") == "on",
            )
        except AppError as error:
            messages.error(request, str(error.detail))
        else:
            messages.success(request, _("The link is made"))
        return redirect("conversation-share", public_id)
    page = {
        "section": "conversations",
        "conversation": row,
        "rows": _rows(request, row),
        "public_allowed": sharing.policy().public_links,
    }
    template = "_share_panel" if request.GET.get("part") else "share"
    return render(request, f"conversations/{template}.html", page)


@login_required
@require_POST
def revoke(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    try:
        conversation = sharing.revoke_share(owner=person(request), share=public_id)
    except NotFound as error:
        raise Http404 from error
    messages.success(request, _("The link no longer works"))
    if request.POST.get("back") == "conversation":
        return redirect("conversation-share", conversation.public_id)
    return redirect("moving")


@login_required
@require_GET
def moving(request: HttpRequest) -> HttpResponse:
    """One's own links, imports, and what can be taken along."""
    page = {
        "section": "settings",
        "rows": _rows(request),
        "imports": Import.objects.visible_to(person(request)).defer("skipped", "result", "reasons")[:SHOWN],
    }
    return render(request, "conversations/moving.html", page)


@login_required
@require_POST
def bring(request: HttpRequest) -> HttpResponse:
    file = request.FILES.get("file")
    if file is None:
        messages.error(request, _("Choose a file first."))
        return redirect("moving")
    try:
        row = start_import(owner=person(request), file=cast("Any", file), name=file.name or "")
    except AppError as error:
        messages.error(request, str(error.detail))
        return redirect("moving")
    return redirect("brought", row.public_id)


@login_required
@require_GET
def brought(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """What came of an import; while it runs the page looks again by itself."""
    row = Import.objects.visible_to(person(request)).filter(public_id=public_id).first()
    if row is None:
        raise Http404
    reasons = [(REASONS.get(code, code), count) for code, count in sorted(row.reasons.items(), key=lambda each: -each[1])]
    skipped = [{**each, "words": REASONS.get(each["reason"], each["reason"])} for each in row.skipped]
    page = {
        "section": "settings",
        "row": row,
        "reasons": reasons,
        "skipped": skipped,
        "more": sum(row.reasons.values()) - len(skipped),
        "error_words": ERRORS.get(row.error_code, row.error_code),
    }
    response = render(request, "conversations/brought.html", page)
    if row.is_open:
        response.headers["Refresh"] = "3"
    return response
