"""Privacy routing: what in a turn is personal, what follows, how it is replaced and put back. No database, no network."""

from __future__ import annotations

from gateway.privacy.detectors import detect
from gateway.privacy.findings import Finding
from gateway.privacy.policy import DEFAULT, Outcome, PrivacyPolicy
from gateway.privacy.pseudonyms import Masked, Restorer, Vault, mask, restore
from gateway.privacy.verdict import Part, Verdict, findings_of, judge, strictest

__all__ = [
    "DEFAULT", "Finding", "Masked", "Outcome", "Part", "PrivacyPolicy", "Restorer", "Vault", "Verdict",
    "detect", "findings_of", "judge", "mask", "restore", "strictest",
]  # fmt: skip
