from django.db import migrations

from isolation.operations import TenantSQL

# A vector belongs to a chunk of the document that it names: the foreign key says so, since it sees every row.
SAME = """
ALTER TABLE {schema}.documents_embedding ADD CONSTRAINT documents_embedding_in_document UNIQUE (document_id, id);
ALTER TABLE {schema}.documents_vector ADD CONSTRAINT documents_vector_chunk_beside
  FOREIGN KEY (document_id, embedding_id) REFERENCES {schema}.documents_embedding (document_id, id)
  DEFERRABLE INITIALLY DEFERRED;
"""
ANY = """
ALTER TABLE {schema}.documents_vector DROP CONSTRAINT documents_vector_chunk_beside;
ALTER TABLE {schema}.documents_embedding DROP CONSTRAINT documents_embedding_in_document;
"""


class Migration(migrations.Migration):
    dependencies = [("documents", "0005_grants_policies")]

    operations = [TenantSQL(SAME, ANY)]
