"""Cutting a JSON file into conversations gives what decoding it as a whole gives, wherever its parts end."""

from __future__ import annotations

import json
import random
import string
import time
from typing import Any

import pytest

from assistants.conversations.importing.errors import BrokenFile, TooDeep
from assistants.conversations.importing.pieces import cut

SIGNS = string.ascii_letters + '"\\/{}[],: \n\t\u00e9\U0001f9a6\ud800'


def a_value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(4 if depth < 5 else 2)
    if kind == 0:
        return chance.choice([None, True, -1.5e-7, 0, 12345678901234567890])
    if kind == 1:
        return "".join(chance.choices(SIGNS, k=chance.randrange(30)))
    if kind == 2:
        return [a_value(chance, depth + 1) for _ in range(chance.randrange(5))]
    return {"".join(chance.choices(SIGNS, k=5)): a_value(chance, depth + 1) for _ in range(chance.randrange(5))}


def in_parts(body: bytes, chance: random.Random) -> list[bytes]:
    at, parts = 0, []
    while at < len(body):
        size = chance.choice([1, 2, 3, 7, 50, 1000])
        parts.append(body[at : at + size])
        at += size
    return parts


@pytest.mark.parametrize("seed", range(60))
def test_pieces_are_what_decoding_the_whole_gives(seed: int) -> None:
    chance = random.Random(seed)
    values = [a_value(chance) for _ in range(chance.randrange(6))]
    indent = chance.choice([None, 2])
    listed = json.dumps(values, ensure_ascii=chance.random() < 0.5, indent=indent).encode("utf-8", "surrogatepass")
    head = {"format": "x", 'a "conversations"': [1, {"conversations": [2]}], "version": 1, "conversations": values, "z": "]}"}
    wrapped = json.dumps(head, indent=indent).encode()
    lonely = {"title": '"conversations": [', "messages": values}

    def read(body: bytes) -> list[Any]:
        return [json.loads(piece.json.decode("utf-8", "surrogatepass")) for piece in cut(in_parts(body, chance)) if piece.json]

    assert read(b"\xef\xbb\xbf " + listed + b" \n") == values
    assert read(wrapped) == values
    assert read(json.dumps(lonely).encode()) == [lonely]
    whole = json.dumps(values).encode()
    for end in range(1, len(whole)):
        with pytest.raises(BrokenFile):
            list(cut([whole[:end]]))


def test_what_is_made_to_be_slow_is_not() -> None:
    begun = time.process_time()
    for body in (b'["' + b"\\\\" * 4_000_000 + b'"]', b'{"a":' + b"[]," * 200_000 + b"1]}", b'["' + b'\\"' * 4_000_000 + b'"]'):
        try:
            list(cut(body[at : at + 65_536] for at in range(0, len(body), 65_536)))
        except BrokenFile:
            continue
    with pytest.raises(TooDeep):
        list(cut([b'{"a":' * 100]))

    assert time.process_time() - begun < 10  # About one second here.
