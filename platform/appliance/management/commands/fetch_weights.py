"""`manage.py fetch_weights`: the embedding model's weights, fetched once as data and verified."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    requires_system_checks: list[str] = []
    help = "Fetch and verify the embedding weights; without them search falls back to the lexical embedder."

    def handle(self, *args: Any, **options: Any) -> None:
        from gateway.embedding import weights

        self.stdout.write(weights.ensure())
