"""Whom a grant may name: a person, a group or a role; between ids that outsiders use and the keys that the database compares."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Group, User
from accounts.permissions import PEOPLE, WRITERS
from core.errors import AppError, NotFound
from core.ids import uuid7
from isolation import context

Kind = Literal["user", "group", "role"]
KINDS: tuple[Kind, ...] = ("user", "group", "role")
PATTERN = rf"^(user:[1-9][0-9]*|group:[1-9][0-9]*|role:({'|'.join(PEOPLE)}))$"
READERS = tuple(role for role in PEOPLE if role not in WRITERS)  # Roles that never write.
MOST_LISTED = 500


class NoSuchPrincipal(NotFound):
    code = "principal_not_found"
    title = _("There is no such person, group or role.")


class ReadsOnly(AppError):
    code = "reads_only"
    title = _("This role reads and asks; it cannot be given more.")


class Grant(models.Model):
    """One grant to one principal. It is made and removed, never changed."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    principal = models.TextField(help_text="user:KEY, group:KEY or role:NAME")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


def names_a_principal(constraint: str) -> models.CheckConstraint:
    """What a grant's principal must look like."""
    return models.CheckConstraint(condition=Q(principal__regex=PATTERN), name=constraint)


@dataclass(frozen=True, slots=True)
class Principal:
    """`text` is what grants store; `id` is public (None for a role); `role` is a person's, or the role itself."""

    kind: Kind
    text: str
    id: uuid.UUID | None
    name: str
    role: str = ""

    @property
    def key(self) -> int | None:
        """A person's key, else None."""
        return int(self.text.partition(":")[2]) if self.kind == "user" else None

    @property
    def label(self) -> str:
        """The name in the reader's language."""
        if self.kind == "role":
            return gettext("everyone who is %(role)s") % {"role": User.Role(self.name).label}
        return self.name

    @property
    def public(self) -> str:
        """For the audit log: "user:<public id>", "role:member"."""
        return f"{self.kind}:{self.id or self.name}"

    @property
    def only_reads(self) -> bool:
        return self.role in READERS


def of_person(person: User) -> Principal:
    return Principal("user", f"user:{person.pk}", person.public_id, str(person), person.role)


def of_group(group: Group) -> Principal:
    return Principal("group", f"group:{group.pk}", group.public_id, group.name)


def of_role(name: str) -> Principal:
    return Principal("role", f"role:{name}", None, name, name)


def _people(condition: Q, most: int) -> list[User]:
    # Colleagues know each other by name; the rest of a person's row stays with those who manage people.
    with context.use(context.auth(context.current().schema)):
        rows = User.objects.filter(condition, is_active=True).exclude(role=User.Role.OPERATOR)
        return list(rows.only("public_id", "email", "first_name", "last_name", "role")[:most])


def find(kind: str, *, id: uuid.UUID | None = None, name: str | None = None) -> Principal:  # noqa: A002 (the API's name)
    """The principal that a caller names: a person or group by id, a role by name. Raises `NoSuchPrincipal`."""
    if kind == "role" and name in PEOPLE:
        return of_role(name)
    if kind == "user" and id is not None:
        for person in _people(Q(public_id=id), 1):
            return of_person(person)
    if kind == "group" and id is not None:
        for group in Group.objects.filter(public_id=id):
            return of_group(group)
    raise NoSuchPrincipal(field="principal")


def named(texts: Iterable[str]) -> dict[str, Principal]:
    """Stored principals with their names; those that are gone or switched off are left out."""
    keys: dict[str, list[int]] = {"user": [], "group": []}
    found: dict[str, Principal] = {}
    for text in set(texts):
        kind, _colon, rest = text.partition(":")
        if kind == "role":
            found[text] = of_role(rest)
        else:
            keys[kind].append(int(rest))
    if keys["user"]:
        found |= {p.text: p for p in map(of_person, _people(Q(pk__in=keys["user"]), len(keys["user"])))}
    if keys["group"]:
        found |= {p.text: p for p in map(of_group, Group.objects.filter(pk__in=keys["group"]))}
    return found


def directory(query: str = "", *, without: int | None = None) -> list[Principal]:
    """Whom one may share with: roles, groups, then people by name, whose name or address holds `query`."""
    words = query.strip()[:200].replace("\0", "")
    condition = Q(email__icontains=words) | Q(first_name__icontains=words) | Q(last_name__icontains=words)
    groups = Group.objects.filter(name__icontains=words)[:MOST_LISTED]
    people = _people(condition & ~Q(pk=without or 0), MOST_LISTED)
    roles = [of_role(name) for name in PEOPLE if words.lower() in name]
    return [*roles, *map(of_group, groups), *sorted(map(of_person, people), key=lambda p: p.name.lower())]
