"""What every template knows: whose site it is."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """`site` (see `tenants.sites.Site`); absent where the chain did not run."""
    return {"site": getattr(request, "site", None)}
