"""Sealing again, under the ring's first key, what of people's sign-in is secret: authenticators and services' secrets."""

from __future__ import annotations

from django.db import transaction

from accounts import federation, second_factor
from accounts.models import OIDCProvider, SecondFactor
from core import sealing


def _about(row: SecondFactor | OIDCProvider) -> str:
    return second_factor.about_row(row) if isinstance(row, SecondFactor) else federation.about_row(row)


def rotate() -> tuple[int, int]:
    """Of the current schema: how many were sealed again, and how many cannot be read. Runs under `context.auth`.

    Safe to repeat, and to stop in the middle.
    """
    done = lost = 0
    for model in (SecondFactor, OIDCProvider):
        for pk in model.objects.exclude(secret="").order_by("pk").values_list("pk", flat=True):
            with transaction.atomic():
                row = model.objects.select_for_update().filter(pk=pk).first()
                try:
                    fresh = sealing.sealed_anew(row.secret, about=_about(row)) if row else None
                except sealing.CannotUnseal:
                    lost += 1
                    continue
                if row is not None and fresh is not None:
                    row.secret = fresh
                    row.save(update_fields=["secret"])
                    done += 1
    return done, lost
