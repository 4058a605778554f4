from django.db import migrations

from isolation.operations import TenantSQL

# Lower case without accents or punctuation: what the two stemmers read, of texts and of questions. `normalize` splits
# an accented letter in two, and the second part goes.
FOLD = """
CREATE FUNCTION {schema}.search_fold(content text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT regexp_replace(normalize(replace(replace(replace(lower(content), 'œ', 'oe'), 'æ', 'ae'), 'ß', 'ss'), NFKD),
                        '[\u0300-\u036f]+', '', 'g')
$$;
CREATE FUNCTION {schema}.search_words(content text, owner bigint) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT to_tsvector('pg_catalog.french', f.t) || to_tsvector('pg_catalog.english', f.t) || array_to_tsvector(ARRAY['@' || owner])
  FROM (SELECT regexp_replace({schema}.search_fold(left(content, 200000)), '[^[:alnum:]]+', ' ', 'g') AS t) f
$$;
GRANT EXECUTE ON FUNCTION {schema}.search_fold(text), {schema}.search_words(text, bigint) TO {schema};
"""
UNFOLD = """
DROP FUNCTION {schema}.search_words(text, bigint);
DROP FUNCTION {schema}.search_fold(text);
"""

# Triggers, so that no way of writing a message can forget them. They run as whoever writes, under that person's policies.
# An answer that still grows is rewritten every two seconds: its words are kept once, when its run has ended. A temporary
# chat leaves nothing here.
KEEP = """
CREATE FUNCTION {schema}.keep_words_of_message() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.content = '' OR EXISTS (
    SELECT 1 FROM {schema}.conversations_run r WHERE r.answer_id = NEW.id AND r.status IN ('queued', 'running')) THEN
    RETURN NULL;
  END IF;
  INSERT INTO {schema}.conversations_searchentry (conversation_id, message_id, owner_id, words)
  SELECT c.id, NEW.id, c.owner_id, {schema}.search_words(NEW.content, c.owner_id)
  FROM {schema}.conversations_conversation c WHERE c.id = NEW.conversation_id AND NOT c.temporary
  ON CONFLICT (message_id) DO UPDATE SET words = excluded.words;
  RETURN NULL;
END $$;
CREATE TRIGGER keep_words AFTER INSERT OR UPDATE OF content ON {schema}.conversations_message
  FOR EACH ROW EXECUTE FUNCTION {schema}.keep_words_of_message();
CREATE FUNCTION {schema}.keep_words_of_title() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.temporary OR (TG_OP = 'UPDATE' AND NEW.title = OLD.title) OR (TG_OP = 'INSERT' AND NEW.title = '') THEN
    RETURN NULL;
  END IF;
  INSERT INTO {schema}.conversations_searchentry (conversation_id, owner_id, words)
  VALUES (NEW.id, NEW.owner_id, {schema}.search_words(NEW.title, NEW.owner_id))
  ON CONFLICT (conversation_id) WHERE message_id IS NULL DO UPDATE SET words = excluded.words;
  RETURN NULL;
END $$;
CREATE TRIGGER keep_words AFTER INSERT OR UPDATE OF title ON {schema}.conversations_conversation
  FOR EACH ROW EXECUTE FUNCTION {schema}.keep_words_of_title();
"""
FORGET = """
DROP TRIGGER keep_words ON {schema}.conversations_conversation;
DROP FUNCTION {schema}.keep_words_of_title();
DROP TRIGGER keep_words ON {schema}.conversations_message;
DROP FUNCTION {schema}.keep_words_of_message();
"""

# guard.words_ops is GIN's own way with words under an operator that row security lets into an index (see isolation.guard).
# Without its list of pending entries, which a search would read through and an unlucky writer empty.
INDEX = """
INSERT INTO {schema}.conversations_searchentry (conversation_id, owner_id, words)
SELECT c.id, c.owner_id, {schema}.search_words(c.title, c.owner_id)
FROM {schema}.conversations_conversation c WHERE c.title <> '' ORDER BY c.id;
INSERT INTO {schema}.conversations_searchentry (conversation_id, message_id, owner_id, words)
SELECT c.id, m.id, c.owner_id, {schema}.search_words(m.content, c.owner_id)
FROM {schema}.conversations_message m JOIN {schema}.conversations_conversation c ON c.id = m.conversation_id
WHERE m.content <> '' ORDER BY m.id;
CREATE INDEX conversations_words ON {schema}.conversations_searchentry USING gin (words guard.words_ops) WITH (fastupdate = off);
"""


class Migration(migrations.Migration):
    dependencies = [("conversations", "0012_order_policies")]

    operations = [
        TenantSQL(FOLD, UNFOLD),
        TenantSQL(KEEP, FORGET),
        TenantSQL(INDEX, "DROP INDEX {schema}.conversations_words"),
    ]
