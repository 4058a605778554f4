"""The chat page. It reads and works without a script; `static/js/chat.js` makes it live."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from assistants.conversations import attachments, branches, drafts, privacy, services, sharing
from assistants.conversations.failures import ERROR_TEXTS, text_of
from assistants.conversations.models import Attachment, Conversation, Feedback, Message, Run
from assistants.conversations.rendering import render_answer, source_url
from assistants.conversations.web.showing import Window, choice_of, composer, window
from assistants.conversations.web.sidebar import recent
from assistants.profiles.models import Assistant
from core.errors import AppError, NotFound
from gateway import picking, reasons

PAGE = 50  # messages on one page
LONGEST_DRAFT = 2_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as the page shows it. An answer has its run; one of several to be compared has all of them as `group`."""

    message: Message
    run: Run | None = None
    html: SafeString | str = ""
    sources: tuple[dict[str, Any], ...] = ()
    siblings: Sequence[uuid.UUID] = ()
    feedback: Feedback | None = None
    continued: bool = False
    group: tuple[Shown, ...] = ()

    @property
    def position(self) -> int:
        """Among its siblings, counted from 1."""
        return self.siblings.index(self.message.public_id) + 1

    @property
    def previous(self) -> uuid.UUID | None:
        return self.siblings[self.position - 2] if self.position > 1 else None

    @property
    def following(self) -> uuid.UUID | None:
        return self.siblings[self.position] if self.position < len(self.siblings) else None

    @property
    def can_go_on(self) -> bool:
        return self.run is not None and not self.continued and branches.is_continuable(self.run, self.message)

    @property
    def ending(self) -> str:
        """How a broken-off answer ended; "" where it did not break off."""
        return self.run.status if self.run and self.run.is_final and self.run.status != Run.Status.COMPLETED else ""

    @property
    def is_open(self) -> bool:
        return self.run is not None and not self.run.is_final

    @property
    def citations_json(self) -> str:
        return json.dumps(self.message.citations)

    @property
    def route(self) -> str:
        return str(self.run.routing.get("route", "")) if self.run else ""

    @property
    def left(self) -> bool:
        """Whether there is something that left to be looked at."""
        return self.route in {"cloud", "pseudonymised"}

    @property
    def model(self) -> str:
        return str(self.run.routing.get("model_name") or self.run.routing.get("model") or "") if self.run else ""

    @property
    def reasons(self) -> list[str]:
        codes = self.run.routing.get("reasons", []) if self.run else []
        return [text for code in codes if (text := reasons.text_of(code))]

    @property
    def attached(self) -> list[Attachment]:
        """Prefetched (`branches.rows_of`)."""
        return list(self.message.attachments.all()) if self.message.role == Message.Role.USER else []

    @property
    def refusals(self) -> list[str]:
        """Why no model may answer; the code itself has its own words."""
        codes = self.run.routing.get("reasons", []) if self.run and self.route == "refused" else []
        return [text for code in codes if code != self.run.error_code and (text := reasons.text_of(code))]  # type: ignore[union-attr]

    @property
    def error_words(self) -> str:
        return text_of(self.run.error_code if self.run else "")


def person(request: HttpRequest) -> User:
    """Who asks: `login_required` lets nobody else in."""
    return cast("User", request.user)


def _page(request: HttpRequest, *, conversation: Conversation | None, thread: Sequence[Shown], **more: Any) -> HttpResponse:
    user = person(request)
    chosen = conversation.assistant if conversation else None
    kept = drafts.of(user, conversation)
    context = {
        "section": "conversations",
        "recent": recent(user),
        "conversation": conversation,
        "thread": thread,
        "seen_by": sharing.audience_of(conversation) if conversation else "",
        "assistant": chosen or Assistant.objects.visible_to(user).first(),
        **composer(user, conversation),
        "feedback_reasons": Feedback.Reason.choices,
        "nil": uuid.UUID(int=0),
        "draft": request.GET.get("draft", "")[:LONGEST_DRAFT] or (kept.text if kept else ""),
        "error_texts": ERROR_TEXTS,
        "reason_texts": reasons.every_text(),
        "unavailable_texts": picking.REASONS,
        **more,
    }
    return render(request, "conversations/chat.html", context)


