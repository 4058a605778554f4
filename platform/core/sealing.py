"""Secrets at rest: AES-256-GCM under a key derived from SECRET_KEY, with the key's id beside the text.

`about` is bound to the ciphertext: what was sealed for one row and tenant opens for no other.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

NONCE = 12  # bytes


class CannotUnseal(Exception):
    """The text was sealed under another key, for something else, or was changed."""


@cache
def _derived(secret: str) -> tuple[str, bytes]:
    """A key's id and the key."""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"cloison sealing v1").derive(secret.encode())
    digest = Hash(SHA256())
    digest.update(b"id" + key)
    return digest.finalize().hex()[:8], key


def _keys() -> Iterator[tuple[str, bytes]]:
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        yield _derived(secret)


def seal(text: str, *, about: str) -> str:
    """`<key id>.<base64>`, different each time."""
    key_id, key = next(_keys())
    nonce = os.urandom(NONCE)
    body = nonce + AESGCM(key).encrypt(nonce, text.encode(), about.encode())
    return f"{key_id}.{base64.urlsafe_b64encode(body).decode()}"


def unseal(sealed: str, *, about: str) -> str:
    """Raises `CannotUnseal`."""
    key_id, _dot, body = sealed.partition(".")
    for known, key in _keys():
        if known == key_id:
            try:
                raw = base64.urlsafe_b64decode(body)
                return AESGCM(key).decrypt(raw[:NONCE], raw[NONCE:], about.encode()).decode()
            except (InvalidTag, ValueError) as error:
                raise CannotUnseal from error
    raise CannotUnseal
