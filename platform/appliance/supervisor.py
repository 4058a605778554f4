"""`manage.py up`: prepare everything, run the product's processes, start again what dies, stop all of it cleanly."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from appliance import places as places_module
from appliance.errors import CannotStart
from appliance.keys import provision_keys, web_keys
from appliance.places import dies_with_us
from appliance.postgres import Postgres
from appliance.redis_server import Redis
from isolation import guard
from isolation.context import MIGRATOR_ROLE

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"
RESTART_AFTER = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds; a child that dies at once again waits longer, never over 5 s
STEADY = 30.0  # seconds after which a child counts as healthy again
STOP_WITHIN = 9.0  # seconds for web, worker and beat together; the servers get what is left of ten
WEB_READY_SECONDS = 60
PRIVILEGED = ("DATABASE_MIGRATOR_URL", "DATABASE_ADMIN_URL", "DATABASE_BACKUP_PASSWORD")
FIRST_ERRAND = 20.0  # seconds after the start: what a killed installation left half-done, once the first pages are served
PROVISION_EVERY = 3600.0  # seconds; beside what the console asks for: deleted organisations whose day has come


@dataclass(slots=True)
class Child:
    """One of the product's processes: `manage.py <command>`."""

    command: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    restart_at: float = 0.0

    @property
    def name(self) -> str:
        return self.command[0]

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(MANAGE), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                start_new_session=True,
                preexec_fn=dies_with_us(signal.SIGTERM),  # noqa: PLW1509
            )
        self.started = time.monotonic()

    def watch(self, say: Callable[[str], None]) -> None:
        """Start it again if it died, after a pause that grows with each quick death."""
        now = time.monotonic()
        if self.process and self.process.poll() is not None:
            self.deaths = 0 if now - self.started > STEADY else self.deaths + 1
            pause = RESTART_AFTER[min(self.deaths, len(RESTART_AFTER) - 1)]
            say(f"{self.name} ended with {self.process.returncode}; starting it again in {pause} s (log: {self.log})")
            # What it had open, it has no more: its gauges would otherwise count for ever.
            for gauge in Path(self.environment["PROMETHEUS_MULTIPROC_DIR"]).glob(f"gauge_live*_{self.process.pid}.db"):
                gauge.unlink(missing_ok=True)
            self.process, self.restart_at = None, now + pause
        if self.process is None and now >= self.restart_at:
            self.start()


@dataclass(slots=True)
class Errand:
    """`manage.py provision`, started when the web process has left its marker, and from time to time.

    It alone gets the migrator's login, and only while there is work. One that was killed is started again.
    """

    environment: dict[str, str]
    log: Path
    marker: Path
    process: subprocess.Popen[bytes] | None = None
    next_at: float = 0.0
    deaths: int = 0

    def watch(self, say: Callable[[str], None]) -> None:
        now = time.monotonic()
        if self.process is not None:
            if self.process.poll() is None:
                return
            self.deaths = self.deaths + 1 if self.process.returncode else 0
            if self.deaths:
                pause = RESTART_AFTER[min(self.deaths - 1, len(RESTART_AFTER) - 1)]
                say(f"provision ended with {self.process.returncode}; starting it again in {pause} s (log: {self.log})")
                self.next_at = now + pause
            self.process = None
        if now >= self.next_at or (not self.deaths and self.marker.exists()):
            self.marker.unlink(missing_ok=True)  # Before the start: what is asked for from now on leaves a new one.
            self.next_at = now + PROVISION_EVERY
            child = Child(("provision",), self.environment, self.log)
            child.start()
            self.process = child.process


@dataclass(slots=True)
class Options:
    """What the command line says."""

    data: Path
    port: int = 8000
    demo: bool = True


