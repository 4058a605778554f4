from django.db import migrations

from isolation.operations import TenantSQL

# Dimensions of each model's vectors (gateway.embedding): MiniLM, the multilingual sentence encoder, lexical hashing.
MODELS = {1: 384, 2: 512, 3: 384}

INDEXES = [
    TenantSQL(
        f"CREATE INDEX documents_vector_model_{model} ON {{schema}}.documents_vector"
        f" USING hnsw ((vector::ext.vector({dimensions})) ext.vector_cosine_ops) WHERE model_id = {model}",
        f"DROP INDEX {{schema}}.documents_vector_model_{model}",
    )
    for model, dimensions in MODELS.items()
]

# The functions run as cloison_search, which may read every row of the tenant whose signed context is in force, and
# return only what the person may read: the rights are applied before the cut, in the query itself.
TEXT = """
CREATE FUNCTION {schema}.search_text(terms text[], folders bigint[], most int)
RETURNS TABLE (chunk bigint, score double precision, coverage double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH me AS MATERIALIZED (SELECT guard.uid('{schema}') AS uid),
  visible AS MATERIALIZED (
    SELECT d.id, d.chunk_count FROM {schema}.documents_document d
    WHERE (d.owner_id = (SELECT uid FROM me)
           OR d.folder_id IN (SELECT f.id FROM {schema}.documents_folder f
                              WHERE f.visibility = 'tenant' AND (SELECT uid FROM me) IS NOT NULL))
      AND (folders IS NULL OR d.folder_id = ANY (folders))
  ),
  size AS MATERIALIZED (SELECT coalesce(sum(v.chunk_count), 0)::double precision AS n FROM visible v),
  hits AS MATERIALIZED (
    SELECT p.term, u.chunk, u.impact FROM {schema}.documents_posting p
    JOIN visible v ON v.id = p.document_id
    CROSS JOIN LATERAL unnest(p.chunks, p.impacts) AS u(chunk, impact)
    WHERE p.term = ANY (terms)
  ),
  -- Frequencies are counted over what this person sees: a score tells nothing about what others have.
  frequency AS (SELECT t.term, count(h.chunk)::double precision AS df
                FROM unnest(terms) AS t(term) LEFT JOIN hits h ON h.term = t.term GROUP BY t.term),
  weight AS MATERIALIZED (
    SELECT q.term, split_part(q.term, ':', 1) AS language, ln(1 + (greatest(s.n, q.df) - q.df + 0.5) / (q.df + 0.5)) AS idf
    FROM frequency q CROSS JOIN size s
  ),
  total AS (SELECT w.language, sum(w.idf) AS idf FROM weight w GROUP BY w.language)
  SELECT h.chunk, sum(h.impact * w.idf) / 1000, sum(w.idf) / max(t.idf)
  FROM hits h JOIN weight w ON w.term = h.term JOIN total t ON t.language = w.language
  GROUP BY h.chunk ORDER BY 2 DESC, 1 LIMIT least(most, 1000)
$$
"""

# Few visible vectors: all of them are compared, which is exact and cheap. Many: the index, walked until enough
# permitted ones are found.
VECTORS = """
CREATE FUNCTION {schema}.search_vectors(question ext.vector, model int, folders bigint[], most int)
RETURNS TABLE (chunk bigint, score double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me bigint := guard.uid('{schema}');
  open_folders bigint[];
  few boolean;
BEGIN
  IF me IS NULL THEN RETURN; END IF;
  most := least(most, 1000);
  SELECT coalesce(array_agg(f.id), ARRAY[]::bigint[]) INTO open_folders FROM {schema}.documents_folder f WHERE f.visibility = 'tenant';
  SELECT count(*) < 5000 INTO few FROM (
    SELECT 1 FROM {schema}.documents_vector v
    WHERE v.model_id = model AND (v.owner_id = me OR v.folder_id = ANY (open_folders))
      AND (folders IS NULL OR v.folder_id = ANY (folders)) LIMIT 5000) seen;
  IF few THEN
    RETURN QUERY
      SELECT v.embedding_id, max(1 - (v.vector OPERATOR(ext.<=>) question)) FROM {schema}.documents_vector v
      WHERE v.model_id = model AND (v.owner_id = me OR v.folder_id = ANY (open_folders))
        AND (folders IS NULL OR v.folder_id = ANY (folders))
      GROUP BY v.embedding_id ORDER BY 2 DESC, 1 LIMIT most;
    RETURN;
  END IF;
  PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true);
  PERFORM set_config('hnsw.ef_search', least(greatest(most, 40), 400)::text, true);
  RETURN QUERY EXECUTE format($q$
    SELECT n.embedding_id, max(1 - n.distance) FROM (
      SELECT v.embedding_id, (v.vector::ext.vector(%1$s)) OPERATOR(ext.<=>) $1::ext.vector(%1$s) AS distance
      FROM {schema}.documents_vector v
      WHERE v.model_id = %2$s AND (v.owner_id = $2 OR v.folder_id = ANY ($3)) AND ($4 IS NULL OR v.folder_id = ANY ($4))
      ORDER BY 2 LIMIT $5) n
    GROUP BY n.embedding_id ORDER BY 2 DESC, 1 LIMIT $6$q$, ext.vector_dims(question), model)
    USING question, me, open_folders, folders, most * 2, most;
END $$
"""

FUNCTIONS = {"search_text": ("text[], bigint[], int", TEXT), "search_vectors": ("ext.vector, int, bigint[], int", VECTORS)}

# The new owner needs CREATE on the schema at the moment it takes the function over, and never again.
HAND_OVER = """
GRANT EXECUTE ON FUNCTION {schema}.NAME(ARGUMENTS) TO {schema};
GRANT CREATE ON SCHEMA {schema} TO cloison_search;
ALTER FUNCTION {schema}.NAME(ARGUMENTS) OWNER TO cloison_search;
REVOKE CREATE ON SCHEMA {schema} FROM cloison_search;
"""


def function(name: str) -> list[TenantSQL]:
    arguments, body = FUNCTIONS[name]
    hand_over = HAND_OVER.replace("NAME", name).replace("ARGUMENTS", arguments)
    drop = f"SET LOCAL ROLE cloison_search; DROP FUNCTION {{schema}}.{name}({arguments}); SET LOCAL ROLE cloison_owner"
    return [TenantSQL(body, drop), TenantSQL(hand_over, "")]


class Migration(migrations.Migration):
    dependencies = [("documents", "0002_policies")]

    operations = [*INDEXES, *function("search_text"), *function("search_vectors")]
