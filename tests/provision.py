"""Creates the suite's tenants. Runs as a process of its own, with the migrator's login."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

if __name__ == "__main__":
    os.environ["CLOISON_LOGIN"] = "migrator"
    import django

    django.setup()

    from accounts.demo import seed_cast, seed_operator
    from assistants.profiles.demo import seed_assistants
    from isolation import context
    from tenants.services import create_tenant
    from tests.people import PASSWORD

    seed_operator(email="operator@cloison.test", password=PASSWORD)
    for name, language in (("Acme", "fr"), ("Globex", "en")):
        tenant = create_tenant(name=name, domain=f"{name.lower()}.localhost", admin_email=None, language=language)
        seed_cast(schema=tenant.schema_name, domain=f"{name.lower()}.test", password=PASSWORD, language=language)
        with context.use(context.migrating(tenant.schema_name)):
            seed_assistants(language=language)
        print(name, tenant.schema_name)
