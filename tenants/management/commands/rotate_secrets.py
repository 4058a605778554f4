"""`manage.py rotate_secrets`: seal every secret again under the first key of CLOISON_SECRETS_KEYS.

Afterwards the old keys can be taken out of the ring, and what was sealed under them, in backups too, opens no more.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from accounts import rotation
from core import sealing
from gateway import provider_accounts
from isolation import context
from tenants.models import Tenant


class Command(BaseCommand):
    help = "Seal providers' keys, authenticators, sign-in services' secrets and links' tokens again under the ring's first key."

    def handle(self, *args: Any, **options: Any) -> None:
        with context.use(context.gateway()):
            schemas = [context.PUBLIC, *Tenant.objects.order_by("pk").values_list("schema_name", flat=True)]
        done = lost = 0
        for schema in schemas:
            with context.use(context.service(schema)):
                counts = [provider_accounts.rotate()]
            with context.use(context.auth(schema)):
                counts.append(rotation.rotate())
            if schema != context.PUBLIC:
                counts += [(import_string(rotate)(schema), 0) for rotate in settings.CLOISON_ROTATIONS]
            for here, unread in counts:
                done, lost = done + here, lost + unread
        self.stdout.write(f"{done} sealed again under the key {sealing.keyring().current}")
        if lost:
            raise CommandError(f"{lost} cannot be read: their keys are no longer in the ring; enter them again")
