"""Processes under test: started, awaited, measured and stopped, each by its own id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PARTS = {"manage.py serve": "web", "manage.py worker": "worker", "redis-server": "redis", "postgres": "postgres"}


@dataclass(slots=True)
class Usage:
    """What a process tree has used: seconds of CPU since its start, and memory now in MiB."""

    cpu_s: float
    rss_mib: float
    pss_mib: float


@dataclass
class Process:
    """One command, run in a session of its own so that it can be ended with its children."""

    name: str
    argv: Sequence[str]
    ready: str = ""
    """an address that answers 200 once the process serves; http://… or tcp://host:port"""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "."
    cores: Sequence[int] = ()
    log_dir: str = str(Path(tempfile.gettempdir()) / "cloison-bench")
    cold_s: float = 0.0
    popen: subprocess.Popen[bytes] | None = None

    def start(self, patience: float = 120.0) -> float:
        """Start, wait until ready, and return the seconds it took."""
        Path(self.log_dir).mkdir(parents=True, exist_ok=True)
        log = Path(self.log_dir) / f"{self.name}.log"
        if self.answers():
            raise RuntimeError(f"something already answers at {self.ready}")
        argv = list(self.argv)
        if self.cores:
            argv = ["taskset", "-c", ",".join(map(str, self.cores)), *argv]
        began = time.monotonic()
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                argv, env={**os.environ, **self.env}, cwd=self.cwd, stdout=output, stderr=output, start_new_session=True
            )
        while not self.answers():
            if self.popen.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.popen.returncode}; see {log}")
            if time.monotonic() - began > patience:
                self.stop()
                raise TimeoutError(f"{self.name} not ready in {patience:.0f} s; see {log}")
            time.sleep(0.02)
        self.cold_s = time.monotonic() - began
        return self.cold_s

    def answers(self) -> bool:
        if self.ready.startswith("tcp://"):
            host, port = self.ready[6:].rsplit(":", 1)
            try:
                socket.create_connection((host, int(port)), 0.5).close()
                return True
            except OSError:
                return False
        try:
            with urllib.request.urlopen(self.ready, timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def tree(self) -> list[psutil.Process]:
        if self.popen is None:
            return []
        try:
            root = psutil.Process(self.popen.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def usage(self) -> Usage:
        cpu = rss = pss = 0.0
        for process in self.tree():
            try:
                times = process.cpu_times()
                memory = process.memory_full_info()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            cpu += times.user + times.system
            rss += memory.rss / 2**20
            pss += memory.pss / 2**20
        return Usage(cpu, rss, pss)

    def cpu(self) -> float:
        """Seconds of CPU used by the tree since its start; the kernel counts them in hundredths."""
        return sum(self.cpu_by_part().values())

    def cpu_by_part(self) -> dict[str, float]:
        """The same by what the processes are: web, worker, redis, postgres, other."""
        parts: dict[str, float] = dict.fromkeys((*PARTS.values(), "other"), 0.0)
        for process in self.tree():
            try:
                times, line = process.cpu_times(), " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            part = next((part for word, part in PARTS.items() if word in line), "other")
            parts[part] += times.user + times.system
        return parts

    def stop(self, patience: float = 15.0) -> None:
        if self.popen is None or self.popen.poll() is not None:
            return
        os.killpg(self.popen.pid, signal.SIGTERM)
        try:
            self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()
