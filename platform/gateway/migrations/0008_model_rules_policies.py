from django.db import migrations

from isolation.operations import Policy, TenantSQL


class Migration(migrations.Migration):
    dependencies = [("gateway", "0007_modelrules")]

    operations = [
        Policy("ModelRules", "read", using="{here}", command="SELECT"),
        Policy("ModelRules", "change", using="{can_admin}", command="UPDATE", only="tenant"),
        TenantSQL(
            "INSERT INTO {schema}.gateway_modelrules (id, privacy, routing, changed_at) VALUES (1, '{}', '{}', now())",
            "DELETE FROM {schema}.gateway_modelrules",
            only=None,
        ),
    ]
