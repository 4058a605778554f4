"""What makes a password acceptable beside Django's own rules (AUTH_PASSWORD_VALIDATORS)."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.services import LONGEST_PASSWORD


class MaximumLengthValidator:
    """Longer ones are refused, not cut."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > LONGEST_PASSWORD:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return _("A password has at most %(most)s characters.") % {"most": LONGEST_PASSWORD}


class OwnAddressValidator:
    """The first thing that somebody else would try."""

    def validate(self, password: str, user: Any = None) -> None:
        email = str(getattr(user, "email", "") or "").lower()
        if email and (email in password.lower() or password.lower() == email.partition("@")[0]):
            raise ValidationError(self.get_help_text(), code="password_holds_address")

    def get_help_text(self) -> str:
        return _("A password does not hold your own address.")
