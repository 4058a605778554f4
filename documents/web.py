"""Pages of documents, of one source, and of search. `static/js/documents.js` adds live progress and drag and drop."""

from __future__ import annotations

import time
import uuid
from pathlib import PurePosixPath
from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import get_language_info, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.permissions import Right, allows
from core.errors import AppError
from documents import services
from documents.models import Document, DocumentText, Embedding, Folder
from documents.search import search
from documents.web_sharing import share_panel

PAGE = 50  # documents
BEGINNING = 4_000  # characters of a text shown without a passage
HITS = 20
MODES = {"hybrid": gettext_lazy("Both"), "vector": gettext_lazy("Meaning"), "text": gettext_lazy("Exact words")}
ICONS = {"xlsx": "file-spreadsheet", "csv": "table", "pptx": "presentation", "pdf": "file-text", "docx": "file-text"}

ERROR_TEXTS: dict[str, str | Promise] = {
    "encrypted": gettext_lazy("The file asks for a password. Save a copy without one, then add it."),
    "unreadable": gettext_lazy("The file is damaged and cannot be read. Save it again, then add it."),
    "no_text": gettext_lazy("No text was found in the file: its pages are pictures."),
    "archive_too_large": gettext_lazy("Unpacked, the file is larger than the limit."),
    "timeout": gettext_lazy("Reading took too long and was stopped. Split the file, then add its parts."),
    "too_complex": gettext_lazy("Reading needed more memory than the limit. Split the file, then add its parts."),
    "parser_lost": gettext_lazy("The reader ended without a word. Try again."),
    "worker_lost": gettext_lazy("The reader stopped several times on this file."),
    "file_missing": gettext_lazy("The stored file is gone. Add it again."),
    "internal": gettext_lazy("Reading failed on our side. Try again."),
    "empty_document": gettext_lazy("The file is empty."),
    "too_large": gettext_lazy("The file is larger than the limit."),
    "unsupported_type": gettext_lazy("This type of file is not read."),
    "storage_full": gettext_lazy("There is no room left. Nothing was stored."),
    "not_allowed": gettext_lazy("You may not add files here."),
    "rate_limited": gettext_lazy("Too many files in one minute. Wait a moment, then add it again."),
    "network": gettext_lazy("The connection broke before the file had arrived. Add it again."),
}


def person(request: HttpRequest) -> User:
    """Who asks: `login_required` lets nobody else in."""
    return cast("User", request.user)


def reason(code: str) -> str:
    """Why a document failed, in words."""
    return str(ERROR_TEXTS.get(code, ERROR_TEXTS["internal"]))


def _language_name(code: str) -> str:
    try:
        return str(get_language_info(code)["name_translated"]) if code else ""
    except KeyError:
        return code


def _dress(row: Document) -> Document:
    """What the templates show beside the stored fields."""
    dressed: Any = row
    dressed.icon = ICONS.get(row.kind, "file-text")
    dressed.reason = reason(row.error_code)
    dressed.language_name = _language_name(row.language)
    return row


def _folder(request: HttpRequest, given: str) -> Folder | None:
    if given in {"", "none"}:
        return None
    try:
        public_id = uuid.UUID(given)
    except ValueError:
        raise Http404 from None
    found = Folder.objects.visible_to(person(request)).filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Documents of one folder (`?folder=<id>`), of none (`?folder=none`), or all that the person may read."""
    user = person(request)
    given, query, status = (request.GET.get(name, "") for name in ("folder", "q", "status"))
    folder = _folder(request, given)
    mine = given == "none"
    rows = Document.objects.visible_to(user).select_related("folder")
    if folder or mine:
        rows = rows.filter(folder=folder)
    if query:
        rows = rows.filter(title__icontains=query[:200].replace("\0", ""))
    if status in Document.Status.values:
        rows = rows.filter(status=status)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    may_upload = allows(user, Right.UPLOAD)
    kept = {name: value for name, value in (("folder", given), ("q", query), ("status", status)) if value}
    context = {
        "section": "documents",
        "folder": folder,
        "mine": mine,
        "folders": Folder.objects.visible_to(user).with_counts(),
        "heading": folder.name if folder else _("Without a folder") if mine else _("Documents"),
        "documents": [_dress(row) for row in page],
        "page": page,
        "total": page.paginator.count,
        "filters": f"{urlencode(kept)}&" if kept else "",
        "query": query,
        "status": status,
        "states": Document.Status.choices,
        "may_upload": may_upload,
        "may_upload_here": may_upload and (folder is None or folder.takes_from(user)),
        "panel": share_panel(request, folder) if folder else None,
        "limit_mb": settings.CLOISON_MAX_UPLOAD // 1024 // 1024,
        "error_texts": ERROR_TEXTS,
    }
    return render(request, "documents/index.html", context)


def _document(request: HttpRequest, public_id: uuid.UUID) -> Document:
    found = Document.objects.visible_to(person(request)).select_related("folder").filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return _dress(found)


@login_required
@require_GET
def row(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One row of the list, for the script that keeps it current."""
    return render(request, "documents/_row.html", {"document": _document(request, public_id)})


