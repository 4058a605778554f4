"""The chat page's forms that walk and grow the tree: each acts, then shows the conversation; `branches.js` swaps it in place."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from assistants.conversations import attachments, branches
from assistants.conversations.failures import ERROR_TEXTS
from assistants.conversations.models import Feedback
from assistants.conversations.web.chat import person
from core.errors import AppError, NotFound


def _shown(conversation: uuid.UUID, message: uuid.UUID) -> HttpResponse:
    return redirect(f"{reverse('conversation', args=[conversation])}#m-{message}")


def _done(request: HttpRequest, conversation: uuid.UUID, message: uuid.UUID, act: Callable[[], uuid.UUID]) -> HttpResponse:
    """Do something and show the conversation at the message that `act` returns; where it may not be, say so there."""
    try:
        return _shown(conversation, act())
    except NotFound:
        raise Http404 from None
    except AppError as error:
        messages.error(request, str(ERROR_TEXTS.get(error.code, error.detail)))
        return _shown(conversation, message)


def _of(request: HttpRequest, message: uuid.UUID) -> uuid.UUID:
    try:
        return branches.visible_message(person(request), message).conversation.public_id
    except NotFound:
        raise Http404 from None


@login_required
@require_POST
def edit(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    content = request.POST.get("content", "")

    def act() -> uuid.UUID:
        asked = attached(request)
        return branches.edit_message(owner=person(request), message=public_id, content=content, request=asked).message.public_id

    return _done(request, _of(request, public_id), public_id, act)


def attached(request: HttpRequest) -> dict[str, Any]:
    """Those of the question that stay, and others: ids, and files where no script has sent them. Raises as `upload_all`."""
    if "chosen" not in request.POST:
        return {}
    try:
        wanted = [uuid.UUID(each) for each in request.POST.getlist("attachments")]
    except ValueError:
        raise Http404 from None
    if files := [file for file in request.FILES.getlist("files") if file]:
        wanted += attachments.upload_all(owner=person(request), files=files)
    return {"attachments": wanted}


@login_required
@require_POST
def regenerate(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    def act() -> uuid.UUID:
        return branches.regenerate(owner=person(request), message=public_id, request={}).answer.public_id

    return _done(request, _of(request, public_id), public_id, act)


@login_required
@require_POST
def go_on(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Continue the run of an answer that broke off."""
    where = _of(request, public_id)

    def act() -> uuid.UUID:
        run = getattr(branches.visible_message(person(request), public_id), "run", None)
        if run is None:
            raise branches.NotContinuable
        return branches.continue_run(owner=person(request), run=run.public_id, request={}).answer.public_id

    return _done(request, where, public_id, act)


@login_required
@require_POST
def activate(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    def act() -> uuid.UUID:
        branches.activate(owner=person(request), message=public_id)
        return public_id

    return _done(request, _of(request, public_id), public_id, act)


@login_required
@require_POST
def feedback(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """`rating` up or down; empty takes it back."""
    form = request.POST
    given: dict[str, Any] = {"rating": form.get("rating", ""), "reason": form.get("reason", "")}

    def act() -> uuid.UUID:
        if given["rating"] not in Feedback.Rating.values or given["reason"] not in {"", *Feedback.Reason.values}:
            branches.take_rating_back(owner=person(request), message=public_id)
        else:
            branches.rate(owner=person(request), message=public_id, comment=form.get("comment", ""), **given)
        return public_id

    return _done(request, _of(request, public_id), public_id, act)
