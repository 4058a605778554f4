from django.db import migrations

from isolation.operations import Policy

OWN_RUN = "EXISTS (SELECT 1 FROM {schema}.conversations_run r WHERE r.id = run_id AND r.owner_id = {uid})"


class Migration(migrations.Migration):
    dependencies = [("conversations", "0004_privacy")]

    operations = [Policy("Disclosure", "child", using=OWN_RUN)]
