"""The worker's side of the parser: starts the warm process when it is first needed, and asks it for documents."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import IO, Any

from documents.parsing.child import PICTURE
from documents.parsing.elements import Parsed, ParsingFailed

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 150.0  # seconds: the child's wall clock, and time to import the readers
INHERITED = {"PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH"}  # The parser is told no secret.
BEAT = 5.0  # seconds between calls of `alive`


class ParserServer:
    """A warm parser and the pipe to it. Threads take turns; a process that was forked makes its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def parse(self, path: Path, kind: str, *, wall: float = 120.0, alive: Callable[[], None] = lambda: None) -> Parsed:
        """Parse a file in a bounded child. `alive` is called every few seconds meanwhile.

        Raises `ParsingFailed`; the code `too_complex` means that a limit (memory, processor, `wall` seconds) was reached.
        """
        return Parsed.from_json(self._outcome({"path": str(path), "kind": kind, "wall": wall}, alive)["parsed"])

    def render(self, path: Path, page: int, *, wall: float = 20.0) -> bytes:
        """A page of a PDF as WebP, drawn in a bounded child. `page` counts from 1. Raises `ParsingFailed`."""
        outcome = self._outcome({"path": str(path), "kind": "pdf", "page": page, "wall": wall}, lambda: None)
        return b64decode(outcome["image"])

    def redraw(self, path: Path, *, wall: float = 20.0) -> tuple[bytes, str]:
        """A person's picture drawn again in a bounded child, and its format (`pictures.redraw`). Raises `ParsingFailed`."""
        outcome = self._outcome({"path": str(path), "kind": PICTURE, "wall": wall}, lambda: None)
        return b64decode(outcome["image"]), outcome["format"]

    def _outcome(self, request: dict[str, Any], alive: Callable[[], None]) -> dict[str, Any]:
        with self._lock, tempfile.TemporaryDirectory(prefix="cloison-parse-") as folder:
            result = Path(folder) / "result.json"
            answer = self._ask({**request, "result": str(result)}, alive)
            if "code" in answer:
                raise ParsingFailed(answer["code"], answer.get("detail", ""))
            outcome: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        if "code" in outcome:
            raise ParsingFailed(outcome["code"], outcome.get("detail", ""))
        return outcome

    def _ask(self, request: dict[str, Any], alive: Callable[[], None]) -> dict[str, Any]:
        process = self._running()
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
            line = _read_line(stdout, alive)
        except (BrokenPipeError, TimeoutError):
            line = b""
        if not line:
            self.stop()
            raise ParsingFailed("parser_lost", "the parser process ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        # A prefork child inherits the object, but the pipe belongs to its parent.
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            environment = {name: value for name, value in os.environ.items() if name in INHERITED}
            environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HOME": tempfile.gettempdir()}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "documents.parsing.server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
                env=environment,
            )
            self._owner = os.getpid()
        return self._process

    def stop(self) -> None:
        """End the warm process. The next document starts another."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        process.terminate()
        process.wait(5)


def _read_line(stream: IO[bytes], alive: Callable[[], None]) -> bytes:
    """One line, or nothing when the stream ends. Raises `TimeoutError`."""
    waited, buffer = 0.0, b""
    with DefaultSelector() as selector:
        selector.register(stream, EVENT_READ)
        while not buffer.endswith(b"\n"):
            if not selector.select(BEAT):
                waited += BEAT
                if waited > PATIENCE:
                    raise TimeoutError("the parser does not answer")
                alive()
                continue
            data = os.read(stream.fileno(), 65536)
            if not data:
                return b""
            buffer += data
    return buffer


parser = ParserServer()
atexit.register(parser.stop)
