"""What the whole request chain costs, beside a bare asynchronous view, in interleaved rounds.

The ASGI application is called in process, with no server and no socket: the figures are the chain's alone, processor
time of this process a request. Each stack runs in a process of its own, on embedded servers that all share.

    bare       the view, no middleware
    nobody     all steps: CORS, limits (Redis), tenant, person (none), right, CSRF, headers, metrics
    bearer     the same for somebody with an access token: remembered under its stamps, read anew every five seconds
    session    the same for somebody with a session

    python -m bench.chain [--rounds 5] [--requests 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any

import uvloop

from bench.kit.stats import percentile, spread, table

STACKS = ("bare", "nobody", "bearer", "session")
PATH = "bench/view/"
WARM_UP = 200


def credentials(stack: str) -> list[tuple[bytes, bytes]]:
    """Headers that sign member@acme.test in."""
    from django.conf import settings

    from accounts import sign_ins, tokens
    from accounts.models import User
    from accounts.sessions import SIGN_IN, SessionStore
    from isolation import context
    from tenants import sites

    site = sites.find("acme.localhost")
    assert site
    with context.use(context.auth(site.schema)):
        user = User.objects.get(email="member@acme.test")
        if stack == "bearer":
            return [(b"authorization", f"Bearer {tokens.sign_in(site.schema, user)['access']}".encode())]
        store = SessionStore(None)
        store["_auth_user_id"] = str(user.pk)
        store["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[0]
        store["_auth_user_hash"] = user.get_session_auth_hash()
        store[SIGN_IN] = str(sign_ins.begin(user=user, kind="session").public_id)
        store.create()
        return [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={store.session_key}".encode())]


def application(stack: str) -> Any:
    import django
    from django.conf import settings

    if stack == "bare":
        settings.MIDDLEWARE = []
    django.setup()
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    from config import access, urls_tenant

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("ok")

    urls_tenant.urlpatterns.insert(0, path(PATH, view))
    access.TENANT[PATH] = {"GET": access.ANYBODY if stack in {"bare", "nobody"} else access.SIGNED_IN}
    return get_asgi_application()


def child(stack: str, requests: int) -> dict[str, float]:
    app = application(stack)
    headers = [(b"host", b"acme.localhost"), *(credentials(stack) if stack in {"bearer", "session"} else [])]
    walls: list[float] = []

    async def one() -> None:
        gone, sent, status = asyncio.Event(), False, 0

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)

        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/{PATH}",
            "raw_path": f"/{PATH}".encode(),
            "query_string": b"",
            "headers": headers,
            "http_version": "1.1",
            "scheme": "http",
            "server": ("acme.localhost", 80),
            "client": ("127.0.0.1", 1),
            "asgi": {"version": "3.0"},
        }
        begun = time.perf_counter()
        await app(scope, receive, send)
        walls.append((time.perf_counter() - begun) * 1e6)
        assert status == 200, status

    async def loop() -> float:
        for _ in range(WARM_UP):
            await one()
        walls.clear()
        before = time.process_time()
        for _ in range(requests):
            await one()
        return time.process_time() - before

    cpu = uvloop.run(loop())
    walls.sort()
    return {"cpu_us": cpu / requests * 1e6, "p50_us": percentile(walls, 0.5)}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--requests", type=int, default=2000)
    made.add_argument("--child", help=argparse.SUPPRESS)
    args = made.parse_args()
    if args.child:
        print(json.dumps(child(args.child, args.requests)))
        return
    from tests import cluster

    cluster.start()
    subprocess.run(
        [sys.executable, "tests/provision.py"],
        env=cluster.environment(DATABASE_MIGRATOR_URL=cluster.MIGRATOR_URL),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    found: dict[str, list[dict[str, float]]] = {stack: [] for stack in STACKS}
    for _ in range(args.rounds):
        for stack in STACKS:
            done = subprocess.run(
                [sys.executable, "-m", "bench.chain", "--child", stack, "--requests", str(args.requests)],
                env=cluster.environment(PYTHONWARNINGS="ignore", CLOISON_LOG_LEVEL="ERROR"),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            found[stack].append(json.loads(done.stdout.strip().splitlines()[-1]))
    base = spread(run["cpu_us"] for run in found["bare"])["median"]
    rows: list[dict[str, object]] = []
    for stack, runs in found.items():
        cpu, wall = spread(run["cpu_us"] for run in runs), spread(run["p50_us"] for run in runs)
        rows.append(
            {
                "stack": stack,
                "cpu µs": f"{cpu['median']:.0f} ({cpu['min']:.0f}–{cpu['max']:.0f})",
                "p50 µs": f"{wall['median']:.0f}",
                "× bare": f"{cpu['median'] / base:.2f}",
            }
        )
    print(table(rows))
    cluster.stop()


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    main()
