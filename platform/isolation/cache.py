"""Cache keys carry the schema: two tenants cannot meet in one entry."""

from __future__ import annotations

from isolation import context


def tenant_key(key: str, key_prefix: str, version: int) -> str:
    """Django's KEY_FUNCTION. Raises `NoTenantContext`."""
    return f"{key_prefix}:{context.current().schema}:{version}:{key}"