def marks_of(box: dict[str, Any] | None) -> dict[str, Any] | None:
    """A passage's rectangles on one page as x, y, width, height, in the page's own units."""
    if not box:
        return None
    lines = [
        {"x": round(x0, 2), "y": round(y0, 2), "width": round(x1 - x0, 2), "height": round(y1 - y0, 2)}
        for x0, y0, x1, y1 in box["rects"]
    ]
    return {"page": box["page"], "width": box["width"], "height": box["height"], "lines": lines}


def _number(request: HttpRequest, name: str) -> int | None:
    given = request.GET.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 9 else None


@login_required
@require_GET
def document(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """A document: with `?start=&end=` the passage marked on its page, with `?page=` that page, else its first."""
    found = _document(request, public_id)
    start, end, number = (_number(request, name) for name in ("start", "end", "page"))
    body = DocumentText.objects.filter(document=found).first()
    context: dict[str, Any] = {"section": "documents", "document": found, "folder": found.folder}
    context["folders"] = Folder.objects.visible_to(person(request)).with_counts()
    context["panel"] = share_panel(request, found)
    if body and start is not None and end is not None and start < end <= len(body.text):
        context |= {"passage": body.text[start:end], "start": start, "end": end}
        chunk = Embedding.objects.filter(document=found, start__lte=start, end__gte=end).first()
        if chunk and chunk.boxes:
            box = next((box for box in chunk.boxes if box["page"] == number), chunk.boxes[0])
            number = box["page"]
            context["marks"] = marks_of(box)
        context["passage_language"] = chunk.language if chunk else ""
    elif body and found.kind != "pdf":
        context["beginning"] = body.text[:BEGINNING]
    pages = found.page_count or 0
    context["number"] = min(max(number or 1, 1), pages) if pages else None
    return render(request, "documents/source.html", context)


def _back(folder: Folder | None) -> HttpResponse:
    return redirect(f"{reverse('documents')}{f'?folder={folder.public_id}' if folder else ''}")


@login_required
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """The plain form, several files at once."""
    folder = _folder(request, request.POST.get("folder", ""))
    for file in request.FILES.getlist("file"):
        name = PurePosixPath(file.name or "").name
        try:
            services.upload_document(owner=person(request), file=file, folder=folder.public_id if folder else None)
        except AppError as error:
            messages.error(request, f"{name}: {ERROR_TEXTS.get(error.code, error.detail)}")
        else:
            messages.success(request, _("%(name)s was added") % {"name": name})
    return _back(folder)


@login_required
@require_POST
def retry(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    found = _document(request, public_id)
    try:
        services.retry_document(user=person(request), document=found)
    except AppError as error:
        messages.error(request, str(error.detail))
    return _back(found.folder)


@login_required
@require_POST
def delete(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    found = _document(request, public_id)
    try:
        services.delete_document(user=person(request), document=found)
    except AppError as error:
        messages.error(request, str(error.detail))
    else:
        messages.success(request, _("%(name)s was deleted") % {"name": found.title})
    return _back(found.folder)


@login_required
@require_POST
def create_folder(request: HttpRequest) -> HttpResponse:
    name, visibility = request.POST.get("name", "").strip()[:100], request.POST.get("visibility", "")
    if not name or visibility not in Folder.Visibility.values:
        return _back(None)
    try:
        return _back(services.create_folder(owner=person(request), name=name, visibility=visibility))
    except AppError as error:
        messages.error(request, str(error.detail))
        return _back(None)


@login_required
@require_POST
def delete_folder(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    folder = _folder(request, str(public_id))
    assert folder is not None
    try:
        services.delete_folder(user=person(request), folder=folder)
    except AppError as error:
        messages.error(request, str(error.detail))
        return _back(folder)
    messages.success(request, _("Folder deleted"))
    return _back(None)


@login_required
@require_GET
def search_page(request: HttpRequest) -> HttpResponse:
    """`?q=` and `mode`: the best passages, each with its page."""
    query, mode = request.GET.get("q", "").strip(), request.GET.get("mode", "hybrid")
    context: dict[str, Any] = {"section": "search", "query": query, "modes": MODES.items(), "hits": []}
    context["mode"] = mode if mode in MODES else "hybrid"
    if query:
        begun = time.perf_counter()
        try:
            found = search(user=person(request), query=query, top_k=HITS, mode=context["mode"])
        except AppError as error:
            context["refused"] = error.detail
        else:
            context["hits"] = [
                {
                    "citation": citation,
                    "url": f"{reverse('document', args=[citation.document])}?start={citation.start}&end={citation.end}",
                    "marks": marks_of(citation.box),
                }
                for citation in found
            ]
            context["milliseconds"] = round((time.perf_counter() - begun) * 1000)
    return render(request, "search/index.html", context)
