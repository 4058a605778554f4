from django.db import migrations

from isolation.operations import Policy, TenantSQL


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_jobs")]

    operations = [
        # The operator's console asks and looks on. What is asked for cannot be changed, nor a job be called done.
        Policy("TenantJob", "read", using="{can_operator}", command="SELECT"),
        Policy(
            "TenantJob",
            "ask",
            using="{can_operator} AND state = 'queued' AND asked_by = {uid} AND holder = ''",
            command="INSERT",
        ),
        TenantSQL(
            "REVOKE UPDATE, DELETE ON {schema}.tenants_tenantjob FROM cloison_platform;"
            "REVOKE INSERT, UPDATE, DELETE ON {schema}.tenants_tenantjob FROM cloison_service",
            "GRANT UPDATE, DELETE ON {schema}.tenants_tenantjob TO cloison_platform;"
            "GRANT INSERT, UPDATE, DELETE ON {schema}.tenants_tenantjob TO cloison_service",
            only="public",
        ),
    ]
