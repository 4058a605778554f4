from importlib import import_module

from django.db import migrations

from isolation.operations import Policy, TenantSQL

search = import_module("documents.migrations.0003_search")

# A link repeats its conversation's owner, and the foreign key proves it: nobody shares what is another's.
SAME_OWNER = """
ALTER TABLE {schema}.conversations_share ADD CONSTRAINT conversations_share_of_owner
  FOREIGN KEY (conversation_id, owner_id) REFERENCES {schema}.conversations_conversation (id, owner_id)
  DEFERRABLE INITIALLY DEFERRED;
INSERT INTO {schema}.conversations_sharingpolicy (public_links) VALUES (false);
"""
ANY_OWNER = """
DELETE FROM {schema}.conversations_sharingpolicy;
ALTER TABLE {schema}.conversations_share DROP CONSTRAINT conversations_share_of_owner;
"""

# The one way to a copy for whoever is not its owner: exactly the row whose token's digest is known, while it is open.
# A visitor who is not signed in learns of a link for signed-in people that there is one, and no more.
OPEN = """
CREATE FUNCTION {schema}.open_share(wanted text)
RETURNS TABLE (share uuid, audience text, title text, assistant text, shared_by text, messages jsonb,
               created_at timestamptz, expires_at timestamptz, opened int)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me bigint := guard.uid('{schema}');
  one {schema}.conversations_share;
BEGIN
  IF NOT guard.here('{schema}') THEN RETURN; END IF;
  SELECT * INTO one FROM {schema}.conversations_share s
  WHERE s.digest = wanted AND s.expires_at > now()
    AND EXISTS (SELECT 1 FROM {schema}.accounts_user u WHERE u.id = s.owner_id AND u.is_active)
    AND (s.audience = 'tenant' OR EXISTS (SELECT 1 FROM {schema}.conversations_sharingpolicy p
                                          WHERE p.public_links AND s.created_at >= p.public_since));
  IF one.id IS NULL THEN RETURN; END IF;
  IF me IS NULL AND one.audience <> 'public' THEN
    RETURN QUERY SELECT NULL::uuid, one.audience::text, ''::text, ''::text, ''::text, NULL::jsonb,
                        NULL::timestamptz, NULL::timestamptz, 0;
    RETURN;
  END IF;
  IF me IS DISTINCT FROM one.owner_id THEN
    UPDATE {schema}.conversations_share s SET opened = s.opened + 1, opened_at = now()
    WHERE s.id = one.id RETURNING s.opened INTO one.opened;
  END IF;
  RETURN QUERY SELECT one.public_id, one.audience::text, one.title::text, one.assistant::text, one.shared_by::text,
                      one.messages, one.created_at, one.expires_at, one.opened;
END $$;
"""
GRANTS = """
GRANT UPDATE (opened, opened_at) ON {schema}.conversations_share TO cloison_search;
"""
HAND_OVER = search.HAND_OVER.replace("NAME", "open_share").replace("ARGUMENTS", "text")
DROP = """
REVOKE UPDATE (opened, opened_at) ON {schema}.conversations_share FROM cloison_search;
SET LOCAL ROLE cloison_search;
DROP FUNCTION {schema}.open_share(text);
SET LOCAL ROLE cloison_owner;
"""

OWN = "owner_id = {uid}"


class Migration(migrations.Migration):
    dependencies = [("conversations", "0014_moved"), ("accounts", "0010_read_in_one_policy")]

    operations = [
        TenantSQL(SAME_OWNER, ANY_OWNER),
        Policy("Share", "own", using=OWN),
        Policy("Share", "search", using="{here}", command="SELECT", role="search"),
        Policy("Share", "counted", using="{here}", command="UPDATE", role="search"),
        # Who was switched off shares nothing any more.
        Policy("accounts.User", "sharer", using="{here}", command="SELECT", role="search", only="tenant"),
        Policy("Import", "own", using=OWN),
        Policy("Import", "maintenance", using="{can_service}", command="SELECT", role="service"),
        Policy("SharingPolicy", "read", using="{uid} IS NOT NULL", command="SELECT"),
        Policy("SharingPolicy", "change", using="{can_admin}", command="UPDATE"),
        Policy("SharingPolicy", "search", using="{here}", command="SELECT", role="search"),
        TenantSQL(OPEN + GRANTS + HAND_OVER, DROP),
    ]
