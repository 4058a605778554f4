"""Open WebUI's export: a list of `{id, title, chat: {title, models, history: {messages, currentId}, messages, tags}}`."""

from __future__ import annotations

from typing import Any

from assistants.conversations.importing.parsed import Grafter, ParsedConversation, members, moment, name, names, text, walk

SOURCE = "open_webui"
# Thoughts and calls stand in an answer's text as folds, each with its type.
FOLD, FOLD_END = '<details type="', "</details>"
FOLDS = {"reasoning": "reasoning", "tool_calls": "tool_call", "code_interpreter": "code_output"}


def matches(value: dict[str, Any]) -> bool:
    chat = members(value.get("chat"))
    return isinstance(members(chat.get("history")).get("messages"), dict) or isinstance(chat.get("messages"), list)


def read(value: dict[str, Any]) -> ParsedConversation:
    """Raises `NotReadable`."""
    chat = members(value.get("chat"))
    parsed = ParsedConversation(
        SOURCE,
        name(value.get("id")) or name(chat.get("id")),
        (text(value.get("title"), 200) or text(chat.get("title"), 200)).strip(),
        created_at=moment(value.get("created_at")) or moment(chat.get("timestamp")),
        active_at=moment(value.get("updated_at")),
        tags=names(members(value.get("meta")).get("tags")) or names(chat.get("tags")),
        pinned=value.get("pinned") is True,
        archived=value.get("archived") is True,
    )
    nodes, leaf = _nodes(chat)
    grafter = Grafter(parsed)
    for key, parent in walk(_children(nodes)):
        _add(grafter, key, parent, nodes[key])
    if text(chat.get("system")) or text(members(chat.get("params")).get("system")):
        parsed.skip("custom_instructions")
    return grafter.end(leaf)


def _nodes(chat: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], str | None]:
    """The tree, or the plain list of old exports as a tree of one branch; and where the active branch ends."""
    history = members(chat.get("history"))
    if isinstance(listed := history.get("messages"), dict) and listed:
        leaf = history.get("currentId")
        return {key: members(node) for key, node in listed.items()}, leaf if isinstance(leaf, str) else None
    nodes: dict[str, dict[str, Any]] = {}
    last: str | None = None
    plain = chat.get("messages")
    for number, given in enumerate(plain if isinstance(plain, list) else [], 1):
        key = name(members(given).get("id")) or f"#{number}"
        nodes[key] = {**members(given), "parentId": last}
        last = key
    return nodes, last


def _children(nodes: dict[str, dict[str, Any]]) -> dict[str | None, list[str]]:
    place = {
        child: number
        for node in nodes.values()
        if isinstance(listed := node.get("childrenIds"), list)
        for number, child in enumerate(listed)
        if isinstance(child, str)
    }
    found: dict[str | None, list[str]] = {}
    for key, node in nodes.items():
        parent = node.get("parentId")
        found.setdefault(parent if isinstance(parent, str) and parent in nodes and parent != key else None, []).append(key)
    for siblings in found.values():
        siblings.sort(key=lambda key: place.get(key, len(nodes)))
    return found


def _add(grafter: Grafter, key: str, parent: str | None, message: dict[str, Any]) -> None:
    role = text(message.get("role"))
    words, lost = _words(message.get("content"))
    for file in (found if isinstance(found := message.get("files"), list) else [])[:100]:
        lost.append("image" if members(file).get("type") == "image" else "attachment")
    if message.get("sources"):
        lost.append("sources")
    if message.get("tool_calls"):
        lost.append("tool_call")
    if members(message.get("annotation")).get("rating"):
        lost.append("feedback")
    if role == "tool":
        return grafter.leave_out(key, parent, "tool_result")
    if not words:
        if message.get("error"):
            lost.append("failed_answer")
        return grafter.leave_out(key, parent, *(lost or ["empty"]))
    for reason in lost:
        grafter.parsed.skip(reason, key)
    model = name(message.get("model")) if role == "assistant" else ""
    grafter.add(
        key,
        parent,
        role,
        words,
        created_at=moment(message.get("timestamp")),
        external_id=name(message.get("id")) or name(key),
        origin={"model": model} if model else {},
    )
    return None


def _words(content: Any) -> tuple[str, list[str]]:
    """A message's text without its folds, and reasons for what is left out."""
    if isinstance(content, list):
        lost: list[str] = []
        words: list[str] = []
        for part in content:
            kind = members(part).get("type")
            if kind == "text":
                words.append(text(part.get("text")))
            else:
                lost.append("image" if kind == "image_url" else "unknown_part")
        return "\n\n".join(words).strip(), lost
    return _without_folds(text(content))


def _without_folds(said: str) -> tuple[str, list[str]]:
    kept: list[str] = []
    lost: list[str] = []
    at = 0
    while (start := said.find(FOLD, at)) >= 0:
        end = said.find(FOLD_END, start)
        kind = said[start + len(FOLD) : start + len(FOLD) + 30].partition('"')[0]
        if end < 0 or kind not in FOLDS:
            kept.append(said[at : start + len(FOLD)])
            at = start + len(FOLD)
            if end < 0:
                break
            continue
        kept.append(said[at:start])
        lost.append(FOLDS[kind])
        at = end + len(FOLD_END)
    kept.append(said[at:])
    return "".join(kept).strip(), lost
