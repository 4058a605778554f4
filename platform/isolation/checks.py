"""Checks of the code itself: SQL that goes round the ORM is allowed in named places only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

SUSPECT = re.compile(r"\.raw\(|\.extra\(|RawSQL\(|\.execute\(\s*f[\"']|cursor\(\)")

# Where SQL is written by hand, read by a stranger, and takes its values as parameters.
ALLOWED = (
    "platform/isolation/",
    "platform/appliance/",
    "platform/audit/log.py",
    "documents/search.py",
    "documents/postings.py",
    "documents/migrations/",
    "assistants/conversations/search.py",
    "assistants/conversations/sql.py",
)


def handwritten_sql(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """`isolation.E001` for every line of ours that writes SQL by hand outside the places above."""
    root = Path(settings.BASE_DIR)
    found: list[CheckMessage] = []
    for folder in ("platform", "tenants", "documents", "assistants"):
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if name.startswith(ALLOWED):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if SUSPECT.search(line):
                    found.append(Error(f"SQL by hand at {name}:{number}", id="isolation.E001"))
    return found


def holes_in_the_catalogue(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """`isolation.E002` for every hole that the catalogue shows; asked for with `check --database default`."""
    if "default" not in (databases or ()):
        return []
    from isolation import lints
    from isolation.verification import parameters

    try:
        with psycopg.connect(**parameters(), connect_timeout=5) as link, link.cursor() as cursor:
            return [Error(f"{hole.what}: {hole.where}", id="isolation.E002") for hole in lints.holes(cursor)]
    except psycopg.OperationalError as error:
        why = str(error).splitlines()[0]
        return [Warning(f"the database does not answer, so the walls were not looked at: {why}", id="isolation.W001")]


def register_checks() -> None:
    register(handwritten_sql)
    register(holes_in_the_catalogue, Tags.database)