@dataclass(slots=True)
class Supervisor:
    """Owns the servers and the children of one installation, and the lock on its data folder."""

    options: Options
    say: Callable[[str], None]
    postgres: Postgres | None = None
    redis: Redis | None = None
    children: list[Child] = field(default_factory=list)
    errand: Errand | None = None
    lock: IO[str] | None = None
    stopping: bool = False

    def run(self, on_ready: Callable[[], None]) -> None:
        """Until a signal comes. Raises `CannotStart`; whatever was started is stopped in any case."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop_soon)
        try:
            self._prepare()
            self._serve()
            on_ready()
            while not self.stopping:
                for child in self.children:
                    child.watch(self.say)
                if self.errand:
                    self.errand.watch(self.say)
                self._watch_servers()
                time.sleep(0.2)
        finally:
            self.stop()

    def _stop_soon(self, number: int, frame: object) -> None:
        self.stopping = True

    def _step(self, phrase: str, work: Callable[[], str | None]) -> None:
        if self.stopping:
            raise KeyboardInterrupt
        begun = time.monotonic()
        told = work()
        self.say(f"  {phrase}{': ' + told if told else ''} ({time.monotonic() - begun:.1f} s)")

    def _prepare(self) -> None:
        self._check_port()
        places = places_module.find(self.options.data)
        places.logs.mkdir(exist_ok=True)
        self._metrics.mkdir(parents=True, exist_ok=True)
        for counted in self._metrics.glob("*.db"):  # Of processes that are gone.
            counted.unlink()
        self._take_lock()
        keys, provision = web_keys(places.data), provision_keys(places.data)
        if os.environ.get("DATABASE_URL"):
            self.say("  PostgreSQL: the one in DATABASE_URL")
        else:
            self.postgres = Postgres(places, provision)
            self._step("PostgreSQL", self.postgres.start)
            self._step("roles and guard", lambda: self.postgres.prepare(keys) if self.postgres else None)
            keys.update(DATABASE_URL=self.postgres.url(guard.APP_LOGIN, keys["DATABASE_APP_PASSWORD"]))
            provision.update(DATABASE_MIGRATOR_URL=self.postgres.url(MIGRATOR_ROLE, provision["DATABASE_MIGRATOR_PASSWORD"]))
        if os.environ.get("REDIS_URL"):
            self.say("  Redis: the one in REDIS_URL")
        else:
            self.redis = Redis(places, keys)
            self._step("Redis", self.redis.start)
            keys.update(REDIS_URL=self.redis.url)
        self._manage("prepare", *(["--demo"] if self.options.demo else []))

    def _take_lock(self) -> None:
        path = self.options.data / "lock"
        self.lock = path.open("w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CannotStart(
                f"Another `manage.py up` already runs on {self.options.data}.",
                "Stop it, or give this one its own --data-dir and --port.",
            ) from error

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.options.port))
            except OSError as error:
                raise CannotStart(
                    f"Port {self.options.port} of 127.0.0.1 cannot be used: {error.strerror}.",
                    "Choose another one with --port.",
                ) from error

    @property
    def _metrics(self) -> Path:
        """Where the processes keep what they count, so that `/metrics` of one tells of all."""
        return Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR") or self.options.data / "metrics")

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CLOISON_DATA_DIR": str(self.options.data),
            "CLOISON_PORT": str(self.options.port),
            "CLOISON_DRAIN_SECONDS": os.environ.get("CLOISON_DRAIN_SECONDS", "6"),
            "CLOISON_DEMO": "1" if self.options.demo else "0",
            "PYTHONUNBUFFERED": "1",
            "PROMETHEUS_MULTIPROC_DIR": str(self._metrics),
        }

    def _manage(self, *command: str) -> None:
        """Run one management command to its end, saying each line it prints. Raises `CannotStart` with its last words."""
        log = self.options.data / "log" / f"{command[0]}.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, str(MANAGE), *command],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=self._environment(),
                preexec_fn=dies_with_us(signal.SIGTERM),
            )
            assert process.stdout
            for line in process.stdout:
                self.say(f"  {line.rstrip()}")
            process.wait()
        if process.returncode and not self.stopping:
            tail = "\n".join(log.read_text(errors="replace").strip().splitlines()[-8:])
            raise CannotStart(
                f"`manage.py {' '.join(command)}` failed:\n{tail}", f"Mend what it says, then start again (log: {log})."
            )

    def _serve(self) -> None:
        whole, logs = self._environment(), self.options.data / "log"
        # Given by environment, the privileged logins are for `prepare` and `provision` alone.
        environment = {name: value for name, value in whole.items() if name not in PRIVILEGED}
        web = Child(("serve", "--port", str(self.options.port)), environment, logs / "web.log")
        worker = Child(("worker",), environment, logs / "worker.log")
        beat = Child(("beat",), environment, logs / "beat.log")
        # One after another: three Pythons that start at once on two cores keep the first page waiting.
        for child in (web, worker, beat):
            child.start()
            self.children.append(child)
            if child is web:
                self._step("web", lambda: self._wait_for_web(web))
        self.errand = Errand(whole, logs / "provision.log", self.options.data / "provision.wanted")
        self.errand.next_at = time.monotonic() + FIRST_ERRAND

    def _wait_for_web(self, web: Child) -> None:
        deadline = time.monotonic() + WEB_READY_SECONDS
        while not self.stopping:
            if web.process is None or web.process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(web.log.read_text(errors="replace").splitlines()[-8:])
                raise CannotStart(f"The web process did not start:\n{tail}", f"The whole log is {web.log}.")
            try:
                with socket.create_connection(("127.0.0.1", self.options.port), timeout=1):
                    return
            except OSError:
                time.sleep(0.05)

    def _watch_servers(self) -> None:
        """A server that died is started again on its data; the children reconnect by themselves."""
        for server in (self.postgres, self.redis):
            if server and server.process and server.process.poll() is not None and not self.stopping:
                self.say(f"{type(server).__name__} ended with {server.process.returncode}; starting it again")
                server.start()

    def stop(self) -> None:
        """Web, worker and beat first, together; then the servers they used."""
        self.stopping = True
        started = [child.process for child in self.children]
        if self.errand:
            started.append(self.errand.process)
        running = [process for process in started if process and process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_WITHIN
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for server in (self.redis, self.postgres):
            if server:
                server.stop()
        if self.lock:
            self.lock.close()
