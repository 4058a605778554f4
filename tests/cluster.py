"""The suite's own PostgreSQL and Redis. Loaded early (`-p tests.cluster`): settings read the addresses that it sets."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from appliance import places  # noqa: E402
from appliance.keys import provision_keys, web_keys  # noqa: E402
from appliance.postgres import Postgres  # noqa: E402
from appliance.redis_server import Redis  # noqa: E402
from isolation import guard  # noqa: E402
from isolation.context import MIGRATOR_ROLE  # noqa: E402

DATA = Path(tempfile.mkdtemp(prefix="cloison-test-"))
DATA.chmod(0o755)
atexit.register(shutil.rmtree, DATA, ignore_errors=True)
PLACES = places.find(DATA)
PLACES.logs.mkdir(exist_ok=True)
KEYS, PROVISION = web_keys(DATA), provision_keys(DATA)
POSTGRES, REDIS = Postgres(PLACES, PROVISION), Redis(PLACES, KEYS)
MIGRATOR_URL = POSTGRES.url(MIGRATOR_ROLE, PROVISION["DATABASE_MIGRATOR_PASSWORD"])

os.environ.update(
    DJANGO_SETTINGS_MODULE="config.settings.test",
    CLOISON_DATA_DIR=str(DATA),
    DATABASE_URL=POSTGRES.url(guard.APP_LOGIN, KEYS["DATABASE_APP_PASSWORD"]),
    REDIS_URL=REDIS.url,
    SECRET_KEY=KEYS["SECRET_KEY"],
    CLOISON_GUARD_KEY=KEYS["CLOISON_GUARD_KEY"],
    CLOISON_WEIGHTS_DIR=os.environ.get("CLOISON_WEIGHTS_DIR", str(ROOT / "var" / "weights")),
)
# The suite's people are faster than people; the limiter's own tests set the real figures.
os.environ.update(CLOISON_RATE_PER_MINUTE="600000", CLOISON_RATE_BURST="100000", CLOISON_SOCKETS_PER_USER="500")
# Django's synchronous test client has a loop per request, each of which would need a connection of its own.
os.environ.update(CLOISON_LIMITER_TIMEOUT_MS="0")
for name in (
    "CLOISON_MODEL",
    "CLOISON_OPENAI_MODEL",
    "CLOISON_OLLAMA_MODEL",
    "CLOISON_CONTEXT_WINDOW",
    "CLOISON_OPENAI_LOCALITY",
    "OPENAI_API_KEY",
    "OPENAI_API_BASE",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_API_BASE",
    "OLLAMA_API_BASE",
):
    os.environ.pop(name, None)  # The suite talks to its own simulator only.


STRAY = DATA / "stray-connections"
"""Written by `socket_guard` in every process of the product; empty at the end."""


def environment(**more: str) -> dict[str, str]:
    """For a process of the product: the suite's servers, `platform/` where modules are looked for, the socket guard."""
    path = f"{ROOT}:{ROOT / 'platform'}:{ROOT / 'tests' / 'socket_guard'}"
    return {
        **os.environ,
        "PYTHONPATH": path,
        "CLOISON_SOCKET_GUARD_LOG": str(STRAY),
        "PYTHONWARNINGS": "default",
        "CLOISON_LIMITER_TIMEOUT_MS": "50",
        **more,
    }


def manage(*command: str, **more: str) -> str:
    """Run a management command on the suite's servers; returns what it printed. Raises where it failed."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *command], capture_output=True, text=True, env=environment(**more), check=False
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def start() -> None:
    """Servers, guard, tables; stopped and removed when the process ends."""
    atexit.register(stop)
    POSTGRES.start()
    POSTGRES.prepare(KEYS)
    REDIS.start()
    manage("migrate_tenants", DATABASE_MIGRATOR_URL=MIGRATOR_URL)
    with open(Path(tempfile.gettempdir()) / "cloison-test-weights.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Several processes may run the suite together: the first one fetches.
        manage("fetch_weights", CLOISON_SOCKET_GUARD_LOG="")  # The one call that is meant to leave.


def stop() -> None:
    REDIS.stop()
    POSTGRES.stop()
    shutil.rmtree(DATA, ignore_errors=True)
    if PLACES.servers != DATA / "servers":
        shutil.rmtree(PLACES.servers, ignore_errors=True)
    shutil.rmtree(PLACES.sockets, ignore_errors=True)
