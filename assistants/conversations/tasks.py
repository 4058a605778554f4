"""What the clock does for conversations, in every organisation."""

from __future__ import annotations

from assistants.conversations import attachments, retention
from isolation.tasks import tenant_task


@tenant_task(name="assistants.conversations.tasks.sweep", max_retries=0)
def sweep() -> None:
    """Conversations past their time, and attachments that no message took. Not retried: the next sweep finds what is left."""
    retention.sweep()
    attachments.sweep()
