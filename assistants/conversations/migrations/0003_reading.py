from django.db import migrations

from isolation.operations import Policy, TenantSQL

before_parent = "EXISTS (SELECT 1 FROM {schema}.conversations_conversation c WHERE c.id = conversation_id)"
# Writing needs a conversation of one's own: leave to read makes a conversation visible, and nothing more.
OWN = "EXISTS (SELECT 1 FROM {schema}.conversations_conversation c WHERE c.id = conversation_id AND c.owner_id = {uid})"
# A privileged person's open leave for the owner, while the tenant's rule allows it.
LEAVE = (
    "({can_admin} OR {can_auditor}) AND owner_id IN (SELECT r.subject FROM {schema}.audit_reading r"
    " WHERE r.reader = {uid} AND r.expires_at > now())"
    " AND EXISTS (SELECT 1 FROM {schema}.audit_readingpolicy p WHERE p.private_reading)"
)
READABLE = (
    "({can_admin} OR {can_auditor}) AND EXISTS (SELECT 1 FROM {schema}.conversations_conversation c"
    " WHERE c.id = conversation_id)"
)

# Messages and runs name messages of their own conversation only: the foreign keys say so, since they see every row.
SAME = """
ALTER TABLE {schema}.conversations_message ADD CONSTRAINT conversations_message_in_conversation UNIQUE (conversation_id, id);
ALTER TABLE {schema}.conversations_message ADD CONSTRAINT conversations_message_parent_beside
  FOREIGN KEY (conversation_id, parent_id) REFERENCES {schema}.conversations_message (conversation_id, id)
  DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE {schema}.conversations_run ADD CONSTRAINT conversations_run_question_beside
  FOREIGN KEY (conversation_id, question_id) REFERENCES {schema}.conversations_message (conversation_id, id)
  DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE {schema}.conversations_run ADD CONSTRAINT conversations_run_answer_beside
  FOREIGN KEY (conversation_id, answer_id) REFERENCES {schema}.conversations_message (conversation_id, id)
  DEFERRABLE INITIALLY DEFERRED;
"""
ANY = """
ALTER TABLE {schema}.conversations_run DROP CONSTRAINT conversations_run_answer_beside;
ALTER TABLE {schema}.conversations_run DROP CONSTRAINT conversations_run_question_beside;
ALTER TABLE {schema}.conversations_message DROP CONSTRAINT conversations_message_parent_beside;
ALTER TABLE {schema}.conversations_message DROP CONSTRAINT conversations_message_in_conversation;
"""


class Migration(migrations.Migration):
    dependencies = [("conversations", "0002_policies"), ("audit", "0002_chain")]

    operations = [
        Policy("Conversation", "reading", using=LEAVE, command="SELECT"),
        Policy("Message", "child", using=OWN, was={"using": before_parent}),
        Policy("Message", "reading", using=READABLE, command="SELECT"),
        Policy(
            "Run",
            "child",
            using=OWN,
            check="owner_id = {uid} AND " + OWN,
            was={"using": before_parent, "check": "owner_id = {uid} AND " + before_parent},
        ),
        Policy("Run", "reading", using=READABLE, command="SELECT"),
        TenantSQL(SAME, ANY),
    ]
