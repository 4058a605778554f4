"""`manage.py rotate_secrets`: seal all providers' keys again under the first key of CLOISON_SECRETS_KEYS.

Afterwards the old keys can be taken out of the ring, and what was sealed under them, in backups too, opens no more.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway import provider_accounts, secrets
from isolation import context
from tenants.models import Tenant


class Command(BaseCommand):
    help = "Seal all providers' keys again under the first key of CLOISON_SECRETS_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        with context.use(context.gateway()):
            schemas = [context.PUBLIC, *Tenant.objects.order_by("pk").values_list("schema_name", flat=True)]
        done = lost = 0
        for schema in schemas:
            with context.use(context.service(schema)):
                here, unread = provider_accounts.rotate()
            done, lost = done + here, lost + unread
        self.stdout.write(f"{done} sealed again under the key {secrets.keyring().current}")
        if lost:
            raise CommandError(f"{lost} cannot be read: their keys are no longer in the ring; enter them again")
