from django.db import migrations

from isolation.operations import Policy

# A child proves its parent: a foreign key alone would let a row be attached to somebody else's conversation, since
# PostgreSQL checks foreign keys as the table's owner.
PARENT = "EXISTS (SELECT 1 FROM {schema}.conversations_conversation c WHERE c.id = conversation_id)"


class Migration(migrations.Migration):
    dependencies = [("conversations", "0001_initial"), ("accounts", "0002_policies")]

    operations = [
        Policy("Conversation", "own", using="owner_id = {uid}"),
        Policy("Message", "child", using=PARENT),
        Policy("Run", "child", using=PARENT, check="owner_id = {uid} AND " + PARENT),
        # The host finds runs whose process died; it acts on them in their owner's context.
        Policy("Run", "maintenance", using="{can_service}", command="SELECT", role="service"),
    ]
