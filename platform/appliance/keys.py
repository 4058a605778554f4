"""Every secret of an installation, made at random on its first start and kept in two files of mode 0600.

`secrets.json` is what web and worker need. `provision.json` holds the superuser's and the migrator's passwords: only
the supervisor and the provisioning commands read it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from appliance.errors import CannotStart

WEB_KEYS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "CLOISON_GUARD_KEY": lambda: secrets.token_hex(32),
    "DATABASE_APP_PASSWORD": lambda: secrets.token_hex(24),
    "REDIS_PASSWORD": lambda: secrets.token_hex(24),
}
PROVISION_KEYS: dict[str, Callable[[], str]] = {
    "DATABASE_SUPERUSER_PASSWORD": lambda: secrets.token_hex(24),
    "DATABASE_MIGRATOR_PASSWORD": lambda: secrets.token_hex(24),
    "DATABASE_BACKUP_PASSWORD": lambda: secrets.token_hex(24),
}


class KeyFile:
    """A JSON object in a file that its owner alone reads; missing keys are made."""

    def __init__(self, path: Path, makers: dict[str, Callable[[], str]]) -> None:
        self.path = path
        try:
            self.values: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise CannotStart(f"{path} cannot be read: {error}.", "Restore it: without it the data cannot be opened.") from error
        before = dict(self.values)
        for name, make in makers.items():
            self.values.setdefault(name, make())
        if self.values != before:
            self.save()

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def update(self, **values: str) -> None:
        if any(self.values.get(name) != value for name, value in values.items()):
            self.values.update(values)
            self.save()

    def save(self) -> None:
        """Written whole beside the file, then put in its place: a kill leaves the old or the new one."""
        fresh = self.path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self.values, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)


def web_keys(data: Path) -> KeyFile:
    return KeyFile(data / "secrets.json", WEB_KEYS)


def provision_keys(data: Path) -> KeyFile:
    return KeyFile(data / "provision.json", PROVISION_KEYS)
