"""Authenticators' and sign-in services' secrets are sealed again with everything else."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.db import connections

from accounts import federation, rotation, second_factor
from accounts.models import OIDCProvider, SecondFactor
from core import sealing
from isolation import context
from tests.people import House


def test_case_45_after_rotation_the_old_key_opens_nothing(acme: House, settings: Any) -> None:
    member, admin = acme.person("member"), acme.person("admin")
    user = member.user
    with admin.acting():
        provider = OIDCProvider(name="Login", issuer="https://login.example.org", client_id="cloison")
        provider.secret = sealing.seal("of the service", about=federation.about_row(provider))
        provider.save()
    with context.use(context.auth(acme.schema)):
        factor = SecondFactor(user=user, last_step=0)
        factor.secret = sealing.seal("of the person", about=second_factor.about_row(factor))
        factor.save(force_insert=True)
        old = factor.secret
        settings.CLOISON_SECRETS_KEYS = f"new:{base64.b64encode(b'k' * 32).decode()},derived"

        first, again = rotation.rotate(), rotation.rotate()

        settings.CLOISON_SECRETS_KEYS = settings.CLOISON_SECRETS_KEYS.removesuffix(",derived")
        factor.refresh_from_db()
        provider.refresh_from_db()
        opened = [
            sealing.unseal(factor.secret, about=second_factor.about_row(factor)),
            sealing.unseal(provider.secret, about=federation.about_row(provider)),
        ]
        with pytest.raises(sealing.CannotUnseal):
            sealing.unseal(old, about=second_factor.about_row(factor))
    connections.close_all()

    assert (first, again) == ((2, 0), (0, 0))
    assert opened == ["of the person", "of the service"]
