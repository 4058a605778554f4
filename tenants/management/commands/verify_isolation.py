"""`manage.py verify_isolation`: test the walls and say what was seen."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

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
        parser.add_argument("--language", choices=["en", "fr"], default="en")

    def handle(self, *args: Any, **options: Any) -> None:
        with context.use(context.gateway()):
            tenants = Tenant.objects.exclude(status=Tenant.Status.CREATING).order_by("name")
            if wanted := options["tenant"]:
                tenants = tenants.filter(name__iexact=wanted) | tenants.filter(domains__domain=wanted.lower())
            schemas = list(tenants.values_list("schema_name", flat=True).distinct())
        if wanted and not schemas:
            raise CommandError(f"there is no tenant named {wanted!r}")
        with translation.override(options["language"]):
            report = verification.verify(schemas, everybody=not wanted)
            self._print(report, as_json=options["json"])
        if report.holes:
            raise CommandError(f"{len(report.holes)} holes in the walls")

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
