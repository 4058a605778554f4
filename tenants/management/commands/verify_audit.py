"""`manage.py verify_audit`: recompute every tenant's chain of audit events."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import services
from isolation import context
from tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Recompute the hash chain of every tenant's audit events and of the platform's own. Exits 1 where an event was"
        " changed, removed or cut off. Keep the output of --json elsewhere and give it back with --anchors: what was"
        " written until then must still be there, whoever rewrote the whole chain."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="only this tenant, by name")
        parser.add_argument("--json", action="store_true", help="one JSON object per tenant and line")
        parser.add_argument("--anchors", type=Path, help="a file with what --json printed earlier")

    def handle(self, *args: Any, **options: Any) -> None:
        with context.use(context.gateway()):
            tenants = list(Tenant.objects.order_by("name").values_list("name", "schema_name"))
        found = [("(platform)", context.PUBLIC), *tenants]
        if options["tenant"]:
            found = [each for each in found if each[0] == options["tenant"]]
            if not found:
                raise CommandError(f"there is no tenant named {options['tenant']!r}")
        anchors = _read(options["anchors"]) if options["anchors"] else {}
        broken = 0
        for name, schema in found:
            with context.use(context.service(schema)):
                verdict = services.verify(anchors.get(schema))
            broken += not verdict.holds
            if options["json"]:
                body = {"tenant": name, "schema": schema, "seq": verdict.seq, "hash": verdict.hash, "holds": verdict.holds}
                self.stdout.write(json.dumps(body, ensure_ascii=False))
            elif verdict.holds:
                self.stdout.write(f"{name}: {verdict.events} events hold, up to {verdict.hash[:16]}…")
            else:
                self.stdout.write(
                    f"{name}: BROKEN at event {verdict.broken_at} ({verdict.reason}), {verdict.events} before it hold"
                )
        if broken:
            raise CommandError(f"{broken} of {len(found)} chains are broken")


def _read(path: Path) -> dict[str, tuple[int, str]]:
    """Schema → (seq, hash). Raises `CommandError` for a file that is not what `--json` prints."""
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        return {row["schema"]: (int(row["seq"]), str(row["hash"])) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"the anchors cannot be read: {error}") from error
