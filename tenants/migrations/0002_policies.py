from django.db import migrations

from isolation.operations import Policy, TenantSQL


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        TenantSQL(
            "GRANT SELECT ON {schema}.tenants_tenant, {schema}.tenants_domain TO cloison_gateway",
            "REVOKE SELECT ON {schema}.tenants_tenant, {schema}.tenants_domain FROM cloison_gateway",
            only="public",
        ),
        Policy("tenants.Tenant", "lookup", using="{can_gateway}", command="SELECT", role="gateway"),
        Policy("tenants.Domain", "lookup", using="{can_gateway}", command="SELECT", role="gateway"),
        Policy("tenants.Tenant", "operator", using="{can_operator}"),
        Policy("tenants.Domain", "operator", using="{can_operator}"),
    ]
