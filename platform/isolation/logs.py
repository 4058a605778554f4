"""Every log record says which tenant it speaks of."""

from __future__ import annotations

import logging

from isolation import context


class TenantFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        here = context.get()
        record.tenant = here.schema if here else "-"
        return True
