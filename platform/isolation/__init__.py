"""The walls between tenants: context, database engine, policies, files, cache keys, tasks. No models.

`isolation.context` says who asks; everything else here obeys it.
"""

from isolation.threads import in_thread

__all__ = ["in_thread"]
