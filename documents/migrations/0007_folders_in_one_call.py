from importlib import import_module

from django.db import migrations

from isolation.operations import DropPolicy, Policy, TenantSQL

before = import_module("documents.migrations.0005_grants_policies")
search = import_module("documents.migrations.0003_search")

# Several policies that allow a reading are all asked; in one, what is one's own is found first. An administrator sees that
# a folder or document is there, never what it says: the other tables let nobody but readers in.
#
# The folders that a person reads, as one opaque call: a subquery has the folders' own policies planned into every query
# over documents. It is asked only for documents of others.
FOLDERS = """
CREATE FUNCTION {schema}.open_folders() RETURNS bigint[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me bigint := guard.uid('{schema}');
  mine text[] := guard.principals('{schema}');
BEGIN
  IF me IS NULL THEN RETURN ARRAY[]::bigint[]; END IF;
  RETURN ARRAY(SELECT f.id FROM {schema}.documents_folder f
               WHERE f.owner_id = me OR f.visibility = 'tenant' OR f.readers && mine);
END $$;
"""
HAND_OVER = search.HAND_OVER.replace("NAME", "open_folders").replace("ARGUMENTS", "")
DROP = "SET LOCAL ROLE cloison_search; DROP FUNCTION {schema}.open_folders(); SET LOCAL ROLE cloison_owner"
READ = "owner_id = {uid} OR folder_id = ANY ((SELECT {schema}.open_folders())::bigint[]) OR readers && {principals}"
OWN = "owner_id = {uid}"


class Migration(migrations.Migration):
    dependencies = [("documents", "0006_vectors_beside_chunks")]

    operations = [
        TenantSQL(FOLDERS + HAND_OVER, DROP),
        Policy(
            "Document",
            "read",
            using=f"{READ} OR {{can_admin}}",
            command="SELECT",
            was={"using": before.READ + " OR readers && {principals}", "command": "SELECT"},
        ),
        DropPolicy("Document", "admin", using="{can_admin}", command="SELECT"),
        Policy(
            "Folder",
            "read",
            using=f"{before.FOLDER} OR {{can_admin}}",
            command="SELECT",
            was={"using": before.FOLDER, "command": "SELECT"},
        ),
        DropPolicy("Folder", "admin", using="{can_admin}", command="SELECT"),
        # One policy for each command: what may write everything is asked at every reading, too.
        Policy("Folder", "own", using=OWN, command="UPDATE", was={"using": OWN}),
        Policy("Folder", "add", using=OWN, command="INSERT"),
        Policy("Folder", "remove", using=OWN, command="DELETE"),
    ]
