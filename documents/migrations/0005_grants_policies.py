from importlib import import_module

from django.db import migrations

from isolation.operations import Policy, TenantSQL, keeps_grants

before = import_module("documents.migrations.0002_policies")
search = import_module("documents.migrations.0003_search")

# What lies in a folder, and whose it is, is decided when it is added: nobody moves a row into a folder that is not theirs.
STAY = """
CREATE FUNCTION {schema}.stay_in_folder() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.owner_id IS DISTINCT FROM OLD.owner_id OR NEW.folder_id IS DISTINCT FROM OLD.folder_id THEN
    RAISE EXCEPTION 'a document stays in its folder' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER stay_in_folder BEFORE UPDATE OF owner_id, folder_id ON {schema}.documents_document
  FOR EACH ROW EXECUTE FUNCTION {schema}.stay_in_folder();
"""
LEAVE = "DROP TRIGGER stay_in_folder ON {schema}.documents_document; DROP FUNCTION {schema}.stay_in_folder();"

# The one predicate, here and in the search functions below. {uid} and {principals} are null for visitors.
FOLDER = "owner_id = {uid} OR (visibility = 'tenant' AND {uid} IS NOT NULL) OR readers && {principals}"
OPEN = (
    "folder_id IN (SELECT f.id FROM {schema}.documents_folder f WHERE f.owner_id = {uid}"
    " OR (f.visibility = 'tenant' AND {uid} IS NOT NULL) OR f.readers && {principals})"
)
READ = "owner_id = {uid} OR " + OPEN
SHARED = "document_id IN (SELECT d.id FROM {schema}.documents_document d WHERE d.readers && {principals})"
MINE = "folder_id IN (SELECT f.id FROM {schema}.documents_folder f WHERE f.owner_id = {uid})"
READABLE_DOCUMENT = (
    "EXISTS (SELECT 1 FROM {schema}.documents_document d WHERE d.id = document_id AND (d.owner_id = {uid} OR d."
    + OPEN
    + " OR d.readers && {principals}))"
)
WRITABLE = (
    "owner_id = {uid} AND (folder_id IS NULL OR EXISTS (SELECT 1 FROM {schema}.documents_folder f"
    " WHERE f.id = folder_id AND (f.owner_id = {uid} OR f.writers && {principals})))"
)
# Whoever owns a folder may empty it, of others' documents too.
IN_MY_FOLDER = "EXISTS (SELECT 1 FROM {schema}.documents_document d WHERE d.id = document_id AND d." + MINE + ")"
OWN_FOLDER = "EXISTS (SELECT 1 FROM {schema}.documents_folder f WHERE f.id = folder_id AND f.owner_id = {uid})"
OWN_DOCUMENT = before.OWN_DOCUMENT


def grants(model: str, own: str, may_remove: str) -> list[Policy]:
    """The object's owner manages its grants; the grantee sees that the grant exists."""
    return [
        Policy(model, "read", using=own + " OR ARRAY[principal] && {principals}", command="SELECT"),
        Policy(model, "add", using=own, command="INSERT"),
        Policy(model, "remove", using=may_remove, command="DELETE"),
        Policy(model, "search", using="{here}", command="SELECT", role="search"),
    ]


def replaced(name: str) -> list[TenantSQL]:
    """A search function in the place of that of 0003."""
    arguments, old = search.FUNCTIONS[name]
    hand_over = search.HAND_OVER.replace("NAME", name).replace("ARGUMENTS", arguments)
    drop = f"SET LOCAL ROLE cloison_search; DROP FUNCTION {{schema}}.{name}({arguments}); SET LOCAL ROLE cloison_owner"
    return [TenantSQL(drop, old + ";" + hand_over), TenantSQL(FUNCTIONS[name] + ";" + hand_over, drop)]


TEXT_OLD = """  WITH me AS MATERIALIZED (SELECT guard.uid('{schema}') AS uid),
  visible AS MATERIALIZED (
    SELECT d.id, d.chunk_count FROM {schema}.documents_document d
    WHERE (d.owner_id = (SELECT uid FROM me)
           OR d.folder_id IN (SELECT f.id FROM {schema}.documents_folder f
                              WHERE f.visibility = 'tenant' AND (SELECT uid FROM me) IS NOT NULL))"""
TEXT_NEW = """  WITH me AS MATERIALIZED (SELECT guard.uid('{schema}') AS uid, guard.principals('{schema}') AS principals),
  visible AS MATERIALIZED (
    SELECT d.id, d.chunk_count FROM {schema}.documents_document d
    WHERE (d.owner_id = (SELECT uid FROM me)
           OR d.folder_id IN (SELECT f.id FROM {schema}.documents_folder f
                              WHERE f.owner_id = (SELECT uid FROM me)
                                OR (f.visibility = 'tenant' AND (SELECT uid FROM me) IS NOT NULL)
                                OR f.readers && (SELECT principals FROM me))
           OR d.readers && (SELECT principals FROM me))"""

