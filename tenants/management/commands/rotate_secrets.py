"""`manage.py rotate_secrets`: seal every secret again under the first key of CLOISON_SECRETS_KEYS.

Afterwards the old keys can be taken out of the ring, and what was sealed under them, in backups too, opens no more.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import rotation
from core import sealing
from gateway import provider_accounts
from isolation import context
from tenants.models import Tenant


class Command(BaseCommand):
    help = "Seal providers' keys, authenticators and sign-in services' secrets again under the first key of CLOISON_SECRETS_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        with context.use(context.gateway()):
            schemas = [context.PUBLIC, *Tenant.objects.order_by("pk").values_list("schema_name", flat=True)]
        done = lost = 0
        for schema in schemas:
            with context.use(context.service(schema)):
                counts = [provider_accounts.rotate()]
            with context.use(context.auth(schema)):
                counts.append(rotation.rotate())
            for here, unread in counts:
                done, lost = done + here, lost + unread
        self.stdout.write(f"{done} sealed again under the key {sealing.keyring().current}")
        if lost:
            raise CommandError(f"{lost} cannot be read: their keys are no longer in the ring; enter them again")
