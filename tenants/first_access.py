"""How a new organisation's first administrator comes in. One place, so that an invitation by link can take its turn."""

from __future__ import annotations

import secrets

from django.contrib.auth.hashers import make_password

WORDS = 4  # groups of a password that we choose: 4 × 25 bits
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that reads like something else


def first_password(typed: str = "") -> tuple[str, str]:
    """The password to hand over, chosen at random unless one was typed, and its hash, which alone is stored."""
    password = typed or "-".join("".join(secrets.choice(ALPHABET) for _letter in range(5)) for _group in range(WORDS))
    return password, make_password(password)
