from __future__ import annotations

import json

import pytest

from gateway.clients.openai import OpenAIAnswer
from gateway.clients.sse import MAX_EVENT, EventReader, EventTooLong, LineReader
from gateway.types import TextDelta

STREAM = 'event: x\r\ndata: {"a":"é"}\r\n\r\n: comment\n\nid: 7\ndata: one\ndata:two\n\ndata: [DONE]\n\n'.encode()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_however_the_network_cuts_them(size: int) -> None:
    reader = EventReader()

    events = [event for at in range(0, len(STREAM), size) for event in reader.feed(STREAM[at : at + size])]

    assert events == ['{"a":"é"}'.encode(), b"one\ntwo", b"[DONE]"]


def test_an_event_without_end_is_refused() -> None:
    reader = EventReader()

    with pytest.raises(EventTooLong):
        for _ in range(MAX_EVENT):
            reader.feed(b"data: " + b"x" * 60_000)


def test_a_last_event_without_its_blank_line_counts() -> None:
    reader = EventReader()

    assert [*reader.feed(b"data: one\n\ndata: two"), *reader.finish()] == [b"one", b"two"]


def chunk(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


def test_halves_of_a_character_in_two_events_are_joined() -> None:
    answer = OpenAIAnswer()

    answer.read(chunk("a\ud83d"))
    first = answer.take()
    answer.read(chunk("\ude00b\0\ud83d") + b"data: [DONE]\n\n")

    assert [*first, *answer.take()] == [TextDelta("a"), TextDelta("😀b\ufffd")]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_lines_are_the_same_however_the_network_cuts_them(size: int) -> None:
    stream = '{"a":"é"}\r\n\n{"b":1}\n{"c":2}'.encode()
    reader = LineReader()

    lines = [line for at in range(0, len(stream), size) for line in reader.feed(stream[at : at + size])] + reader.finish()

    assert [json.loads(line) for line in lines] == [{"a": "é"}, {"b": 1}, {"c": 2}]


def test_a_line_without_end_is_refused() -> None:
    reader = LineReader()

    with pytest.raises(EventTooLong):
        for _ in range(MAX_EVENT):
            reader.feed(b"x" * 60_000)
