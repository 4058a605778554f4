"""The suite: servers of its own, whose addresses come by environment (tests/conftest.py); cheap passwords, no pace."""

import logging
import os

os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 40)
os.environ.setdefault("CLOISON_GUARD_KEY", "ab" * 32)

from config.settings.base import *  # noqa: E402, F403

CLOISON_BUILTIN_PACE_MS = float(os.environ.get("CLOISON_BUILTIN_PACE_MS", "0"))
logging.getLogger("httpx").setLevel(logging.WARNING)
