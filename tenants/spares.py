"""One schema kept ready, with every table and policy, so that a new organisation only has to be given it.

It is made by the same migrations as any other, ahead of time, when `manage.py provision` has nothing else to do. A comment
on the schema says that it is complete, and for which migrations: after an upgrade it is dropped and made anew.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.apps import apps

from isolation import context, schemas
from tenants.migration import migrate_schema
from tenants.models import Tenant, opaque_schema

MARK = "cloison spare"


def _ready() -> str:
    """The comment of a complete spare: MARK, and a digest of the names of all migrations on disk."""
    names = sorted(
        f"{app.label}.{file.stem}" for app in apps.get_app_configs() for file in (Path(app.path) / "migrations").glob("[0-9]*.py")
    )
    return f"{MARK} {hashlib.sha256(' '.join(names).encode()).hexdigest()[:16]}"


def is_ready(schema: str) -> bool:
    """Whether the schema was made ahead of time and has every table of this version."""
    return schemas.comment(schema) == _ready()


def _free(found: list[str]) -> list[str]:
    with context.use(context.migrating(context.PUBLIC)):
        taken = set(Tenant.objects.filter(schema_name__in=found).values_list("schema_name", flat=True))
    return [schema for schema in found if schema not in taken]


def find() -> str:
    """A complete spare that no organisation has; "" where there is none."""
    return next(iter(_free(schemas.commented(_ready()))), "")


def used(schema: str) -> None:
    """The schema is an organisation's now."""
    schemas.set_comment(schema, "")


def keep_one() -> bool:
    """Drop spares of another version or half made, and make one if there is none. Returns whether one was made.

    One process at a time: where another is at it, nothing is done.
    """
    with schemas.alone("spare") as mine:
        if not mine:
            return False
        ready = _ready()
        free = _free(schemas.commented(MARK))
        complete = set(schemas.commented(ready))
        for schema in free:
            if schema not in complete:
                schemas.drop(schema)
        if complete & set(free):
            return False
        schema = opaque_schema()
        schemas.create(schema, comment=f"{MARK} being made")
        migrate_schema(schema)
        schemas.set_comment(schema, ready)
        return True
