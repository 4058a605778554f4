"""Our own export (docs/export-format.md), whose tree comes back as it was."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

from assistants.conversations.attachments import MOST
from assistants.conversations.importing.errors import UnknownVersion
from assistants.conversations.importing.parsed import (
    Grafter,
    NotReadable,
    ParsedConversation,
    ParsedFile,
    members,
    moment,
    name,
    names,
    text,
    walk,
)
from assistants.conversations.models import Feedback

SOURCE = "cloison"
FORMAT = "cloison.conversations"
VERSION = 1
OF_FORMAT = re.compile(rb'"format"\s*:\s*"cloison\.conversations"')
OF_VERSION = re.compile(rb'"version"\s*:\s*(\d{1,6})\b')
SCORES = ("vector", "text")
LONGEST_COMMENT = 2_000  # characters
SHA256 = re.compile("[0-9a-f]{64}")
LISTED = 100  # attachments of one message that are looked at


def check_version(head: bytes) -> None:
    """Raises `UnknownVersion` where the file says that it is of a later one."""
    if OF_FORMAT.search(head) and (found := OF_VERSION.search(head)) and int(found[1]) > VERSION:
        raise UnknownVersion


def matches(value: dict[str, Any]) -> bool:
    return isinstance(value.get("messages"), list) and "leaf" in value


def read(value: dict[str, Any]) -> ParsedConversation:
    """Raises `NotReadable`."""
    parsed = ParsedConversation(
        SOURCE,
        name(value.get("id")),
        text(value.get("title"), 200).strip(),
        created_at=moment(value.get("created_at")),
        active_at=moment(value.get("active_at")),
        assistant=name(members(value.get("assistant")).get("name")),
        tags=names(value.get("tags")),
        folder=name(value.get("folder")),
        pinned=value.get("pinned") is True,
        archived=value.get("archived") is True,
    )
    nodes = {name(members(given).get("id")): members(given) for given in value["messages"]}
    if len(nodes) != len(value["messages"]) or "" in nodes:
        raise NotReadable("broken_tree")
    grafter = Grafter(parsed)
    for key, parent in _order(nodes):
        message = nodes[key]
        origin = {part: said for part in ("author", "model") if (said := name(message.get(part)))}
        grafter.add(
            key,
            parent,
            text(message.get("role")),
            text(message.get("content")),
            created_at=moment(message.get("created_at")),
            external_id=name(message.get("external_id")) or key,
            origin=origin,
            citations=list(_citations(message.get("citations"))),
            grounded=grounded if isinstance(grounded := message.get("grounded"), bool) else None,
            continues=name(message.get("continues")),
            beside=name(message.get("beside")),
            feedback=_feedback(message.get("feedback")),
            attachments=_attachments(parsed, key, message),
        )
    return grafter.end(name(value.get("leaf")) or None)


def _order(nodes: dict[str, dict[str, Any]]) -> list[tuple[str, str | None]]:
    """As they stand in the file where each follows its parent, else the tree's own order. Raises `NotReadable`."""
    parents = {key: name(node.get("parent")) or None for key, node in nodes.items()}
    seen: set[str | None] = {None}
    for key, parent in parents.items():
        if parent not in seen:
            break
        seen.add(key)
    else:
        return list(parents.items())
    children: dict[str | None, list[str]] = {}
    for key, parent in parents.items():
        children.setdefault(parent, []).append(key)
    order = list(walk(children))
    if len(order) != len(nodes):
        raise NotReadable("broken_tree")
    return order


def _feedback(given: Any) -> dict[str, str]:
    """Empty where it is none that could be given here."""
    said = members(given)
    if said.get("rating") not in Feedback.Rating.values:
        return {}
    reason = said.get("reason")
    return {
        "rating": str(said["rating"]),
        "reason": str(reason) if reason in Feedback.Reason.values else "",
        "comment": text(said.get("comment"), LONGEST_COMMENT),
    }


def _attachments(parsed: ParsedConversation, key: str, message: dict[str, Any]) -> list[ParsedFile]:
    """As many as a question may have; answers have none."""
    given = message.get("attachments")
    listed = given[:LISTED] if isinstance(given, list) else []
    taken = listed[:MOST] if message.get("role") == "user" else []
    for _each in listed[len(taken) :]:
        parsed.skip("too_many_attachments" if taken else "attachment_refused", key)
    hashes = (text(members(each).get("sha256"), 65) for each in listed)
    return [
        ParsedFile(text(members(each).get("name"), 1000), sha256 if SHA256.fullmatch(sha256) else "")
        for each, sha256 in zip(taken, hashes, strict=False)
    ]


def _whole(value: Any, least: int = 0) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31 else None


def _citations(given: Any) -> Iterator[dict[str, Any]]:
    """Known fields of the right kind; a citation without what a page needs of it is none."""
    for one in (given if isinstance(given, list) else [])[:100]:
        citation = members(one)
        number, start, end = (_whole(citation.get(part)) for part in ("number", "start", "end"))
        try:
            document = str(uuid.UUID(citation.get("document")))
        except (ValueError, TypeError, AttributeError):
            continue
        if not number or start is None or end is None:
            continue
        found: dict[str, Any] = {
            "number": number,
            "document": document,
            "title": text(citation.get("title"), 255),
            "page": _whole(citation.get("page"), 1),
            "start": start,
            "end": end,
            "text": text(citation.get("text"), 20_000),
        }
        pages = citation.get("pages")
        found["pages"] = [page for page in pages[:1000] if _whole(page, 1)] if isinstance(pages, list) else []
        if isinstance(score := citation.get("score"), (int, float)) and not isinstance(score, bool):
            found["score"] = float(score)
        scores = members(citation.get("scores"))
        found["scores"] = {part: scores[part] for part in SCORES if isinstance(scores.get(part), (int, float))}
        if isinstance(box := citation.get("box"), list) and len(box) <= 8 and all(isinstance(each, (int, float)) for each in box):
            found["box"] = box
        yield found
