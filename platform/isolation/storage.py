"""Files of a tenant live below its schema's name; the context decides, not the caller."""

from __future__ import annotations

from typing import Any

from django.core.files.storage import FileSystemStorage

from isolation import context


class TenantFileSystemStorage(FileSystemStorage):
    """Prefixes every path with the current schema. Raises `NoTenantContext` outside one.

    A name that climbs out of the tenant's folder raises `SuspiciousFileOperation` (Django's own check, on our root).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"directory_permissions_mode": 0o700, "file_permissions_mode": 0o600, **kwargs})

    @property
    def location(self) -> str:
        return f"{self.base_location}/{context.current().schema}"
