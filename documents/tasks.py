"""What workers do for documents. Arguments are ids; the context comes signed with the message."""

from __future__ import annotations

from documents import ingestion
from isolation import context
from isolation.tasks import tenant_task


@tenant_task(name="documents.tasks.ingest", max_retries=0)
def ingest(document_id: int) -> None:
    """Read one document, in its owner's context. No retry here: `reconcile` sends again what did not end."""
    ingestion.ingest_document(document_id)


@tenant_task(name="documents.tasks.reconcile", max_retries=0)
def reconcile() -> None:
    """Send again what nobody works on. Beat runs it for every tenant; a copy sent twice finds nothing left to do."""
    schema = context.current().schema
    for lost in ingestion.find_lost():
        with context.use(context.person(schema, lost.owner_id)):
            ingest.apply_async([lost.document_id])
