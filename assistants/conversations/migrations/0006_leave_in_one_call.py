from django.db import migrations

from isolation.operations import Policy, TenantSQL

# As a function the question is opaque to the planner, which otherwise plans the audit tables and their own policies into
# every query over conversations and messages. It runs as whoever asks, under those policies, and for nobody but
# administrators and auditors.
FUNCTION = """
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
BEFORE = (
    "({can_admin} OR {can_auditor}) AND owner_id IN (SELECT r.subject FROM {schema}.audit_reading r"
    " WHERE r.reader = {uid} AND r.expires_at > now())"
    " AND EXISTS (SELECT 1 FROM {schema}.audit_readingpolicy p WHERE p.private_reading)"
)
LEAVE = "({can_admin} OR {can_auditor}) AND owner_id = ANY ((SELECT {schema}.people_with_leave())::bigint[])"


class Migration(migrations.Migration):
    dependencies = [("conversations", "0005_disclosure_policies")]

    operations = [
        TenantSQL(FUNCTION, "DROP FUNCTION {schema}.people_with_leave()"),
        Policy("Conversation", "reading", using=LEAVE, command="SELECT", was={"using": BEFORE, "command": "SELECT"}),
    ]
