"""What can be wrong with a privacy policy, or stop a text from being judged or masked."""

from __future__ import annotations

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.errors import AppError


class InvalidPrivacyPolicy(AppError):
    """`field` in the problem document names the member at fault."""

    code = "privacy_policy_invalid"
    status = 422
    title: ClassVar[str | Promise] = _("The privacy policy is not valid")


class InvalidPattern(InvalidPrivacyPolicy):
    code = "privacy_pattern_invalid"
    title: ClassVar[str | Promise] = _("A pattern is not a valid regular expression")


class PatternTooSlow(InvalidPrivacyPolicy):
    """Raised at save for a pattern that can take for ever, and at use for one that does: then nothing leaves."""

    code = "privacy_pattern_too_slow"
    title: ClassVar[str | Promise] = _("A pattern takes too long")


class TooManyValues(AppError):
    """A conversation holds more different values of one kind than there are placeholders. Nothing leaves."""

    code = "privacy_too_many_values"
    status = 413
    title: ClassVar[str | Promise] = _("There are too many personal values to replace")
