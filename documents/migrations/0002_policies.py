from django.db import migrations

from isolation.operations import Policy

# A signed-in person owns it, or it lies in a folder open to the whole tenant. {uid} is null for visitors.
FOLDER = "owner_id = {uid} OR (visibility = 'tenant' AND {uid} IS NOT NULL)"
OPEN = "folder_id IN (SELECT f.id FROM {schema}.documents_folder f WHERE f.visibility = 'tenant' AND {uid} IS NOT NULL)"
READ = "owner_id = {uid} OR " + OPEN
# Rows are written by their owner only, and into folders of the same owner: a folder's end takes its documents along.
OWN = "owner_id = {uid}"
IN_OWN_FOLDER = (
    "owner_id = {uid} AND (folder_id IS NULL OR EXISTS"
    " (SELECT 1 FROM {schema}.documents_folder f WHERE f.id = folder_id AND f.owner_id = {uid}))"
)
# A child proves its parent, and repeats the parent's owner and folder truthfully.
CHILD = (
    "owner_id = {uid} AND EXISTS (SELECT 1 FROM {schema}.documents_document d"
    " WHERE d.id = document_id AND d.owner_id = {uid} AND d.folder_id IS NOT DISTINCT FROM {table}.folder_id)"
)
OWN_DOCUMENT = "EXISTS (SELECT 1 FROM {schema}.documents_document d WHERE d.id = document_id AND d.owner_id = {uid})"
READABLE_DOCUMENT = (
    "EXISTS (SELECT 1 FROM {schema}.documents_document d WHERE d.id = document_id AND (d.owner_id = {uid}"
    " OR d.folder_id IN (SELECT f.id FROM {schema}.documents_folder f WHERE f.visibility = 'tenant' AND {uid} IS NOT NULL)))"
)


def child(model: str) -> list[Policy]:
    """An embedding's or vector's rows: written with their document, read where the document is."""
    return [
        Policy(model, "read", using=READ, command="SELECT"),
        Policy(model, "write", using=OWN, check=CHILD.replace("{table}", f"documents_{model.lower()}")),
    ]


class Migration(migrations.Migration):
    dependencies = [("documents", "0001_initial"), ("accounts", "0002_policies")]

    operations = [
        Policy("Folder", "read", using=FOLDER, command="SELECT"),
        Policy("Folder", "own", using=OWN),
        Policy("Folder", "admin", using="{can_admin}", command="SELECT"),
        Policy("Document", "read", using=READ, command="SELECT"),
        Policy("Document", "own", using=OWN, check=IN_OWN_FOLDER),
        # An administrator sees that a document is there, never what it says: the other tables have no such policy.
        Policy("Document", "admin", using="{can_admin}", command="SELECT"),
        # The reconciler finds documents whose worker died; ingestion itself runs in the owner's context.
        Policy("Document", "maintenance_read", using="{can_service}", command="SELECT", role="service"),
        Policy("Document", "maintenance", using="{can_service}", command="UPDATE", role="service"),
        Policy("DocumentText", "read", using=READABLE_DOCUMENT, command="SELECT"),
        Policy("DocumentText", "write", using=OWN_DOCUMENT),
        *child("Embedding"),
        *child("Vector"),
        # Nobody but the owner reads postings; everybody's search goes through the function that carries the rights.
        Policy("Posting", "own", using=OWN_DOCUMENT),
        *[
            Policy(model, "search", using="{here}", command="SELECT", role="search")
            for model in ("Folder", "Document", "Embedding", "Vector", "Posting")
        ],
    ]
