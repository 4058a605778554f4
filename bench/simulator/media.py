"""Pictures and sounds in chat requests: how many there are, and what a real provider would say of them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

PICTURES = {"image/png", "image/jpeg", "image/webp", "image/gif"}
SOUNDS = {"wav", "mp3"}
OPENAI = {"text", "image_url", "input_audio", "refusal"}
ANTHROPIC = {"text", "image", "thinking", "redacted_thinking", "tool_use", "tool_result", "document"}


def images(body: dict[str, Any]) -> int:
    """How many pictures the messages of a request hold, in any of the wires."""
    found = sum(len(message.get("images") or ()) for message in body.get("messages") or ())
    return found + sum(part.get("type") in ("image", "image_url") for part in _parts(body))


def sounds(body: dict[str, Any]) -> int:
    """How many sounds; of the wires here only OpenAI's has them."""
    return sum(part.get("type") == "input_audio" for part in _parts(body))


def complaint(family: str, body: dict[str, Any]) -> str:
    """What the provider of this wire would refuse, in words like its own; empty where it would take the request."""
    try:
        match family:
            case "openai":
                for part in _parts(body):
                    _openai(part)
            case "anthropic":
                for part in _parts(body):
                    _anthropic(part)
            case _:
                _ollama(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return str(error) or "invalid request"
    return ""


def _parts(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for message in body.get("messages") or ():
        if isinstance(message.get("content"), list):
            yield from message["content"]


def _openai(part: dict[str, Any]) -> None:
    kind = part["type"]
    if kind not in OPENAI:
        raise ValueError(f"Invalid value: {kind!r}. Supported values are: {sorted(OPENAI)}.")
    if kind == "image_url" and (url := part["image_url"]["url"]).startswith("data:"):
        head, _, data = url.partition(",")
        _picture(head.removeprefix("data:").removesuffix(";base64"), data)
    elif kind == "input_audio":
        given = part["input_audio"]
        if given["format"] not in SOUNDS:
            raise ValueError(f"Invalid value: {given['format']!r}. Supported values are: 'wav' and 'mp3'.")
        if _sound(_decoded(given["data"])) != given["format"]:
            raise ValueError("The audio data you provided could not be read in the format you named.")


def _anthropic(part: dict[str, Any]) -> None:
    if (kind := part["type"]) not in ANTHROPIC:
        raise ValueError(f"messages: Input tag {kind!r} found using 'type' does not match any of the expected tags: {ANTHROPIC}")
    if kind == "image" and part["source"]["type"] == "base64":
        _picture(part["source"]["media_type"], part["source"]["data"])


def _ollama(body: dict[str, Any]) -> None:
    for message in body.get("messages") or ():
        if not isinstance(message.get("content", ""), str):
            raise TypeError("json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string")
        for image in message.get("images") or ():
            _decoded(image)


def _picture(media_type: str, data: str) -> None:
    if media_type not in PICTURES:
        raise ValueError(f"Unsupported image {media_type!r}: one of {sorted(PICTURES)} is expected.")
    _decoded(data)


def _decoded(data: str) -> bytes:
    try:
        found = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError(f"Invalid base64 data: {error}") from error
    if not found:
        raise ValueError("Invalid base64 data: nothing in it")
    return found


def _sound(data: bytes) -> str:
    """The format of a sound, by its first bytes; empty for others than the two of the wire."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    return "mp3" if data[:3] == b"ID3" or (data[:1] == b"\xff" and data[1:2] >= b"\xe0") else ""
