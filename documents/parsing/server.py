"""The warm parser: a process that has imported the readers and forks a bounded child for each document.

Started by `sandbox` with `python -m documents.parsing.server`. A line of JSON on standard input asks for one document,
a line on standard output answers; it ends with its standard input. One document at a time: each worker has its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from documents.parsing import child

WALL_SECONDS = 120.0
POLL_SECONDS = 0.01


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the worker decides when to stop.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # What a library prints must not look like an answer.
    for line in sys.stdin:
        request = json.loads(line)
        warm(request["kind"])
        answers.write(json.dumps(serve(request)) + "\n")
        answers.flush()


def warm(kind: str) -> None:
    """Import what this kind needs before the fork, once."""
    if kind == "pdf":
        import documents.parsing.pdf  # noqa: F401
    elif kind == child.PICTURE:
        import documents.parsing.pictures  # noqa: F401
    else:
        from documents.parsing.office import partitioner

        partitioner(kind)


def serve(request: dict[str, Any]) -> dict[str, Any]:
    """Fork, wait, and say how it went: `{}` when the result file is there, else `{code, detail}`."""
    process = os.fork()
    if process == 0:
        child.run(request)
    until = time.monotonic() + float(request.get("wall", WALL_SECONDS))
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            break
        if time.monotonic() > until:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return {"code": "too_complex", "detail": "wall clock"}
        time.sleep(POLL_SECONDS)
    return verdict(status)


def verdict(status: int) -> dict[str, Any]:
    """What a child's exit status means for its document."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        limit = number in {signal.SIGXCPU, signal.SIGKILL, signal.SIGXFSZ}
        return {"code": "too_complex" if limit else "unreadable", "detail": signal.Signals(number).name}
    code = os.WEXITSTATUS(status)
    if code == child.EXIT_MEMORY:
        return {"code": "too_complex", "detail": "memory"}
    return {"code": "unreadable", "detail": f"exit {code}"} if code else {}


if __name__ == "__main__":
    main()
