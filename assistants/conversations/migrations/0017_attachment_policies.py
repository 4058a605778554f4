from django.db import migrations

from isolation.operations import Policy, TenantSQL

# Foreign keys see every row, as policies do not: a message is its owner's own, and of the conversation that is named.
OF_OWNER = """
ALTER TABLE {schema}.conversations_attachment ADD CONSTRAINT conversations_attachment_of_owner
  FOREIGN KEY (conversation_id, owner_id) REFERENCES {schema}.conversations_conversation (id, owner_id)
  DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE {schema}.conversations_attachment ADD CONSTRAINT conversations_attachment_inside
  FOREIGN KEY (conversation_id, message_id) REFERENCES {schema}.conversations_message (conversation_id, id)
  DEFERRABLE INITIALLY DEFERRED;
"""
OF_ANYBODY = """
ALTER TABLE {schema}.conversations_attachment DROP CONSTRAINT conversations_attachment_inside;
ALTER TABLE {schema}.conversations_attachment DROP CONSTRAINT conversations_attachment_of_owner;
"""
# Leave to read others' conversations does not show what they attached. Maintenance sees what it is about to remove.
UNSENT = "{can_service} AND message_id IS NULL AND created_at < now() - interval '24 hours'"


class Migration(migrations.Migration):
    dependencies = [("conversations", "0016_attachments")]

    operations = [
        TenantSQL(OF_OWNER, OF_ANYBODY),
        Policy("Attachment", "own", using="owner_id = {uid}"),
        Policy("Attachment", "maintenance", using=UNSENT, command="SELECT", role="service"),
    ]
