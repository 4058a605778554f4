"""The demo cast: the same people, keys and public ids in each tenant, so that a leak would show."""

from __future__ import annotations

import uuid

from accounts.models import User
from isolation import context

R = User.Role

# (role, local part, first and last name at the first tenant, at the others)
CAST = [
    (R.ADMIN, "admin", ("Camille", "Morel"), ("Grace", "Okafor")),
    (R.MANAGER, "manager", ("Sofia", "Lindqvist"), ("Daniel", "Reyes")),
    (R.MEMBER, "member", ("Nadia", "Benali"), ("Priya", "Raman")),
    (R.MEMBER, "member2", ("Hugo", "Perrin"), ("Tom", "Halden")),
    (R.VIEWER, "viewer", ("Léa", "Fontaine"), ("Mia", "Novak")),
    (R.AUDITOR, "auditor", ("Paul", "Delvaux"), ("Ines", "Costa")),
]


def public_id(number: int) -> uuid.UUID:
    """A fixed UUIDv7 for the cast's `number`-th member."""
    return uuid.UUID(f"01930000-0000-7000-8000-{number:012x}")


def seed_cast(*, schema: str, domain: str, password: str, language: str) -> None:
    """Create those of the cast who are not there yet; nobody is changed. A new tenant gives them the keys 1, 2, 3, …"""
    with context.use(context.auth(schema)):
        there = set(User.objects.values_list("email", flat=True))
        for number, (role, local, french, english) in enumerate(CAST, 1):
            email = f"{local}@{domain}"
            if email in there:
                continue
            first, last = french if language == "fr" else english
            user = User(
                public_id=public_id(number),
                email=email,
                role=role,
                first_name=first,
                last_name=last,
                language=language,
            )
            user.set_password(password)
            user.save(force_insert=True)


def seed_operator(*, email: str, password: str) -> None:
    """The operator of the installation, in the public schema."""
    with context.use(context.auth(context.PUBLIC)):
        if not User.objects.filter(email=email).exists():
            user = User(email=email, role=R.OPERATOR, first_name="Cloison", last_name="Operator")
            user.set_password(password)
            user.save(force_insert=True)
