"""`manage.py verify_isolation`: test the walls and say what was seen."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from audit import walls
from isolation import context, verification
from tenants.models import Tenant


class Command(BaseCommand):
    requires_system_checks: list[str] = []
    help = (
        "Test the walls between tenants: roles, guard, row level security and every policy against the migrations, then"
        " attacks with the web's own login. Exits 1 on any hole. Nothing is changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="only this tenant, by name or host")
        parser.add_argument("--json", action="store_true", help="one JSON object with all findings")
        parser.add_argument("--report", type=Path, help="check the signature of a report that was downloaded from a console")
        parser.add_argument("--language", choices=["en", "fr"], default="en")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["report"]:
            self._check_report(options["report"])
            return
        with context.use(context.gateway()):
            tenants = Tenant.objects.exclude(status=Tenant.Status.CREATING).order_by("name")
            if wanted := options["tenant"]:
                tenants = tenants.filter(name__iexact=wanted) | tenants.filter(domains__domain=wanted.lower())
            schemas = list(tenants.values_list("schema_name", flat=True).distinct())
        if wanted and not schemas:
            raise CommandError(f"there is no tenant named {wanted!r}")
        with translation.override(options["language"]):
            report = verification.verify(schemas, everybody=not wanted, migrator=_migrator())
            self._print(report, as_json=options["json"])
        if report.holes:
            raise CommandError(f"{len(report.holes)} holes in the walls")

    def _check_report(self, path: Path) -> None:
        try:
            told = walls.check(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandError(f"this is no report of ours: {error}") from error
        if not told.genuine:
            raise CommandError("NOT genuine: the report was changed, or another installation signed it")
        self.stdout.write(f"genuine: {told.organisation}, {told.ended}, {told.tried} tried, {told.holes} holes")

    def _print(self, report: verification.Report, *, as_json: bool) -> None:
        if as_json:
            body = {"holes": len(report.holes), "findings": [asdict(each) for each in report.findings]}
            self.stdout.write(json.dumps(body, ensure_ascii=False, indent=1))
            return
        section = ""
        for each in report.findings:
            if each.section != section:
                section = each.section
                self.stdout.write(f"\n{section}")
            mark = "ok  " if each.held else "HOLE"
            self.stdout.write(f"  {mark} {each.what}{f' [{each.where}]' if each.where else ''}: {each.outcome}")
        self.stdout.write(
            f"\n{len(report.findings)} / {len(report.holes)} HOLE" if report.holes else f"\n{len(report.findings)} ok"
        )


def _migrator() -> str:
    """The URL of the login that may make tables, where this command is allowed to know it; else ""."""
    if url := os.environ.get("DATABASE_MIGRATOR_URL", ""):
        return url
    try:
        return str(json.loads((Path(settings.DATA_DIR) / "provision.json").read_text()).get("DATABASE_MIGRATOR_URL", ""))
    except (OSError, ValueError):
        return ""
