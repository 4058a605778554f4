"""One typed reading of the environment, and of the secrets that the embedded appliance keeps beside its data."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parents[2]


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "") or default


def number(name: str, default: float) -> float:
    """Raises `ImproperlyConfigured` for what is not a number."""
    value = os.environ.get(name, "")
    try:
        return float(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {value!r}") from None


def flag(name: str, default: bool = False) -> bool:
    return text(name, "1" if default else "0").lower() in {"1", "true", "yes", "on"}


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def data_dir() -> Path:
    """Where the appliance keeps everything that is not code."""
    return Path(text("CLOISON_DATA_DIR", str(ROOT / "var"))).resolve()


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys of one installation. Made at random by the appliance (file `secrets.json`, mode 0600), or given by environment."""

    values: dict[str, str]

    def get(self, name: str) -> str:
        return os.environ.get(name, "") or self.values.get(name, "")

    def require(self, name: str) -> str:
        """Raises `ImproperlyConfigured`."""
        if not (value := self.get(name)):
            raise ImproperlyConfigured(f"{name} is not set, and there is no appliance at {data_dir()}: run `manage.py up`")
        return value


def secrets(*, migrator: bool = False) -> Secrets:
    """The appliance's secrets, if it has been started once; empty otherwise. The migrator's only for its own commands."""
    values: dict[str, str] = {}
    for name in ("secrets.json", *(["provision.json"] if migrator else [])):
        path = data_dir() / name
        try:
            values |= json.loads(path.read_text())
        except FileNotFoundError:
            continue
        except (PermissionError, ValueError) as error:
            raise ImproperlyConfigured(f"{path} cannot be read: {error}") from error
    return Secrets(values)


def database(url: str) -> dict[str, Any]:
    """Django's settings for `postgresql://user:password@host:port/name?option=value`; a socket folder is `?host=/path`.

    Raises `ImproperlyConfigured`.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
        raise ImproperlyConfigured("DATABASE_URL must look like postgresql://user:password@host/name")
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "isolation.backend",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": options.pop("port", str(parts.port or "")),
        "OPTIONS": dict(options),
    }
