from django.db import migrations

from isolation.operations import Policy, TenantSQL

SEES = "{can_admin} OR {can_manager} OR {can_auditor}"
VISIBLE = "EXISTS (SELECT 1 FROM {schema}.gateway_budget b WHERE b.id = budget_id)"
IN_PERIOD = "EXISTS (SELECT 1 FROM {schema}.gateway_budgetperiod p WHERE p.id = period_id)"
OWN = "{can_admin} AND (scope IN ('group', 'user', 'key') OR (scope = 'tenant' AND subject = ''))"
SHARED = "{can_operator} AND (scope = 'platform' OR (scope = 'tenant' AND subject <> ''))"
OLD = "{can_service} AND created_at < now() - interval '720 hours'"  # thirty days


class Migration(migrations.Migration):
    dependencies = [("gateway", "0005_usage_and_budgets"), ("accounts", "0004_people_policies")]

    operations = [
        # Written by the product, never by a person; changed by nobody; gone only when old.
        Policy("UsageRecord", "read", using=f'"user" = {{uid}} OR {SEES}', command="SELECT"),
        Policy("UsageRecord", "count", using="{can_service}", command="SELECT", role="service"),
        Policy("UsageRecord", "write", using="{can_service}", command="INSERT", role="service"),
        Policy("UsageRecord", "age", using=OLD, command="DELETE", role="service"),
        TenantSQL("REVOKE UPDATE ON {schema}.gateway_usagerecord FROM cloison_service", "", only=None),
        TenantSQL("REVOKE INSERT, UPDATE, DELETE ON {schema}.gateway_usagerecord FROM {schema}", "", only="tenant"),
        TenantSQL("REVOKE INSERT, UPDATE, DELETE ON {schema}.gateway_usagerecord FROM cloison_platform", "", only="public"),
        # Everybody sees the budgets that bind them; administrators and operators set them, each in their own schema.
        Policy(
            "Budget",
            "read",
            using=f"{SEES} OR ({{uid}} IS NOT NULL AND (scope = 'tenant' OR ARRAY[subject::text] && {{principals}}))",
            command="SELECT",
            only="tenant",
        ),
        Policy("Budget", "admin", using="{can_admin}", check=OWN, only="tenant"),
        Policy("Budget", "operator", using="{can_operator}", check=SHARED, only="public"),
        Policy("Budget", "ledger", using="{can_service}", command="SELECT", role="service"),
        Policy("BudgetPeriod", "read", using=f"{{uid}} IS NOT NULL AND {VISIBLE}", command="SELECT"),
        Policy("BudgetPeriod", "ledger", using=f"{{can_service}} AND {VISIBLE}", role="service"),
        Policy("BudgetHold", "ledger", using=f"{{can_service}} AND {IN_PERIOD}", role="service"),
    ]
