"""Documents and folders in the tenant's console: that they are there, never what they say."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.console import Block, ReadOnlyAdmin, badge, count_rows, tenant_site
from accounts.models import User
from accounts.permissions import Right, allows
from documents.models import Document, Folder
from documents.web import reason


@admin.register(Document, site=tenant_site)
class DocumentAdmin(ReadOnlyAdmin):
    list_display = ["title", "state", "owner", "folder", "pages", "bytes", "created_at"]
    list_filter = ["status", "kind", "language"]
    list_select_related = ["owner", "folder"]
    search_fields = ["title"]
    date_hierarchy = None
    fields = ["title", "state", "owner", "folder", "content_type", "bytes", "pages", "language", "truncated", "created_at"]

    @admin.display(description=_("state"), ordering="status")
    def state(self, document: Document) -> SafeString:
        failed = document.status == Document.Status.FAILED
        return badge(document.status, document.get_status_display(), reason(document.error_code) if failed else "")

    @admin.display(description=_("size"), ordering="size")
    def bytes(self, document: Document) -> str:
        return filesizeformat(document.size)

    @admin.display(description=_("pages"), ordering="page_count")
    def pages(self, document: Document) -> int | None:
        return document.page_count


@admin.register(Folder, site=tenant_site)
class FolderAdmin(ReadOnlyAdmin):
    list_display = ["name", "visibility", "owner", "documents", "created_at"]
    list_filter = ["visibility"]
    list_select_related = ["owner"]
    search_fields = ["name"]
    fields = ["name", "visibility", "owner", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(documents_here=Count("documents"))
        return rows

    @admin.display(description=_("documents"), ordering="documents_here")
    def documents(self, folder: Any) -> int:
        return int(folder.documents_here)


@tenant_site.board
def documents_by_state(request: HttpRequest) -> Block | None:
    """How many documents are in each state: the failed ones are one click away."""
    if not allows(cast("User", request.user), Right.SEE_INVENTORY):
        return None
    counts = dict(Document.objects.order_by().values_list("status").annotate(Count("pk")))
    url = reverse("admin:documents_document_changelist") + "?status__exact="
    states = [(value, str(label)) for value, label in Document.Status.choices]
    return {"name": _("Documents"), "heads": [_("State"), _("Documents")], "rows": count_rows(states, counts, url)}
