"""What workers do for conversations. Arguments are ids; the context comes signed with the message."""

from __future__ import annotations

from assistants.conversations import attachments, retention
from assistants.conversations.importing import services as importing
from isolation import context
from isolation.tasks import tenant_task


@tenant_task(name="assistants.conversations.tasks.read_import", max_retries=0)
def read_import(import_id: int) -> None:
    """Read one file of conversations, in its owner's context. Sent twice, the second finds nothing left to do."""
    importing.run_import(import_id)


@tenant_task(name="assistants.conversations.tasks.resume_imports", max_retries=0)
def resume_imports() -> None:
    """Send again what nobody reads. Beat runs it for every tenant; a copy sent twice finds nothing left to do."""
    schema = context.current().schema
    for lost in importing.lost_imports():
        with context.use(context.person(schema, lost.owner_id)):
            read_import.apply_async([lost.import_id])


@tenant_task(name="assistants.conversations.tasks.sweep", max_retries=0)
def sweep() -> None:
    """Conversations past their time, and attachments that no message took. Not retried: the next sweep finds what is left."""
    retention.sweep()
    attachments.sweep()
