from django.db import migrations

from isolation.operations import Policy


class Migration(migrations.Migration):
    dependencies = [("gateway", "0001_model_grants"), ("accounts", "0004_people_policies")]

    operations = [
        # Everybody's router asks whether a model is kept for somebody; only administrators decide it.
        Policy("ModelGrant", "read", using="{uid} IS NOT NULL", command="SELECT"),
        Policy("ModelGrant", "admin", using="{can_admin}"),
    ]
