"""What was done by whom: append-only, hash-chained, per tenant. `audit.record` is the one way in."""

from audit.log import record

__all__ = ["record"]
