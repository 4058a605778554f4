from django.db import migrations

from isolation.operations import Policy, keeps_grants

MANAGES = "{can_admin} OR {can_manager}"
USES = "({uid} IS NOT NULL AND cardinality(readers) = 0) OR readers && {principals} OR " + MANAGES


class Migration(migrations.Migration):
    dependencies = [("profiles", "0003_grants"), ("accounts", "0004_people_policies"), ("admin", "0003_logentry_add_action_flag_choices")]

    operations = [
        Policy("Assistant", "read", using=USES, command="SELECT", was={"using": "{here}", "command": "SELECT"}),
        Policy("Assistant", "manager", using="{can_manager}"),
        Policy("Assistant", "search", using="{here}", command="SELECT", role="search"),
        Policy("Assistant", "kept", using="{here}", command="UPDATE", role="search"),
        # Whoever may use it sees that they are named, and nobody else's name.
        Policy("AssistantGrant", "read", using="ARRAY[principal] && {principals}", command="SELECT"),
        Policy("AssistantGrant", "manage", using=MANAGES),
        Policy("AssistantGrant", "search", using="{here}", command="SELECT", role="search"),
        # Django's console notes each change; a manager's notes are their own.
        Policy("admin.LogEntry", "own_changes", using="{can_manager} AND user_id = {uid}"),
        keeps_grants("profiles_assistant", {"readers": ""}),
    ]
