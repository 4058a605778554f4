from django.db import migrations

from isolation.operations import Policy


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        # A person reads their own row; what changes it goes through sign-in's context, so that no query of theirs
        # can raise their role. Administrators manage people.
        Policy("accounts.User", "own", using="id = {uid}", command="SELECT"),
        Policy("accounts.User", "admin", using="{can_admin}", only="tenant"),
        Policy("accounts.User", "operator", using="{can_operator}", only="public"),
        Policy("accounts.User", "sign_in", using="{can_auth}", role="service"),
        Policy("accounts.User", "maintenance", using="{can_service}", command="SELECT", role="service"),
        Policy("accounts.RefreshToken", "sign_in", using="{can_auth}", role="service"),
        Policy("sessions.Session", "sign_in", using="{can_auth}", role="service"),
        # Django's own tables behind the consoles.
        Policy("contenttypes.ContentType", "read", using="{here}", command="SELECT"),
        Policy("auth.Permission", "read", using="{here}", command="SELECT"),
        Policy("auth.Group", "read", using="{here}", command="SELECT"),
        Policy("auth.Group_permissions", "read", using="{here}", command="SELECT"),
        Policy("admin.LogEntry", "admin", using="{can_admin}", only="tenant"),
        Policy("admin.LogEntry", "operator", using="{can_operator}", only="public"),
    ]
