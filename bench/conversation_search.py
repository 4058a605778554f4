"""Search in one's own conversations, with rights: 100,000 messages of one tenant, as the product asks.

Two people ask the same questions: one who wrote a fifth of everything, and one with a thousand messages. Words follow
Zipf's law over 60,000; a question's whole way through `assistants.conversations.search` is measured under the web's own
login and row security, from a pooled connection to passages with their highlights.

    python -m bench.conversation_search [--messages 100000] [--asked 60]
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench.kit.stats import percentile, table

VOCABULARY = 60_000
LENGTH = 90  # words of a message
HEAVY, LIGHT = 3, 4  # people's keys
ENDINGS = ("", "s", "e", "es", "ment", "tion", "ing", "ed", "er", "eur")


def vocabulary(dice: random.Random) -> list[str]:
    """Distinct words by falling frequency, with accents and endings of both languages."""
    syllables = ["".join(pair) for pair in itertools.product("bcdfglmnprstv", ["a", "e", "é", "i", "o", "u", "ou", "è"])]
    made: dict[str, None] = {}
    while len(made) < VOCABULARY:
        made["".join(dice.choices(syllables, k=dice.randint(2, 4))) + dice.choice(ENDINGS)] = None
    return list(made)


def texts(words: list[str], dice: random.Random) -> Iterator[list[str]]:
    weights = list(itertools.accumulate(1 / (rank + 10) for rank in range(len(words))))
    while True:
        yield dice.choices(words, cum_weights=weights, k=dice.randint(LENGTH // 3, 2 * LENGTH))


def fill(link: Any, schema: str, messages: int, words: list[str], dice: random.Random) -> list[list[str]]:
    """Conversations of ten messages; returns some of the heavy person's texts, which questions quote."""
    owners = [row[0] for row in link.execute(f"SELECT id FROM {schema}.accounts_user ORDER BY id").fetchall()]
    rest = [owner for owner in owners if owner not in {HEAVY, LIGHT}]
    kept: list[list[str]] = []
    made = texts(words, dice)
    light = max(10, messages // 100)
    link.execute("SET jit = off")
    link.execute(f"SET search_path = {schema}, public")
    conversation = 0
    for first in range(0, messages, 10):
        if first % 10 == 0:
            number = first // 10
            owner = HEAVY if number % 5 == 0 else (LIGHT if number % 5 == 1 and number < light // 2 else rest[number % len(rest)])
            [(conversation,)] = link.execute(
                "INSERT INTO conversations_conversation (public_id, title, created_at, active_at, owner_id, privacy_outcome,"
                " vault, model) VALUES (uuidv7(), %s, now(), now(), %s, 'allow', '{}', '') RETURNING id",
                (" ".join(next(made)[:6]), owner),
            ).fetchall()
        block = [next(made) for _ in range(10)]
        if owner == HEAVY:
            kept.append(block[0])
        with link.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO conversations_message (public_id, role, content, citations, created_at, conversation_id, owner_id)"
                " SELECT uuidv7(), 'user', %s, '[]', now(), id, owner_id FROM conversations_conversation WHERE id = %s",
                [(" ".join(text), conversation) for text in block],
            )
    link.execute("VACUUM ANALYZE")
    return kept


def questions(words: list[str], kept: list[list[str]], dice: random.Random) -> dict[str, Callable[[], str]]:
    def two() -> str:
        return " ".join(dice.sample(dice.choice(kept)[:30], 2)) + " "

    def phrase() -> str:
        text = dice.choice(kept)
        start = dice.randrange(len(text) - 3)
        return f'"{" ".join(text[start : start + 3])}"'

    return {
        "rare word": lambda: words[dice.randrange(20_000, VOCABULARY)] + " ",
        "word in the middle": lambda: words[dice.randrange(500, 5_000)] + " ",
        "frequent word": lambda: words[dice.randrange(20)] + " ",
        "two words": two,
        "two frequent words": lambda: f"{words[dice.randrange(20)]} {words[dice.randrange(20)]} ",
        "phrase": phrase,
        "prefix of 2 while typing": lambda: words[dice.randrange(5_000)][:2],
        "prefix of 4 while typing": lambda: words[dice.randrange(5_000)][:4],
        "nothing": lambda: "xylophonequartz ",
    }


def measure(schema: str, owner: int, asked: int, kinds: dict[str, Callable[[], str]]) -> list[dict[str, object]]:
    from django.db import connections

    from accounts.models import User
    from assistants.conversations.search import search
    from isolation import context

    here, user = context.person(schema, owner, frozenset({"member"})), User(pk=owner, role="member")
    rows: list[dict[str, object]] = []
    everything: list[float] = []
    for kind, question in kinds.items():
        walls, found = [], 0
        for number in range(asked + 5):
            text = question()
            begun = time.perf_counter()
            with context.use(here):
                hits = search(user=user, query=text)
            connections.close_all()
            if number >= 5:
                walls.append((time.perf_counter() - begun) * 1000)
                found += len(hits)
        everything += walls
        walls.sort()
        rows.append(row(owner, kind, walls, found / asked))
    rows.append(row(owner, "all of them", sorted(everything), None))
    return rows


def row(owner: int, kind: str, walls: list[float], found: float | None) -> dict[str, object]:
    figures = {"p50 ms": f"{percentile(walls, 0.5):.1f}", "p95 ms": f"{percentile(walls, 0.95):.1f}"}
    return {"person": "heavy" if owner == HEAVY else "light", "question": kind, **figures, "found": found}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--messages", type=int, default=100_000)
    made.add_argument("--asked", type=int, default=60)
    args = made.parse_args()
    from tests import cluster  # First: it names the settings and puts platform/ in reach.

    cluster.start()
    try:
        tenants = subprocess.run(
            [sys.executable, "tests/provision.py"],
            env=cluster.environment(DATABASE_MIGRATOR_URL=cluster.MIGRATOR_URL),
            check=True,
            capture_output=True,
            text=True,
        )
        schema = tenants.stdout.split()[1]
        dice = random.Random(7)
        words = vocabulary(dice)
        with cluster.POSTGRES._connect("cloison") as link:
            begun = time.perf_counter()
            kept = fill(link, schema, args.messages, words, dice)
            print(f"{args.messages} messages written and indexed in {time.perf_counter() - begun:.0f} s")
            size = "SELECT pg_size_pretty(pg_relation_size(%s)), pg_size_pretty(pg_total_relation_size(%s))"
            names = (f"{schema}.conversations_words", f"{schema}.conversations_searchentry")
            print("index {}, with entries {}".format(*link.execute(size, names).fetchone()))
        import django

        django.setup()
        rows = [each for owner in (HEAVY, LIGHT) for each in measure(schema, owner, args.asked, questions(words, kept, dice))]
        print(table(rows))
    finally:
        cluster.stop()


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    main()
