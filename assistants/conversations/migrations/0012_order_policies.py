from django.db import migrations

from isolation.operations import Policy, TenantSQL

OWN = "owner_id = {uid}"
OWN_CONVERSATION = (
    "EXISTS (SELECT 1 FROM {schema}.conversations_conversation c WHERE c.id = conversation_id AND c.owner_id = {uid})"
)
OWN_TAG = "EXISTS (SELECT 1 FROM {schema}.conversations_tag t WHERE t.id = tag_id AND t.owner_id = {uid})"
# What maintenance may see of people's conversations is what it is about to remove.
PAST_ITS_TIME = (
    "{can_service} AND (binned_at IS NOT NULL OR temporary OR active_at < now() - make_interval(days =>"
    " (SELECT p.conversations_days FROM {schema}.conversations_retentionpolicy p)))"
)

# A conversation lies in a folder of its own owner: the foreign key says so, since it sees every row.
BESIDE = """
ALTER TABLE {schema}.conversations_conversationfolder ADD CONSTRAINT conversations_folder_of_owner UNIQUE (owner_id, id);
ALTER TABLE {schema}.conversations_conversation ADD CONSTRAINT conversations_conversation_in_own_folder
  FOREIGN KEY (owner_id, folder_id) REFERENCES {schema}.conversations_conversationfolder (owner_id, id)
  DEFERRABLE INITIALLY DEFERRED;
"""
ANYWHERE = """
ALTER TABLE {schema}.conversations_conversation DROP CONSTRAINT conversations_conversation_in_own_folder;
ALTER TABLE {schema}.conversations_conversationfolder DROP CONSTRAINT conversations_folder_of_owner;
"""


class Migration(migrations.Migration):
    dependencies = [("conversations", "0011_order")]

    operations = [
        Policy("ConversationFolder", "own", using=OWN),
        Policy("Tag", "own", using=OWN),
        Policy("ConversationTag", "child", using=f"{OWN_CONVERSATION} AND {OWN_TAG}"),
        Policy("Draft", "own", using=OWN, check=f"{OWN} AND (conversation_id IS NULL OR {OWN_CONVERSATION})"),
        Policy("SearchEntry", "own", using=OWN, check=f"{OWN} AND {OWN_CONVERSATION}"),
        Policy("RetentionPolicy", "read", using="{here}", command="SELECT"),
        Policy("RetentionPolicy", "service", using="{can_service}", command="SELECT", role="service"),
        Policy("RetentionPolicy", "change", using="{can_admin}", command="UPDATE"),
        Policy("Conversation", "maintenance", using=PAST_ITS_TIME, command="SELECT", role="service"),
        TenantSQL(BESIDE, ANYWHERE),
        TenantSQL(
            "INSERT INTO {schema}.conversations_retentionpolicy (id, bin_days, changed_at) VALUES (1, 30, now())",
            "DELETE FROM {schema}.conversations_retentionpolicy",
        ),
    ]
