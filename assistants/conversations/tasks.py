"""What workers do for conversations. Arguments are ids; the context comes signed with the message."""

from __future__ import annotations

from assistants.conversations.importing import services as importing
from isolation.tasks import tenant_task


@tenant_task(name="assistants.conversations.tasks.read_import", max_retries=0)
def read_import(import_id: int) -> None:
    """Read one file of conversations, in its owner's context. Sent twice, the second finds nothing left to do."""
    importing.run_import(import_id)
