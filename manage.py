#!/usr/bin/env python
"""The one entry point: `manage.py up` runs everything, `manage.py help` lists the rest."""

import os
import sys
from pathlib import Path

# These create roles, schemas and tables: they alone get the migrator's login (web and worker never hold it).
MIGRATOR_COMMANDS = {"migrate_tenants", "create_tenant", "delete_tenant", "tenant", "provision", "create_demo", "prepare"}

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in MIGRATOR_COMMANDS:
        os.environ["CLOISON_LOGIN"] = "migrator"
    # `platform/` is a source root without __init__.py: a package of that name would hide the standard library's.
    sys.path.insert(1, str(Path(__file__).resolve().parent / "platform"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
