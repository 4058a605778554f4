"""What the walls cost: the same request of ten milliseconds with them and without, in turns of twenty requests.

A request asks six questions (the page of conversations, one of them, its messages, folders, documents, the person) and
spends the rest of its ten milliseconds as Python does. Both sides use a pool and give the connection back after it.

    without    a superuser's login, for whom no policy counts, and Django's own engine with its metrics
    with       the web's login, the signed context, its role, forced row level security, connections wiped after use

The overhead is the median, over all turns, of one side's median to that of the other side beside it.

    python -m bench.isolation [--turns 40]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import Any

from bench.kit.stats import percentile, spread, table

REQUEST_MS = 10.0
TURN = 20  # requests
SIDES = ("without", "with")


def setup(side: str) -> Any:
    import django
    from django.conf import settings

    if side == "without":
        from config import environment

        plain = environment.database(os.environ["BENCH_SUPERUSER_URL"])
        plain["ENGINE"] = settings.ORIGINAL_BACKEND  # Counting queries is no part of the walls.
        plain["OPTIONS"] |= {
            "pool": {"min_size": 1, "max_size": 4},
            "options": f"-c search_path={os.environ['BENCH_SCHEMA']},ext",
        }
        settings.DATABASES["default"] = plain
        # django-tenants' own checks look for its engine and its router; this side has neither.
        import django_tenants.apps

        django_tenants.apps.DjangoTenantsConfig.ready = lambda config: None
    django.setup()
    from isolation import context

    return context


def child(side: str) -> None:
    """Answer each line `REQUESTS FILLER_MS` with the median of so many requests, in milliseconds."""
    context = setup(side)
    from django.db import connections

    from accounts.models import User
    from assistants.conversations.models import Conversation, Message
    from documents.models import Document, Folder

    here = context.person(os.environ["BENCH_SCHEMA"], 3, frozenset({"member"}))
    user = User(pk=3, role="member")

    def ask() -> int:
        seen = len(list(Conversation.objects.visible_to(user)[:50]))
        one = Conversation.objects.visible_to(user).first()
        seen += len(list(Message.objects.filter(conversation=one)[:50]))
        seen += len(list(Folder.objects.visible_to(user)[:50]))
        seen += len(list(Document.objects.visible_to(user)[:50]))
        return seen + (User.objects.get(pk=3).pk or 0)

    def request(filler_ms: float) -> float:
        begun = time.perf_counter()
        with context.use(here):
            seen = ask()
            assert seen > 100, seen
        connections.close_all()
        end = time.perf_counter() + filler_ms / 1000
        while time.perf_counter() < end:
            pass
        return (time.perf_counter() - begun) * 1000

    for _ in range(50):
        request(0)
    for line in sys.stdin:
        requests, filler = line.split()
        print(percentile(sorted(request(float(filler)) for _ in range(int(requests))), 0.5), flush=True)


class Side:
    """A process that asks as one side does."""

    def __init__(self, side: str, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "bench.isolation", "--child", side]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def take(self, filler_ms: float) -> float:
        """The median of one turn's requests, in milliseconds."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{TURN} {filler_ms}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(10)


def fill(schema: str, link: Any) -> None:
    """Two hundred conversations of fifty messages, for two people."""
    link.execute(f"SET search_path = {schema}, public")
    link.execute(
        "INSERT INTO conversations_conversation (public_id, title, created_at, active_at, owner_id, privacy_outcome, vault,"
        " model) SELECT uuidv7(), 'about ' || n, now(), now(), 3 + n % 2, 'allow', '{}', '' FROM generate_series(1, 200) n"
    )
    link.execute(
        "INSERT INTO conversations_message (public_id, role, content, citations, created_at, conversation_id, owner_id)"
        " SELECT uuidv7(), 'user', repeat('word ', 40), '[]', now(), c.id, c.owner_id"
        " FROM conversations_conversation c, generate_series(1, 50)"
    )
    link.execute(
        "INSERT INTO documents_folder (public_id, name, visibility, created_at, owner_id, readers, writers)"
        " SELECT uuidv7(), 'folder ' || n, 'private', now(), 3 + n % 2, '{}', '{}' FROM generate_series(1, 40) n"
    )
    link.execute("ANALYZE")


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--turns", type=int, default=40)
    made.add_argument("--child", help=argparse.SUPPRESS)
    args = made.parse_args()
    if args.child:
        child(args.child)
        return
    from tests import cluster  # First: it names the settings and puts platform/ in reach.

    from appliance.postgres import SUPERUSER  # isort: skip

    cluster.start()
    made_tenants = subprocess.run(
        [sys.executable, "tests/provision.py"],
        env=cluster.environment(DATABASE_MIGRATOR_URL=cluster.MIGRATOR_URL),
        check=True,
        capture_output=True,
        text=True,
    )
    schema = made_tenants.stdout.split()[1]
    with cluster.POSTGRES._connect("cloison") as link:
        fill(schema, link)
    superuser = cluster.POSTGRES.url(SUPERUSER, cluster.PROVISION["DATABASE_SUPERUSER_PASSWORD"])
    environment = cluster.environment(
        BENCH_SUPERUSER_URL=superuser, BENCH_SCHEMA=schema, PYTHONWARNINGS="ignore", CLOISON_LOG_LEVEL="ERROR"
    )

    sides = {side: Side(side, environment) for side in SIDES}
    filler = max(0.0, REQUEST_MS - min(sides["without"].take(0.0) for _ in range(5)))
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(args.turns):
        for side in SIDES:
            found[side].append(sides[side].take(filler))
    for each in sides.values():
        each.end()
    ratios = [after / before for before, after in zip(found["without"], found["with"], strict=True)]
    rows: list[dict[str, object]] = []
    for side, figures in found.items():
        wall = spread(figures)
        overhead = spread([0.0] if side == "without" else [(ratio - 1) * 100 for ratio in ratios])["median"]
        rows.append({"side": side, "p50 ms": f"{wall['median']:.2f} (best {wall['min']:.2f})", "overhead": f"{overhead:+.1f} %"})
    print(table(rows))
    cluster.stop()


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    main()
