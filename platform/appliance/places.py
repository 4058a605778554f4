"""Where the embedded servers keep their data, sockets and binaries, and as whom they run."""

from __future__ import annotations

import ctypes
import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import CannotStart

# PostgreSQL refuses to run as root. The first of these that exists takes its place; nothing is created on the system.
SERVICE_USERS = ("cloison", "postgres", "nobody")
SOCKET_PATH_LIMIT = 107  # bytes, sun_path on Linux
LONGEST_SOCKET_NAME = len("/.s.PGSQL.5432.lock")
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Places:
    """`data` belongs to the installation; `servers` (their data) and `sockets` belong to the user they run as."""

    data: Path
    servers: Path
    sockets: Path
    user: pwd.struct_passwd | None  # None: as ourselves

    @property
    def logs(self) -> Path:
        return self.data / "log"

    def identity(self) -> dict[str, Any]:
        """Popen's arguments that drop to the service user; empty when we are not root."""
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def own(self, path: Path, mode: int = 0o700) -> Path:
        """Make a folder for the service user alone. Raises `CannotStart` where somebody else owns it."""
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        wanted = self.user.pw_uid if self.user else os.getuid()
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {wanted, os.getuid()}:
            raise CannotStart(f"{path} belongs to somebody else.", "Remove it, or choose another --data-dir.")
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        path.chmod(mode)
        return path


def find(data: Path) -> Places:
    """Decide on places for the installation whose data folder is `data`. Raises `CannotStart`."""
    try:
        data.mkdir(mode=0o755, parents=True, exist_ok=True)
        probe = data / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CannotStart(f"{data} cannot be written: {error.strerror}.", "Choose another folder with --data-dir.") from error
    user = service_user() if os.getuid() == 0 else None
    mark = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    servers = data / "servers"
    if user and not _traversable(data, user):
        # The clone lies in a closed home: its parents' permissions are not ours to change.
        servers = Path("/var/lib/cloison") / mark
    return Places(data=data, servers=servers, sockets=_socket_folder(mark), user=user)


def service_user() -> pwd.struct_passwd:
    """Whom root becomes for the servers: CLOISON_SYSTEM_USER, or the first of `SERVICE_USERS`."""
    names = [name for name in (os.environ.get("CLOISON_SYSTEM_USER"), *SERVICE_USERS) if name]
    for name in names:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid != 0:
            return found
    raise CannotStart(
        "PostgreSQL does not run as root, and there is no user to run it as.", f"Create one of: {', '.join(names)}."
    )


def _socket_folder(mark: str) -> Path:
    """A short folder of our own; socket paths have a limit of 107 bytes."""
    candidates = [Path("/run")] if os.getuid() == 0 else []
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        candidates.append(Path(runtime))
    for parent in [*candidates, Path("/tmp")]:  # noqa: S108 (the folder below it is ours alone, and checked)
        folder = parent / f"cloison-{mark}"
        if os.access(parent, os.W_OK) and len(os.fsencode(folder)) + LONGEST_SOCKET_NAME <= SOCKET_PATH_LIMIT:
            return folder
    raise CannotStart("There is no short folder to keep sockets in.", "Make /tmp writable.")


def _traversable(path: Path, user: pwd.struct_passwd) -> bool:
    """Whether `user` can reach `path`: every parent lets it through."""
    for folder in [path, *path.parents]:
        status = folder.stat()
        if status.st_uid == user.pw_uid:
            allowed = status.st_mode & stat.S_IXUSR
        elif status.st_gid == user.pw_gid:
            allowed = status.st_mode & stat.S_IXGRP
        else:
            allowed = status.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def binaries(places: Places, package: str, needs: tuple[str, ...], probe: str) -> Path:
    """The folder of a wheel's programs that the service user can run; copied out of a closed environment if need be.

    `needs` are the folders below site-packages that belong together (programs find their libraries beside them),
    `probe` the program to try, relative to the first.
    """
    site = Path(sysconfig.get_path("purelib"))
    if not (site / needs[0] / probe).exists():
        raise CannotStart(f"The package {package} is not installed.", "Run scripts/run, which installs it.")
    if _runs(site / needs[0] / probe, places):
        return site / needs[0]
    copy = Path("/var/lib/cloison/programs") / package if places.user else places.data / "programs" / package
    for folder in needs:
        shutil.copytree(site / folder, copy / folder, dirs_exist_ok=True, symlinks=True)
    for opened in [copy, *copy.parents][:3]:
        opened.chmod(0o755)
    if not _runs(copy / needs[0] / probe, places):
        raise CannotStart(f"{copy / needs[0] / probe} cannot be run.", "Check that its file system allows programs.")
    return copy / needs[0]


def _runs(program: Path, places: Places) -> bool:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, cwd="/", timeout=20, check=False, **places.identity())
    except (PermissionError, FileNotFoundError):
        return False
    return done.returncode == 0


def dies_with_us(last_words: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends `last_words` to the child when its parent dies, however it dies (Linux)."""
    libc = ctypes.CDLL(None, use_errno=True)

    def arrange() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(last_words))

    return arrange
