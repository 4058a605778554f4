from django.db import migrations

from isolation.operations import Policy, TenantSQL

# Foreign keys see every row: a conversation's leaf, and the messages that a message names, are of that conversation.
SAME = """
ALTER TABLE {schema}.conversations_conversation ADD CONSTRAINT conversations_conversation_leaf_inside
  FOREIGN KEY (id, leaf_id) REFERENCES {schema}.conversations_message (conversation_id, id)
  DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE {schema}.conversations_message ADD CONSTRAINT conversations_message_continues_beside
  FOREIGN KEY (conversation_id, continues_id) REFERENCES {schema}.conversations_message (conversation_id, id)
  DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE {schema}.conversations_message ADD CONSTRAINT conversations_message_first_beside
  FOREIGN KEY (conversation_id, beside_id) REFERENCES {schema}.conversations_message (conversation_id, id)
  DEFERRABLE INITIALLY DEFERRED;
"""
ANY = """
ALTER TABLE {schema}.conversations_message DROP CONSTRAINT conversations_message_first_beside;
ALTER TABLE {schema}.conversations_message DROP CONSTRAINT conversations_message_continues_beside;
ALTER TABLE {schema}.conversations_conversation DROP CONSTRAINT conversations_conversation_leaf_inside;
"""
# Of an answer in a conversation of one's own. Leave to read others' conversations does not show what they think of answers.
OWN = (
    "owner_id = {uid} AND EXISTS (SELECT 1 FROM {schema}.conversations_message m"
    " WHERE m.id = message_id AND m.owner_id = {uid})"
)


class Migration(migrations.Migration):
    dependencies = [("conversations", "0009_branches")]

    operations = [TenantSQL(SAME, ANY), Policy("Feedback", "own", using=OWN)]
