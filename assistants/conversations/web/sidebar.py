"""The conversations beside the page: pinned ones, folders, and the rest by day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from assistants.conversations.models import Conversation, ConversationFolder, Run

SHOWN = 60  # conversations, pinned ones first


def recent(user: User) -> list[dict[str, Any]]:
    """Groups of `{key, name, rows, folder?}`; a folder is there although nothing of late lies in it. Two queries."""
    answering = Exists(Run.objects.open().filter(conversation=OuterRef("pk")))
    rows = (
        Conversation.objects.visible_to(user)
        .listed()
        .filter(archived_at=None)
        .annotate(answering=answering)
        .order_by(F("pinned_at").desc(nulls_last=True), "-active_at", "-pk")[:SHOWN]
    )
    pinned: list[Conversation] = []
    filed: dict[int, list[Conversation]] = {}
    days: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.pinned_at:
            pinned.append(row)
        elif row.folder_id:
            filed.setdefault(row.folder_id, []).append(row)
        else:
            key, name = _day(row)
            days.setdefault(key, {"key": key, "name": name, "rows": []})["rows"].append(row)
    folders = [
        {"key": "folder", "name": folder.name, "folder": folder, "rows": filed.get(folder.pk, [])}
        for folder in ConversationFolder.objects.visible_to(user)
    ]
    top = [{"key": "pinned", "name": _("Pinned"), "rows": pinned}] if pinned else []
    return [*top, *folders, *days.values()]


def _day(row: Conversation) -> tuple[str, str]:
    age = timezone.localdate() - timezone.localdate(row.active_at)
    if age < timedelta(days=1):
        return "today", _("Today")
    if age < timedelta(days=2):
        return "yesterday", _("Yesterday")
    if age < timedelta(days=7):
        return "week", _("Last 7 days")
    return "earlier", _("Earlier")
