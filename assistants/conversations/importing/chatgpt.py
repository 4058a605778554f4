"""ChatGPT's export: `conversations.json`, alone or in its archive.

A conversation is a `mapping` of nodes with `parent` and `children`; a node's `message` has `author.role`, `content`
with `content_type` and `parts`, `create_time` in seconds; `current_node` ends the active branch. A file is named by its asset, in
a part's `asset_pointer` or among `metadata.attachments`, and lies in the archive under a name that begins with it.
"""

from __future__ import annotations

import re
from typing import Any

from assistants.conversations.attachments import MOST
from assistants.conversations.importing.parsed import (
    Grafter,
    ParsedConversation,
    ParsedFile,
    members,
    moment,
    name,
    text,
    walk,
)

SOURCE = "chatgpt"
INSTRUCTIONS = {"user_editable_context", "model_editable_context"}
THOUGHTS = {"thoughts", "reasoning_recap"}
PICTURE = "image_asset_pointer"
POINTER = re.compile(r"(?:file-service|sediment)://(file[-_][A-Za-z0-9]{1,64})(?![A-Za-z0-9])")
LISTED = 100  # files of one message that are looked at
PARTS = {PICTURE: "image", "audio_asset_pointer": "audio", "real_time_user_audio_video_asset_pointer": "audio"}


def matches(value: dict[str, Any]) -> bool:
    return isinstance(value.get("mapping"), dict)


def read(value: dict[str, Any]) -> ParsedConversation:
    """Raises `NotReadable`."""
    parsed = ParsedConversation(
        SOURCE,
        name(value.get("conversation_id")) or name(value.get("id")),
        text(value.get("title"), 200).strip(),
        created_at=moment(value.get("create_time")),
        active_at=moment(value.get("update_time")),
    )
    nodes = {key: members(node) for key, node in value["mapping"].items()}
    grafter = Grafter(parsed)
    for key, parent in walk(_children(nodes)):
        _add(grafter, key, parent, members(nodes[key].get("message")))
    return grafter.end(leaf if isinstance(leaf := value.get("current_node"), str) else None)


def _children(nodes: dict[str, dict[str, Any]]) -> dict[str | None, list[str]]:
    """Each node under the parent that it names, in the order in which the parent names its children."""
    place = {
        child: number
        for node in nodes.values()
        if isinstance(listed := node.get("children"), list)
        for number, child in enumerate(listed)
        if isinstance(child, str)
    }
    found: dict[str | None, list[str]] = {}
    for key, node in nodes.items():
        parent = node.get("parent")
        found.setdefault(parent if isinstance(parent, str) and parent in nodes and parent != key else None, []).append(key)
    for siblings in found.values():
        siblings.sort(key=lambda key: place.get(key, len(nodes)))
    return found


def _add(grafter: Grafter, key: str, parent: str | None, message: dict[str, Any]) -> None:
    content, metadata = members(message.get("content")), members(message.get("metadata"))
    role = text(members(message.get("author")).get("role"))
    words, lost = _words(content)
    files = _files(content, metadata)
    others = [reason for reason in lost if reason != PARTS[PICTURE]]  # Pictures are among the files.
    lost = [*others, *(file.missing for file in files)]
    if reason := _not_a_turn(role, message, content, metadata):
        # A placeholder without a word in it, such as the root's, is nothing that could be lost.
        nothing = role in {"system", ""} and not words and reason != "custom_instructions"
        return grafter.leave_out(key, parent, *([] if nothing else [reason]), *(lost if role != "tool" else []))
    if not words:
        return grafter.leave_out(key, parent, *lost)
    for reason in [*others, *["too_many_attachments"] * len(files[MOST:])] if role == "user" else lost:
        grafter.parsed.skip(reason, key)
    model = name(metadata.get("model_slug"))
    grafter.add(
        key,
        parent,
        role,
        words,
        created_at=moment(message.get("create_time")),
        external_id=name(message.get("id")) or name(key),
        origin={"model": model} if model else {},
        attachments=files[:MOST] if role == "user" else [],
    )
    return None


def _files(content: dict[str, Any], metadata: dict[str, Any]) -> list[ParsedFile]:
    """What a message holds of files, each once: a picture stands in its parts, and mostly among its attachments, too."""
    listed, parts = metadata.get("attachments"), content.get("parts")
    attached = [
        ParsedFile(text(members(given).get("name"), 1000), asset=name(members(given).get("id")), missing="attachment")
        for given in (listed[:LISTED] if isinstance(listed, list) else [])
    ]
    named = {file.asset: file.name for file in attached}
    pictures = []
    for part in parts[:LISTED] if isinstance(parts, list) else []:
        if members(part).get("content_type") == PICTURE:
            pointer = POINTER.match(text(part.get("asset_pointer"), 500))
            asset = pointer[1] if pointer else ""
            pictures.append(ParsedFile(named.get(asset, ""), asset=asset, missing=PARTS[PICTURE]))
    drawn = {file.asset for file in pictures} - {""}
    return [*pictures, *(file for file in attached if file.asset not in drawn)]


def _not_a_turn(role: str, message: dict[str, Any], content: dict[str, Any], metadata: dict[str, Any]) -> str:
    """Why a message is none of a conversation between two; "" where it is."""
    kind = content.get("content_type")
    if metadata.get("is_user_system_message") is True or kind in INSTRUCTIONS:
        return "custom_instructions"
    if role == "tool":
        return "code_output" if kind == "execution_output" else "tool_result"
    if role in {"system", ""}:
        return "system"
    if metadata.get("is_visually_hidden_from_conversation") is True:
        return "hidden"
    if kind in THOUGHTS:
        return "reasoning"
    if role == "assistant" and (kind == "code" or message.get("recipient") not in {None, "all"}):
        return "tool_call"
    return ""


def _words(content: dict[str, Any]) -> tuple[str, list[str]]:
    """A message's text, and reasons for what is no text in it."""
    parts = content.get("parts")
    if not isinstance(parts, list):
        found = text(content.get("text")) or text(content.get("result"))
        return found.strip(), []
    words: list[str] = []
    lost: list[str] = []
    for part in parts:
        said, reason = _part(part)
        if said:
            words.append(said)
        if reason:
            lost.append(reason)
    return "\n\n".join(words).strip() if lost else "".join(words).strip(), lost


def _part(part: Any) -> tuple[str, str]:
    """What a part says, or why it is left out."""
    if isinstance(part, str):
        return text(part), ""
    kind = members(part).get("content_type")
    if kind == "audio_transcription":
        return text(part.get("text")), ""
    return "", (PARTS.get(kind, "unknown_part") if isinstance(kind, str) else "unknown_part") if part is not None else ""
