from django.db import migrations

from isolation.operations import Policy, TenantSQL

# The one way in. It runs as cloison_audit, which alone may insert; a lock on the head's row puts events in order, and
# nobody else may touch that row. Each field enters the hash with its length, so that no two events write the same text.
APPEND = """
CREATE FUNCTION {schema}.audit_append(
  who bigint, who_name text, origin text, what text, aim text, about bigint, facts text)
RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  head {schema}.audit_head;
  moment timestamptz := date_trunc('microseconds', clock_timestamp());
  field text;
  line text;
BEGIN
  IF NOT guard.here('{schema}') THEN
    RAISE EXCEPTION 'no context for this tenant' USING ERRCODE = 'insufficient_privilege';
  END IF;
  who := coalesce(guard.uid('{schema}'), who);  -- Who is signed in speaks for nobody else.
  SELECT * INTO STRICT head FROM {schema}.audit_head WHERE id = 1 FOR UPDATE;
  head.seq := head.seq + 1;
  line := head.hash;
  FOREACH field IN ARRAY ARRAY[
    head.seq::text, (extract(epoch FROM moment) * 1000000)::bigint::text, coalesce(who::text, ''), who_name, origin, what,
    aim, coalesce(about::text, ''), facts]
  LOOP
    line := line || octet_length(convert_to(field, 'UTF8')) || ':' || field;
  END LOOP;
  head.hash := encode(sha256(convert_to(line, 'UTF8')), 'hex');
  INSERT INTO {schema}.audit_auditevent (seq, at, actor, actor_name, address, action, target, subject, details, hash)
    VALUES (head.seq, moment, who, who_name, origin, what, aim, about, facts, head.hash);
  UPDATE {schema}.audit_head SET seq = head.seq, hash = head.hash WHERE id = 1;
  RETURN head.seq;
END $$
"""
ARGUMENTS = "bigint, text, text, text, text, bigint, text"

# The new owner needs CREATE on the schema at the moment it takes the function over, and never again.
HAND_OVER = f"""
GRANT USAGE ON SCHEMA {{schema}} TO cloison_audit;
GRANT SELECT, INSERT ON {{schema}}.audit_auditevent TO cloison_audit;
GRANT SELECT, UPDATE ON {{schema}}.audit_head TO cloison_audit;
GRANT EXECUTE ON FUNCTION {{schema}}.audit_append({ARGUMENTS}) TO cloison_service;
GRANT CREATE ON SCHEMA {{schema}} TO cloison_audit;
ALTER FUNCTION {{schema}}.audit_append({ARGUMENTS}) OWNER TO cloison_audit;
REVOKE CREATE ON SCHEMA {{schema}} FROM cloison_audit;
"""
DROP = f"SET LOCAL ROLE cloison_audit; DROP FUNCTION {{schema}}.audit_append({ARGUMENTS}); SET LOCAL ROLE cloison_owner"

GRANT_TENANT = f"GRANT EXECUTE ON FUNCTION {{schema}}.audit_append({ARGUMENTS}) TO {{schema}}"
GRANT_PUBLIC = f"GRANT EXECUTE ON FUNCTION {{schema}}.audit_append({ARGUMENTS}) TO cloison_platform"

HEAD = """
INSERT INTO {schema}.audit_head (id, genesis, seq, hash)
SELECT 1, g, 0, g FROM encode(sha256('audit of {schema}'), 'hex') AS g;
INSERT INTO {schema}.audit_readingpolicy (id, private_reading, changed_at) VALUES (1, false, now());
"""

# Not even the owner of the table changes what was written.
REFUSE = """
CREATE FUNCTION {schema}.audit_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {schema}.audit_auditevent
  FOR EACH ROW EXECUTE FUNCTION {schema}.audit_refuse();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {schema}.audit_auditevent
  FOR EACH STATEMENT EXECUTE FUNCTION {schema}.audit_refuse();
REVOKE INSERT, UPDATE, DELETE ON {schema}.audit_auditevent, {schema}.audit_head FROM cloison_service;
"""
ALLOW = """
DROP TRIGGER refuse_truncate ON {schema}.audit_auditevent;
DROP TRIGGER refuse_change ON {schema}.audit_auditevent;
DROP FUNCTION {schema}.audit_refuse();
"""

PRIVILEGED = "{can_admin} OR {can_auditor} OR {can_operator}"
# Leave to read is taken under the tenant's rule, for oneself, and for half an hour at most.
TAKE_LEAVE = (
    "reader = {uid} AND ({can_admin} OR {can_auditor}) AND expires_at <= now() + interval '30 minutes'"
    " AND EXISTS (SELECT 1 FROM {schema}.audit_readingpolicy p WHERE p.private_reading)"
)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        TenantSQL(APPEND, DROP, only=None),
        TenantSQL(GRANT_TENANT, "", only="tenant"),
        TenantSQL(GRANT_PUBLIC, "", only="public"),
        TenantSQL(HAND_OVER, "", only=None),
        Policy("AuditEvent", "append", using="{here}", command="SELECT", role="audit"),
        Policy("AuditEvent", "insert", using="{here}", command="INSERT", role="audit"),
        Policy("AuditEvent", "read", using=f"{PRIVILEGED} OR subject = {{uid}} OR actor = {{uid}}", command="SELECT"),
        Policy("AuditEvent", "verify", using="{can_service}", command="SELECT", role="service"),
        Policy("Head", "append", using="{here}", role="audit"),
        Policy("Head", "verify", using="{can_service}", command="SELECT", role="service"),
        Policy("ReadingPolicy", "read", using="{uid} IS NOT NULL", command="SELECT"),
        Policy("ReadingPolicy", "change", using="{can_admin}", command="UPDATE"),
        Policy("Reading", "read", using=f"{PRIVILEGED} OR reader = {{uid}} OR subject = {{uid}}", command="SELECT"),
        Policy("Reading", "take", using=TAKE_LEAVE, command="INSERT"),
        Policy("Reading", "reader", using="reader = {uid}", command="SELECT", role="service"),
        TenantSQL(HEAD, "", only=None),
        TenantSQL(REFUSE, ALLOW, only=None),
    ]
