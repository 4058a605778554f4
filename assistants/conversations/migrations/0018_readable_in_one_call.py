from importlib import import_module

from django.db import migrations

from isolation.operations import TenantSQL

before = import_module("assistants.conversations.migrations.0008_own_rows")

# One call of the guard instead of two: whose it is comes first among what grants may name.
READABLE = """
CREATE OR REPLACE FUNCTION {schema}.readable_people() RETURNS bigint[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  mine text[] := guard.principals('{schema}');
  me bigint := substr(mine[1], 6)::bigint;
BEGIN
  IF mine && ARRAY['role:admin', 'role:auditor'] IS NOT TRUE THEN RETURN ARRAY[me]; END IF;
  RETURN me || ARRAY(
    SELECT r.subject FROM {schema}.audit_reading r
    WHERE r.reader = me AND r.expires_at > now()
      AND EXISTS (SELECT 1 FROM {schema}.audit_readingpolicy p WHERE p.private_reading));
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("conversations", "0017_attachment_policies")]

    operations = [TenantSQL(READABLE, before.READABLE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))]
