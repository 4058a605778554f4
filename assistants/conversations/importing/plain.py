"""The API's own simplest form: `{title, external_id?, messages: [{external_id?, author?, role, content, created_at?}]}`."""

from __future__ import annotations

from typing import Any

from assistants.conversations.importing.parsed import Grafter, ParsedConversation, members, moment, name, text

SOURCE = "api"


def matches(value: dict[str, Any]) -> bool:
    return isinstance(value.get("messages"), list)


def read(value: dict[str, Any]) -> ParsedConversation:
    """Messages follow each other as they stand. Raises `NotReadable`."""
    parsed = ParsedConversation(SOURCE, name(value.get("external_id")), text(value.get("title"), 200).strip())
    grafter = Grafter(parsed)
    last: str | None = None
    for number, given in enumerate(value["messages"], 1):
        message = members(given)
        key = f"#{number}"
        origin = {"author": author} if (author := name(message.get("author"))) else {}
        grafter.add(
            key,
            last,
            text(message.get("role")),
            text(message.get("content")).strip(),
            created_at=moment(message.get("created_at")),
            external_id=name(message.get("external_id")),
            origin=origin,
        )
        last = key
    return grafter.end(last)
