"""What the walls cost: the same request of ten milliseconds with them and without, in interleaved rounds.

A request asks six questions (the page of conversations, one of them, its messages, folders, documents, the person) and
spends the rest of its ten milliseconds as Python does. Both sides use a pool and give the connection back after it.

    without    a superuser's login, for whom no policy counts, and Django's own engine
    with       the web's login, the signed context, its role, forced row level security, DISCARD ALL

    python -m bench.isolation [--rounds 5] [--requests 400]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from bench.kit.stats import percentile, spread, table

REQUEST_MS = 10.0
SIDES = ("without", "with")


def setup(side: str) -> Any:
    import django
    from django.conf import settings

    if side == "without":
        from config import environment

        plain = environment.database(os.environ["BENCH_SUPERUSER_URL"])
        plain["ENGINE"] = "django.db.backends.postgresql"
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


def child(side: str, requests: int, filler_ms: float) -> dict[str, float]:
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

    def request() -> float:
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
        request()
    walls = sorted(request() for _ in range(requests))
    return {"p50": percentile(walls, 0.5), "p95": percentile(walls, 0.95)}


def fill(schema: str, link: Any) -> None:
    """Two hundred conversations of fifty messages, for two people."""
    link.execute(f"SET search_path = {schema}, public")
    link.execute(
        "INSERT INTO conversations_conversation (public_id, title, created_at, active_at, owner_id, privacy_outcome, vault)"
        " SELECT uuidv7(), 'about ' || n, now(), now(), 3 + n % 2, 'allow', '{}' FROM generate_series(1, 200) n"
    )
    link.execute(
        "INSERT INTO conversations_message (public_id, role, content, citations, created_at, conversation_id)"
        " SELECT uuidv7(), 'user', repeat('word ', 40), '[]', now(), c.id"
        " FROM conversations_conversation c, generate_series(1, 50)"
    )
    link.execute(
        "INSERT INTO documents_folder (public_id, name, visibility, created_at, owner_id, readers, writers)"
        " SELECT uuidv7(), 'folder ' || n, 'private', now(), 3 + n % 2, '{}', '{}' FROM generate_series(1, 40) n"
    )
    link.execute("ANALYZE")


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--requests", type=int, default=400)
    made.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = made.parse_args()
    if args.child:
        print(json.dumps(child(args.child[0], args.requests, float(args.child[1]))))
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

    def measure(side: str, filler: float) -> dict[str, float]:
        done = subprocess.run(
            [sys.executable, "-m", "bench.isolation", "--child", side, str(filler), "--requests", str(args.requests)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))

    filler = max(0.0, REQUEST_MS - measure("without", 0.0)["p50"])
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(args.rounds):
        for side in SIDES:
            found[side].append(measure(side, filler)["p50"])
    base = spread(found["without"])["median"]
    rows: list[dict[str, object]] = []
    for side, figures in found.items():
        wall = spread(figures)
        rows.append(
            {
                "side": side,
                "p50 ms": f"{wall['median']:.2f} ({wall['min']:.2f}–{wall['max']:.2f})",
                "overhead": f"{(wall['median'] / base - 1) * 100:+.1f} %",
            }
        )
    print(table(rows))
    cluster.stop()


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    main()
