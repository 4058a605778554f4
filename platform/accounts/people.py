"""Managing a tenant's people and groups. The database's policies know the same limits: managers reach members and viewers."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import ClassVar

from django.db import IntegrityError, transaction
from django.db.models import F, Func, Value
from django.utils.translation import gettext_lazy as _

import audit
from accounts import remembered, services
from accounts.models import Group, User
from accounts.permissions import Right, require
from core.errors import Conflict, NotAllowed, NotFound
from isolation import context

BELOW_MANAGER = frozenset({User.Role.MEMBER, User.Role.VIEWER})


class AddressTaken(Conflict):
    code: ClassVar[str] = "email_taken"
    title = _("Somebody here has this address already.")


class GroupExists(Conflict):
    code: ClassVar[str] = "group_exists"
    title = _("There is a group with this name.")


class LastAdmin(Conflict):
    code: ClassVar[str] = "last_admin"
    title = _("An organisation keeps at least one active administrator.")


class OwnRole(NotAllowed):
    code: ClassVar[str] = "own_role"
    title = _("Nobody changes their own role or switches themselves off.")


class AboveYou(NotAllowed):
    code: ClassVar[str] = "role_above_yours"
    title = _("Managers look after members and viewers; administrators after everybody.")


class NoSuchPerson(NotFound):
    code: ClassVar[str] = "person_not_found"
    title = _("There is no such person.")


def _reach(actor: User, *roles: str) -> None:
    """Raises `NotAllowed`, or `AboveYou` where a manager would reach past members and viewers."""
    require(actor, Right.MANAGE_PEOPLE)
    if actor.role != User.Role.ADMIN and not set(roles) <= BELOW_MANAGER:
        raise AboveYou


def require_reach(actor: User, person: User) -> None:
    """Raises `NotAllowed` or `AboveYou` unless the actor looks after this person."""
    _reach(actor, person.role)


def add_person(
    *,
    actor: User,
    email: str,
    role: str,
    password: str | None = None,
    first_name: str = "",
    last_name: str = "",
    language: str = "en",
) -> User:
    """A new person of the tenant; without a password they cannot sign in until one is set. Raises `AddressTaken`."""
    _reach(actor, role)
    try:
        with transaction.atomic():
            person = services.create_user(
                email=email, password=password, role=role, first_name=first_name, last_name=last_name, language=language
            )
            audit.record("person.created", target=f"person:{person.public_id}", subject=person.pk, details={"role": role})
    except IntegrityError as error:
        raise AddressTaken from error
    return person


@transaction.atomic
def change_person(
    *,
    actor: User,
    person: User,
    role: str | None = None,
    is_active: bool | None = None,
    first_name: str | None = None,
    last_name: str | None = None,
    language: str | None = None,
) -> User:
    """Change what is given. A new role or a switched-off account ends every sign-in that was issued before.

    Raises `OwnRole`, `AboveYou` or `LastAdmin`.
    """
    stored = User.objects.get(pk=person.pk).role  # A form has written its wishes on `person` already.
    _reach(actor, stored, role or stored)
    # Locked in one order, so that two administrators who demote each other do not both succeed.
    admins = User.objects.select_for_update().filter(role=User.Role.ADMIN, is_active=True).order_by("pk")
    others = [admin for admin in admins if admin.pk != person.pk] if actor.role == User.Role.ADMIN else []
    person = User.objects.select_for_update().get(pk=person.pk)
    new_role = role if role is not None and role != person.role else None
    switched = is_active if is_active is not None and is_active != person.is_active else None
    if actor.pk == person.pk and (new_role is not None or switched is not None):
        raise OwnRole
    leaves = person.role == User.Role.ADMIN and person.is_active and (new_role is not None or switched is False)
    if leaves and not others:
        raise LastAdmin
    details = {"from": person.role, "to": new_role}
    person.role = new_role or person.role
    person.is_active = person.is_active if switched is None else switched
    person.first_name = person.first_name if first_name is None else first_name.strip()[:100]
    person.last_name = person.last_name if last_name is None else last_name.strip()[:100]
    person.language = language or person.language
    if new_role is not None or switched is False:
        person.epoch += 1
    remembered.person_changed(person.pk)
    person.save(update_fields=["role", "is_active", "first_name", "last_name", "language", "epoch"])
    target = f"person:{person.public_id}"
    if new_role is not None:
        audit.record("person.role_changed", target=target, subject=person.pk, details=details)
    if switched is not None:
        audit.record("person.activated" if switched else "person.deactivated", target=target, subject=person.pk)
    return person


def add_group(*, actor: User, name: str, members: Sequence[uuid.UUID] = ()) -> Group:
    """Raises `GroupExists`, or `NoSuchPerson` before anything is written."""
    require(actor, Right.MANAGE_GROUPS)
    with context.use(context.auth(context.current().schema)):
        if User.objects.filter(public_id__in=set(members)).count() != len(set(members)):
            raise NoSuchPerson(field="members")
    try:
        with transaction.atomic():
            group = Group.objects.create(name=name.strip())
            audit.record("group.created", target=f"group:{group.public_id}")
    except IntegrityError as error:
        raise GroupExists from error
    if members:
        set_members(actor=actor, group=group, members=members)
    return group


def rename_group(*, actor: User, group: Group, name: str) -> Group:
    """Raises `GroupExists`."""
    require(actor, Right.MANAGE_GROUPS)
    group.name = name.strip()
    try:
        with transaction.atomic():
            group.save(update_fields=["name"])
    except IntegrityError as error:
        raise GroupExists from error
    return group


def delete_group(*, actor: User, group: Group) -> None:
    """The group goes, and what was granted to it is granted to nobody."""
    set_members(actor=actor, group=group, members=[])
    with transaction.atomic():
        audit.record("group.deleted", target=f"group:{group.public_id}")
        group.delete()


def set_members(*, actor: User, group: Group, members: Sequence[uuid.UUID]) -> list[User]:
    """Exactly these people belong to the group. Raises `NoSuchPerson` for an id that is not here, and changes nothing."""
    require(actor, Right.MANAGE_GROUPS)
    key, wanted = group.pk, set(members)
    # Membership stands on the person's row, which also holds the role: only sign-in's context writes it.
    with context.use(context.auth(context.current().schema)), transaction.atomic():
        people = list(User.objects.select_for_update().filter(public_id__in=wanted).order_by("pk"))
        if len(people) != len(wanted):
            raise NoSuchPerson(field="members")
        inside = User.objects.filter(group_keys__contains=[key])
        inside.exclude(public_id__in=wanted).update(group_keys=Func(F("group_keys"), Value(key), function="array_remove"))
        remembered.people_changed()
        added = User.objects.filter(public_id__in=wanted).exclude(group_keys__contains=[key])
        added.update(group_keys=Func(F("group_keys"), Value(key), function="array_append"))
        audit.record(
            "group.members_changed",
            target=f"group:{group.public_id}",
            actor=actor.pk,
            actor_name=actor.email,
            details={"members": len(people)},
        )
    return people


def members_of(group: Group) -> list[User]:
    return list(User.objects.filter(group_keys__contains=[group.pk]))
