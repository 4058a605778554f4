"""Which language somebody is answered in."""

from __future__ import annotations

from typing import Any

from django.conf import settings

CODES = tuple(code for code, _name in settings.LANGUAGES)


def choose(*, chosen: str | None, user: Any, accepted: str, site: Any) -> str:
    """The person's own choice (the cookie's, or the account's), else the browser's, else the site's."""
    own = chosen or getattr(user, "language", "")
    if own in CODES:
        return str(own)
    for each in accepted.split(","):
        code = each.split(";")[0].strip().lower()[:2]
        if code in CODES:
            return code
    return (site and site.language) or settings.LANGUAGE_CODE


def of(user: Any) -> str:
    """Somebody's own, where no request of theirs is at hand."""
    return choose(chosen=None, user=user, accepted="", site=None)
