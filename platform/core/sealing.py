"""Secrets at rest: AES-256-GCM under a key with an id, bound to what the secret is about.

`CLOISON_SECRETS_KEYS` is the keyring, `ID:BASE64` of 32 bytes each, by comma: the first one seals, all of them open.
The word `derived` in it stands for the key that is made from SECRET_KEY, which is the whole ring where nothing is set.
`about` names the row and the tenant: what was sealed for one opens for no other.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from core.errors import AppError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DERIVED = "derived"
VERSION = "v1"
NONCE = 12  # bytes
KEY_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")


class CannotUnseal(AppError):
    """Sealed under a key that the ring no longer holds, moved to another row, or changed."""

    code: ClassVar[str] = "secret_unreadable"
    status = 409
    title = _("The stored key can no longer be read. Enter it again.")


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by id; `current` seals."""

    current: str
    keys: dict[str, bytes] = field(repr=False)

    def _cipher(self, key_id: str) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self.keys[key_id])

    @sensitive_variables("secret")
    def seal(self, secret: str, about: str) -> str:
        """`v1.<key id>.<base64 of nonce and ciphertext>`; opens with this `about` only."""
        nonce = os.urandom(NONCE)
        sealed = self._cipher(self.current).encrypt(nonce, secret.encode(), f"{VERSION}|{self.current}|{about}".encode())
        return f"{VERSION}.{self.current}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, about: str) -> str:
        """Raises `CannotUnseal`."""
        from cryptography.exceptions import InvalidTag

        version, _dot, rest = sealed.partition(".")
        key_id, _dot, body = rest.partition(".")
        if version != VERSION or key_id not in self.keys:
            raise CannotUnseal
        try:
            raw = base64.urlsafe_b64decode(body)
            return self._cipher(key_id).decrypt(raw[:NONCE], raw[NONCE:], f"{version}|{key_id}|{about}".encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise CannotUnseal from None


def key_id_of(sealed: str) -> str:
    return sealed.split(".", 2)[1] if sealed.count(".") == 2 else ""


def keyring() -> Keyring:
    """The installation's ring. Raises `ImproperlyConfigured`."""
    return _ring(settings.CLOISON_SECRETS_KEYS, settings.SECRET_KEY)


@lru_cache(maxsize=4)
def _ring(configured: str, secret_key: str) -> Keyring:
    keys: dict[str, bytes] = {}
    for word in configured.split(",") or [DERIVED]:
        key_id, _colon, encoded = (word.strip() or DERIVED).partition(":")
        if key_id == DERIVED and not encoded:
            keys[DERIVED] = _derive(secret_key)
            continue
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not KEY_ID.fullmatch(key_id) or key_id == DERIVED or len(key) != 32:
            raise ImproperlyConfigured("CLOISON_SECRETS_KEYS holds ID:BASE64 of 32 bytes each, by comma, or the word derived")
        keys[key_id] = key
    return Keyring(next(iter(keys)), keys)


def _derive(secret_key: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt=None, info=b"cloison sealing v1").derive(secret_key.encode())


def seal(text: str, *, about: str) -> str:
    """Under the ring's first key; different each time."""
    return keyring().seal(text, about)


def unseal(sealed: str, *, about: str) -> str:
    """Raises `CannotUnseal`."""
    return keyring().open(sealed, about)


def sealed_anew(sealed: str, *, about: str) -> str | None:
    """The same secret under the ring's first key; None where it is under that already. Raises `CannotUnseal`."""
    ring = keyring()
    return None if key_id_of(sealed) == ring.current else ring.seal(ring.open(sealed, about), about)