@login_required
@require_GET
def new(request: HttpRequest) -> HttpResponse:
    return _page(request, conversation=None, thread=[])


def _conversation(request: HttpRequest, public_id: uuid.UUID) -> Conversation:
    found = Conversation.objects.visible_to(person(request)).select_related("assistant").filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found


@login_required
@require_GET
def sent(request: HttpRequest, public_id: uuid.UUID, run: uuid.UUID) -> HttpResponse:
    """The exact text that left for a provider, beside what it stands for here."""
    try:
        disclosure, shown, withheld = privacy.what_was_sent(user=person(request), run=run)
    except NotFound as error:
        raise Http404 from error
    found = disclosure.run
    if found.conversation.public_id != public_id:
        raise Http404
    page = {"section": "conversations", "disclosure": disclosure, "shown": shown, "withheld": withheld, "run": found}
    return render(
        request, "conversations/sent.html", {**page, "recent": recent(person(request)), "conversation": found.conversation}
    )


@login_required
@require_GET
def conversation(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The latest messages, or with `?before=<message id>` those before it."""
    row = _conversation(request, public_id)
    before, editing = (_uuid(request.GET.get(name, "")) for name in ("before", "edit"))
    found = window(user=person(request), conversation=row, before=before, most=PAGE)
    return _page(request, conversation=row, thread=_thread(found), earlier=found.earlier, editing=editing)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _thread(found: Window) -> list[Shown]:
    """Messages as shown, oldest first; answers that are still to be compared as one group in the place of the last."""
    rows = found.rows[:-1] if found.compared else found.rows
    shown = [_shown(row, found) for row in rows]
    if found.compared:
        shown.append(Shown(found.compared[0], group=tuple(_shown(row, found) for row in found.compared)))
    return shown


def _shown(row: Message, found: Window) -> Shown:
    siblings = found.siblings[row.pk]
    if row.role == Message.Role.USER:
        return Shown(row, siblings=siblings)
    return Shown(
        row,
        run=getattr(row, "run", None),
        html=render_answer(row.content, row.citations),
        sources=tuple({**citation, "url": source_url(citation)} for citation in row.citations),
        siblings=siblings,
        feedback=next(iter(row.feedback.all()), None),
        continued=row.pk in found.continued,
    )


@login_required
@require_POST
def send(request: HttpRequest) -> HttpResponse:
    """The plain form: store the turn and show the conversation, whose answer grows meanwhile."""
    asked: dict[str, Any] = {}
    try:
        where = uuid.UUID(request.POST["conversation"]) if request.POST.get("conversation") else None
        if request.POST.get("assistant") and where is None:
            asked["assistant"] = uuid.UUID(request.POST["assistant"])
        chosen, beside = choice_of(request.POST)
    except ValueError:
        raise Http404 from None
    try:
        if where is None:
            asked |= chosen
        else:
            branches.choose_for(owner=person(request), conversation=_conversation(request, where), **chosen)
        if beside:
            asked["models"] = beside
        if files := [file for file in request.FILES.getlist("files") if file]:
            asked["attachments"] = attachments.upload_all(owner=person(request), files=files)
        started = services.start_run(
            owner=person(request), conversation=where, content=request.POST.get("content", ""), request=asked
        )
    except NotFound:
        raise Http404 from None
    except AppError as error:
        messages.error(request, str(ERROR_TEXTS.get(error.code, error.detail)))
        return redirect("conversation", where) if where else redirect("chat")
    drafts.forget(user=person(request), conversation=started.conversation if where else None)
    return redirect("conversation", started.conversation.public_id)
