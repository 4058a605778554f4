from importlib import import_module

from django.db import migrations

from isolation.operations import Policy, TenantSQL

search = import_module("documents.migrations.0003_search")

# What was rated before counts for the model and the assistant that it was about.
KNOWN = """
UPDATE {schema}.conversations_feedback f
SET counted = true, model = left(coalesce(r.routing ->> 'model', ''), 250),
    assistant = (SELECT a.public_id FROM {schema}.profiles_assistant a WHERE a.id = c.assistant_id)
FROM {schema}.conversations_run r JOIN {schema}.conversations_conversation c ON c.id = r.conversation_id
WHERE r.answer_id = f.message_id;
"""

# Others' ratings stay closed to administrators. This gives them numbers, by one thing at a time, and reads nothing else.
COUNT = """
CREATE FUNCTION {schema}.feedback_counts(begin timestamptz, ends timestamptz)
RETURNS TABLE (part text, key text, rating text, answers bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF guard.caps('{schema}') && ARRAY['admin', 'manager'] IS NOT TRUE THEN RETURN; END IF;
  RETURN QUERY
    SELECT CASE WHEN grouping(g.reason) = 0 THEN 'reason' WHEN grouping(g.model) = 0 THEN 'model'
                WHEN grouping(g.assistant) = 0 THEN 'assistant' ELSE 'day' END,
           coalesce(g.reason, g.model, g.assistant, g.day, ''), g.rating, count(*)
    FROM (SELECT f.rating::text, f.reason::text, f.model::text, f.assistant::text,
                 (f.given_at AT TIME ZONE 'UTC')::date::text AS day
          FROM {schema}.conversations_feedback f
          WHERE f.counted AND f.given_at >= begin AND f.given_at < ends) g
    GROUP BY GROUPING SETS ((g.rating, g.reason), (g.rating, g.model), (g.rating, g.assistant), (g.rating, g.day));
END $$;
"""
HAND_OVER = search.HAND_OVER.replace("NAME", "feedback_counts").replace("ARGUMENTS", "timestamptz, timestamptz")
DROP = """
SET LOCAL ROLE cloison_search;
DROP FUNCTION {schema}.feedback_counts(timestamptz, timestamptz);
SET LOCAL ROLE cloison_owner;
"""


class Migration(migrations.Migration):
    dependencies = [("conversations", "0019_feedback_counts"), ("profiles", "0004_grants_policies")]

    operations = [
        TenantSQL(KNOWN, ""),
        Policy("Feedback", "counts", using="{can_admin} OR {can_manager}", command="SELECT", role="search"),
        TenantSQL(COUNT + HAND_OVER, DROP),
    ]
