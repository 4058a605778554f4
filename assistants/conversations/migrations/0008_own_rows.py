import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from isolation.operations import Policy, TenantSQL

before_parent = "EXISTS (SELECT 1 FROM {schema}.conversations_conversation c WHERE c.id = conversation_id AND c.owner_id = {uid})"
before_readable = (
    "({can_admin} OR {can_auditor}) AND EXISTS (SELECT 1 FROM {schema}.conversations_conversation c"
    " WHERE c.id = conversation_id)"
)
before_leave = "({can_admin} OR {can_auditor}) AND owner_id = ANY ((SELECT {schema}.people_with_leave())::bigint[])"

# Whose rows somebody reads: their own, and for administrators and auditors those of the people they have leave to read,
# as long as the tenant's rule allows it. One opaque call: the planner would plan the audit tables and their own policies
# into every query over conversations and messages. It runs as whoever asks, under those policies.
READABLE = """
CREATE FUNCTION {schema}.readable_people() RETURNS bigint[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE me bigint := guard.uid('{schema}');
BEGIN
  IF guard.caps('{schema}') && ARRAY['admin', 'auditor'] IS NOT TRUE THEN RETURN ARRAY[me]; END IF;
  RETURN me || ARRAY(
    SELECT r.subject FROM {schema}.audit_reading r
    WHERE r.reader = me AND r.expires_at > now()
      AND EXISTS (SELECT 1 FROM {schema}.audit_readingpolicy p WHERE p.private_reading));
END $$;
GRANT EXECUTE ON FUNCTION {schema}.readable_people() TO {schema};
"""
LEAVE = """
CREATE FUNCTION {schema}.people_with_leave() RETURNS bigint[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT (guard.can('{schema}', 'admin') OR guard.can('{schema}', 'auditor')) THEN RETURN ARRAY[]::bigint[]; END IF;
  RETURN ARRAY(
    SELECT r.subject FROM {schema}.audit_reading r
    WHERE r.reader = guard.uid('{schema}') AND r.expires_at > now()
      AND EXISTS (SELECT 1 FROM {schema}.audit_readingpolicy p WHERE p.private_reading));
END $$;
GRANT EXECUTE ON FUNCTION {schema}.people_with_leave() TO {schema};
"""
# Messages and runs repeat their conversation's owner. The foreign keys prove it: they see every row, as policies do not.
SAME_OWNER = """
ALTER TABLE {schema}.conversations_conversation ADD CONSTRAINT conversations_conversation_of_owner UNIQUE (id, owner_id);
ALTER TABLE {schema}.conversations_message ADD CONSTRAINT conversations_message_of_owner
  FOREIGN KEY (conversation_id, owner_id) REFERENCES {schema}.conversations_conversation (id, owner_id)
  DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE {schema}.conversations_run ADD CONSTRAINT conversations_run_of_owner
  FOREIGN KEY (conversation_id, owner_id) REFERENCES {schema}.conversations_conversation (id, owner_id)
  DEFERRABLE INITIALLY DEFERRED;
"""
ANY_OWNER = """
ALTER TABLE {schema}.conversations_run DROP CONSTRAINT conversations_run_of_owner;
ALTER TABLE {schema}.conversations_message DROP CONSTRAINT conversations_message_of_owner;
ALTER TABLE {schema}.conversations_conversation DROP CONSTRAINT conversations_conversation_of_owner;
"""
OWN = "owner_id = {uid}"
READ = "owner_id = ANY ((SELECT {schema}.readable_people())::bigint[])"


def policies(model: str, name: str, using: str, check: str | None, reading: str) -> list[Policy]:
    """One policy for each command: two that allow a reading are both planned and asked."""
    written = {"using": using} | ({"check": check} if check else {})
    return [
        Policy(model, "reading", using=READ, command="SELECT", was={"using": reading, "command": "SELECT"}),
        Policy(model, name, using=OWN, command="UPDATE", was=written),
        Policy(model, "add", using=OWN, command="INSERT"),
        Policy(model, "remove", using=OWN, command="DELETE"),
    ]


class Migration(migrations.Migration):
    dependencies = [("conversations", "0007_message_owner")]

    operations = [
        migrations.AlterField(
            model_name="message",
            name="owner",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        TenantSQL(SAME_OWNER, ANY_OWNER),
        TenantSQL(READABLE, "DROP FUNCTION {schema}.readable_people()"),
        *policies("Conversation", "own", OWN, None, before_leave),
        *policies("Message", "child", before_parent, None, before_readable),
        *policies("Run", "child", before_parent, "owner_id = {uid} AND " + before_parent, before_readable),
        TenantSQL("DROP FUNCTION {schema}.people_with_leave()", LEAVE),
    ]
