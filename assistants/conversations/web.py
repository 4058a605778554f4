"""The chat page. It reads and works without a script; `static/js/chat.js` makes it live."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from assistants.conversations import privacy, services, sharing
from assistants.conversations.models import Conversation, Message, Run
from assistants.conversations.rendering import render_answer, source_url
from assistants.profiles.models import Assistant
from core.errors import AppError, NotFound
from documents.models import Folder
from gateway import access, catalogue

RECENT = 50  # conversations in the sidebar
PAGE = 50  # messages on one page
LONGEST_DRAFT = 2_000

ERROR_TEXTS: dict[str, str | Promise] = {
    "no_permitted_model": gettext_lazy("No model that may answer this is available. Nothing was sent elsewhere."),
    "provider_unavailable": gettext_lazy("The model does not answer."),
    "provider_timeout": gettext_lazy("The model did not answer in time."),
    "provider_rejected": gettext_lazy("The model's provider refused the request."),
    "provider_invalid": gettext_lazy("The model answered something that cannot be read."),
    "budget_exceeded": gettext_lazy("The budget is spent. Local models still answer."),
    "context_too_long": gettext_lazy("The conversation is too long for this model. Begin a new one."),
    "internal": gettext_lazy("The answer failed on our side."),
    "rate_limited": gettext_lazy("Too many messages in one minute."),
    "run_in_progress": gettext_lazy("An answer is still being written. Wait for it or stop it."),
    "message_too_long": gettext_lazy("The message is too long."),
    "empty_message": gettext_lazy("The message is empty."),
    "not_found": gettext_lazy("This conversation does not exist any more."),
    "unavailable": gettext_lazy("The server cannot take messages at the moment."),
}
REASON_TEXTS: dict[str, str | Promise] = {
    "named": gettext_lazy("You or the assistant named this model."),
    "default_model": gettext_lazy("It is the model set for this installation."),
    "only_model": gettext_lazy("It is the only model connected."),
    "first_model": gettext_lazy("It is the first of the connected models."),
    "builtin_only": gettext_lazy("No model is connected: the built-in demonstration model quotes your documents."),
    "builtin_named": gettext_lazy("The built-in demonstration model was chosen."),
    "no_permitted_model": gettext_lazy("No permitted model answers."),
    "pinned": gettext_lazy("Your organisation set this model."),
    "cheapest": gettext_lazy("It is the cheapest model that is able."),
    "fastest": gettext_lazy("It is the model that answers fastest."),
    "auto_easy": gettext_lazy("The question looks simple: a modest model answers."),
    "auto_hard": gettext_lazy("The question looks hard: an able model answers."),
    "builtin_last": gettext_lazy("No other model answers: the built-in one quotes your documents."),
    "filtered_privacy": gettext_lazy("Models outside were left out: the turn holds personal data."),
    "filtered_health": gettext_lazy("A model that is down was left out."),
    "filtered_budget": gettext_lazy("A model beyond the budget was left out."),
    "filtered_window": gettext_lazy("A model that reads less was left out."),
    "filtered_ability": gettext_lazy("A model that cannot do this was left out."),
    "provider_unavailable": gettext_lazy("Another model failed, and this one took over."),
    "provider_timeout": gettext_lazy("Another model was silent, and this one took over."),
}


KIND_TEXTS: dict[str, str | Promise] = {
    "email": gettext_lazy("an e-mail address"),
    "phone": gettext_lazy("a phone number"),
    "card": gettext_lazy("a bank card"),
    "iban": gettext_lazy("a bank account"),
    "nir": gettext_lazy("a social security number"),
    "secret": gettext_lazy("a key or password"),
    "value": gettext_lazy("a confidential value"),
    "name": gettext_lazy("a name"),
}
PART_TEXTS: dict[str, str | Promise] = {
    "message": gettext_lazy("The message holds %(what)s."),
    "history": gettext_lazy("The conversation holds %(what)s."),
    "passage": gettext_lazy("A passage found holds %(what)s."),
    "instructions": gettext_lazy("The assistant's instructions hold %(what)s."),
}
PRIVACY_TEXTS = {f"{kind}:{part}" for kind in KIND_TEXTS for part in PART_TEXTS}


def reason_text(code: str) -> str:
    """A sentence for a reason's code; "" where there is none."""
    if code in REASON_TEXTS:
        return str(REASON_TEXTS[code])
    kind, _colon, part = code.partition(":")
    if part not in PART_TEXTS:
        return ""
    return str(PART_TEXTS[part]) % {"what": KIND_TEXTS.get(kind, gettext_lazy("something confidential"))}


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as the page shows it. An answer has its run and the question it answers."""

    message: Message
    run: Run | None = None
    html: SafeString | str = ""
    question: str = ""
    sources: tuple[dict[str, Any], ...] = ()

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
        return [text for code in codes if (text := reason_text(code))]

    @property
    def error_words(self) -> str:
        code = self.run.error_code if self.run else ""
        return str(ERROR_TEXTS.get(code, ERROR_TEXTS["internal"]))


def person(request: HttpRequest) -> User:
    """Who asks: `login_required` lets nobody else in."""
    return cast("User", request.user)


def recent(user: User) -> list[dict[str, Any]]:
    """The latest conversations by day, for the sidebar."""
    answering = Exists(Run.objects.open().filter(conversation=OuterRef("pk")))
    rows = Conversation.objects.visible_to(user).annotate(answering=answering)[:RECENT]
    today = timezone.localdate()
    groups: dict[str, dict[str, Any]] = {}
    for row in rows:
        age = today - timezone.localdate(row.active_at)
        if age < timedelta(days=1):
            key, name = "today", _("Today")
        elif age < timedelta(days=2):
            key, name = "yesterday", _("Yesterday")
        elif age < timedelta(days=7):
            key, name = "week", _("Last 7 days")
        else:
            key, name = "earlier", _("Earlier")
        groups.setdefault(key, {"key": key, "name": name, "rows": []})["rows"].append(row)
    return list(groups.values())


def _page(request: HttpRequest, *, conversation: Conversation | None, thread: Sequence[Shown], **more: Any) -> HttpResponse:
    user = person(request)
    chosen = conversation.assistant if conversation else None
    context = {
        "section": "conversations",
        "recent": recent(user),
        "conversation": conversation,
        "thread": thread,
        "seen_by": sharing.audience_of(conversation) if conversation else "",
        "assistant": chosen or Assistant.objects.visible_to(user).first(),
        "folder_count": Folder.objects.visible_to(user).count(),
        "model": next(iter(access.usable(catalogue.available())), None),
        "draft": request.GET.get("draft", "")[:LONGEST_DRAFT],
        "error_texts": ERROR_TEXTS,
        "reason_texts": REASON_TEXTS | {code: reason_text(code) for code in sorted(PRIVACY_TEXTS)},
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
    rows = Message.objects.filter(conversation=row).select_related("run").order_by("-pk")
    try:
        before = uuid.UUID(request.GET.get("before", ""))
    except ValueError:
        pass
    else:
        rows = rows.filter(pk__lt=rows.filter(public_id=before).values("pk")[:1])
    found = list(rows[: PAGE + 1])
    earlier = found[PAGE - 1].public_id if len(found) > PAGE else None
    return _page(request, conversation=row, thread=_thread(found[:PAGE][::-1]), earlier=earlier)


def _thread(rows: Sequence[Message]) -> list[Shown]:
    """Messages as shown, oldest first."""
    questions = {row.pk: row.content for row in rows if row.role == Message.Role.USER}
    shown = []
    for row in rows:
        if row.role == Message.Role.USER:
            shown.append(Shown(row))
            continue
        sources = tuple({**citation, "url": source_url(citation)} for citation in row.citations)
        shown.append(
            Shown(
                row,
                run=getattr(row, "run", None),
                html=render_answer(row.content, row.citations),
                question=questions.get(row.parent_id or 0, ""),
                sources=sources,
            )
        )
    return shown


@login_required
@require_POST
def send(request: HttpRequest) -> HttpResponse:
    """The plain form: store the turn and show the conversation, whose answer grows meanwhile."""
    asked: dict[str, Any] = {}
    try:
        where = uuid.UUID(request.POST["conversation"]) if request.POST.get("conversation") else None
        if request.POST.get("assistant") and where is None:
            asked["assistant"] = uuid.UUID(request.POST["assistant"])
    except ValueError:
        raise Http404 from None
    try:
        started = services.start_run(
            owner=person(request), conversation=where, content=request.POST.get("content", ""), request=asked
        )
    except NotFound:
        raise Http404 from None
    except AppError as error:
        messages.error(request, str(ERROR_TEXTS.get(error.code, error.detail)))
        return redirect("conversation", where) if where else redirect("chat")
    return redirect("conversation", started.conversation.public_id)


@login_required
@require_POST
def delete(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    row = _conversation(request, public_id)
    try:
        services.delete_conversation(conversation=row)
    except AppError as error:
        messages.error(request, str(ERROR_TEXTS.get(error.code, error.detail)))
        return redirect("conversation", public_id)
    messages.success(request, _("Conversation deleted"))
    return redirect("chat")
