"""A web process that is gone the moment a turn's transaction has committed: its sender never hears of it.

python tests/conversations/dies_on_commit.py --port 8123
"""

from __future__ import annotations

import os
import signal
import sys

import django
from django.core.management import call_command

django.setup()

from assistants.conversations import wakeups  # noqa: E402

wakeups.listen(lambda here, run: os.kill(os.getpid(), signal.SIGKILL))
call_command("serve", *sys.argv[1:])
