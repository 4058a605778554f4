"""What a request may not say to a provider: where to go, with which key, and anything that is ours to add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from core.errors import AppError

REFUSED = frozenset(
    "api_base api_key api_type api_version base_url custom_llm_provider default_headers extra_body extra_headers extra_query"
    " headers http_client metadata organization provider proxy user_config".split()
)


class ParameterNotAllowed(AppError):
    code: ClassVar[str] = "parameter_not_allowed"
    title = _("This is not a caller's to say.")


def check(body: object) -> None:
    """Raises `ParameterNotAllowed`, naming the first such parameter."""
    found = sorted(REFUSED.intersection(body)) if isinstance(body, Mapping) else []
    if found:
        raise ParameterNotAllowed(field=found[0])
