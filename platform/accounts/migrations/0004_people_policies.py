from django.db import migrations

from isolation.operations import Policy


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_groups")]

    operations = [
        Policy("Group", "read", using="{uid} IS NOT NULL", command="SELECT"),
        Policy("Group", "manage", using="{can_admin} OR {can_manager}"),
        # Managers see everybody and write members and viewers: no query of theirs makes an administrator.
        Policy("User", "manager_read", using="{can_manager}", command="SELECT", only="tenant"),
        Policy("User", "manager_add", using="{can_manager} AND role IN ('member', 'viewer')", command="INSERT", only="tenant"),
        Policy("User", "manager_change", using="{can_manager} AND role IN ('member', 'viewer')", command="UPDATE", only="tenant"),
    ]
