from django.db import migrations

from isolation.operations import Policy


class Migration(migrations.Migration):
    dependencies = [("profiles", "0001_initial"), ("accounts", "0002_policies")]

    operations = [
        Policy("Assistant", "read", using="{here}", command="SELECT"),
        Policy("Assistant", "admin", using="{can_admin}"),
    ]
