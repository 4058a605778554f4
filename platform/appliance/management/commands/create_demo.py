"""`manage.py create_demo`: two tenants with one cast, documents and assistants; once, then harmless."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from accounts.demo import seed_cast, seed_operator
from assistants.profiles.demo import seed_assistants
from documents.demo import seed_documents
from isolation import context
from tenants.models import Tenant
from tenants.services import create_tenant

TENANTS = [
    {"name": "Acme", "domain": "acme.localhost", "language": "fr", "colour": "#8a4b2a"},
    {"name": "Globex", "domain": "globex.localhost", "language": "en", "colour": "#2b4a7f"},
]
OWNER_ID = 1  # The administrator of each tenant owns the demo folder.


class Command(BaseCommand):
    requires_system_checks: list[str] = []
    help = "Create the demo tenants, accounts, documents and assistants."

    def handle(self, *args: Any, **options: Any) -> None:
        password = settings.CLOISON_DEMO_PASSWORD
        seed_operator(email="operator@cloison.test", password=password)
        made = 0
        for spec in TENANTS:
            with context.use(context.migrating(context.PUBLIC)):
                known = Tenant.objects.filter(name=spec["name"]).exclude(status=Tenant.Status.CREATING).first()
            if known is not None and known.status != Tenant.Status.ACTIVE:
                continue  # The operator has closed it: it stays as it is.
            if known is None:
                known = create_tenant(
                    name=spec["name"],
                    domain=spec["domain"],
                    language=spec["language"],
                    colour=spec["colour"],
                    admin_email=None,
                )
                made += 1
            domain = spec["domain"].replace(".localhost", ".test")
            seed_cast(schema=known.schema_name, domain=domain, password=password, language=spec["language"])
            with context.use(context.migrating(known.schema_name)):
                seed_assistants(language=spec["language"])
                seed_documents(tenant=spec["name"].lower(), owner_id=OWNER_ID)
        self.stdout.write(f"{len(TENANTS)} tenants, {made} made now")