# Few visible vectors: all of them are compared, which is exact and cheap. Many: the index, walked until enough
# permitted ones are found. Folders and documents that are open to the person are looked up once.
VECTORS = """
CREATE FUNCTION {schema}.search_vectors(question ext.vector, model int, folders bigint[], most int)
RETURNS TABLE (chunk bigint, score double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me bigint := guard.uid('{schema}');
  mine text[] := guard.principals('{schema}');
  open_folders bigint[];
  shared bigint[];
  few boolean;
BEGIN
  IF me IS NULL THEN RETURN; END IF;
  most := least(most, 1000);
  open_folders := ARRAY(SELECT f.id FROM {schema}.documents_folder f
                        WHERE f.owner_id = me OR f.visibility = 'tenant' OR f.readers && mine);
  shared := ARRAY(SELECT d.id FROM {schema}.documents_document d WHERE d.readers && mine);
  SELECT count(*) < 5000 INTO few FROM (
    SELECT 1 FROM {schema}.documents_vector v
    WHERE v.model_id = model
      AND (v.owner_id = me OR v.folder_id = ANY (open_folders) OR v.document_id = ANY (shared))
      AND (folders IS NULL OR v.folder_id = ANY (folders)) LIMIT 5000) seen;
  IF few THEN
    RETURN QUERY
      SELECT v.embedding_id, max(1 - (v.vector OPERATOR(ext.<=>) question)) FROM {schema}.documents_vector v
      WHERE v.model_id = model
        AND (v.owner_id = me OR v.folder_id = ANY (open_folders) OR v.document_id = ANY (shared))
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
      WHERE v.model_id = %2$s AND (v.owner_id = $2 OR v.folder_id = ANY ($3) OR v.document_id = ANY ($7))
        AND ($4 IS NULL OR v.folder_id = ANY ($4))
      ORDER BY 2 LIMIT $5) n
    GROUP BY n.embedding_id ORDER BY 2 DESC, 1 LIMIT $6$q$, ext.vector_dims(question), model)
    USING question, me, open_folders, folders, most * 2, most, shared;
END $$
"""

assert TEXT_OLD in search.TEXT
FUNCTIONS = {"search_text": search.TEXT.replace(TEXT_OLD, TEXT_NEW), "search_vectors": VECTORS}


def child(model: str) -> list[Policy]:
    return [
        Policy(model, "read", using=f"{READ} OR {SHARED}", command="SELECT", was={"using": before.READ, "command": "SELECT"}),
        Policy(model, "remove", using=IN_MY_FOLDER, command="DELETE"),
    ]


class Migration(migrations.Migration):
    dependencies = [("documents", "0004_grants"), ("accounts", "0004_people_policies")]

    operations = [
        Policy("Folder", "read", using=FOLDER, command="SELECT", was={"using": before.FOLDER, "command": "SELECT"}),
        Policy("Folder", "kept", using="{here}", command="UPDATE", role="search"),
        Policy(
            "Document",
            "read",
            using=READ + " OR readers && {principals}",
            command="SELECT",
            was={"using": before.READ, "command": "SELECT"},
        ),
        Policy(
            "Document",
            "own",
            using=before.OWN,
            command="UPDATE",
            was={"using": before.OWN, "check": before.IN_OWN_FOLDER},
        ),
        Policy("Document", "add", using=WRITABLE, command="INSERT"),
        Policy("Document", "remove", using=f"{before.OWN} OR {MINE}", command="DELETE"),
        Policy("Document", "kept", using="{here}", command="UPDATE", role="search"),
        Policy(
            "DocumentText",
            "read",
            using=READABLE_DOCUMENT,
            command="SELECT",
            was={"using": before.READABLE_DOCUMENT, "command": "SELECT"},
        ),
        Policy("DocumentText", "remove", using=IN_MY_FOLDER, command="DELETE"),
        *child("Embedding"),
        *child("Vector"),
        Policy("Posting", "in_my_folder", using=IN_MY_FOLDER, command="SELECT"),
        Policy("Posting", "remove", using=IN_MY_FOLDER, command="DELETE"),
        *grants("FolderGrant", OWN_FOLDER, OWN_FOLDER),
        *grants("DocumentGrant", OWN_DOCUMENT, f"{OWN_DOCUMENT} OR {IN_MY_FOLDER}"),
        # No policy of a folder or document reads the grants, so none is asked in a circle.
        keeps_grants("documents_folder", {"readers": "", "writers": "g.access = 'write'"}),
        keeps_grants("documents_document", {"readers": ""}),
        TenantSQL(STAY, LEAVE),
        *replaced("search_text"),
        *replaced("search_vectors"),
    ]
