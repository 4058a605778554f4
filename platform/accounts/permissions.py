"""Who may do what: one table of rights and roles. `config.access` says which right each route asks for.

Rights say what a role may do at all; which rows, the querysets (`visible_to`) and the database's policies decide.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from core.errors import NotAllowed


class Right(StrEnum):
    """What can be allowed. The values are the scopes of API keys, too."""

    ASK = "ask"  # hold conversations
    READ = "read"  # read and search documents that are shared with one
    UPLOAD = "upload"  # documents and folders of one's own, and sharing them
    KEYS = "keys"  # API keys of one's own
    ACCOUNT = "account"  # one's own name, password, second factor, sign-ins
    SEE_PEOPLE = "people.read"
    MANAGE_PEOPLE = "people.write"  # a manager: members and viewers only
    MANAGE_GROUPS = "groups.write"
    MANAGE_ASSISTANTS = "assistants.write"
    SEE_INVENTORY = "inventory.read"  # that documents and folders are there, never what they say
    SEE_AUDIT = "audit.read"
    READ_PRIVATE = "private.read"  # others' conversations: under the tenant's rule, with a reason
    TEST_WALLS = "walls.test"
    SET_POLICY = "policy.write"
    SEE_USAGE = "usage.read"
    SEE_FEEDBACK = "feedback.read"  # how answers are rated, as counts
    MANAGE_PLATFORM = "platform.write"  # providers, budgets, webhooks, exports of one's own organisation
    CONSOLE = "console"
    OPERATE = "operate"  # the installation: organisations and hosts, no content


PEOPLE = ("admin", "manager", "member", "viewer", "auditor")
WRITERS = ("admin", "manager", "member")

ROLES: dict[Right, tuple[str, ...]] = {
    Right.ASK: PEOPLE,
    Right.READ: PEOPLE,
    Right.UPLOAD: WRITERS,
    Right.KEYS: WRITERS,
    Right.ACCOUNT: (*PEOPLE, "operator"),
    Right.SEE_PEOPLE: ("admin", "manager"),
    Right.MANAGE_PEOPLE: ("admin", "manager"),
    Right.MANAGE_GROUPS: ("admin", "manager"),
    Right.MANAGE_ASSISTANTS: ("admin", "manager"),
    Right.SEE_INVENTORY: ("admin",),
    Right.SEE_AUDIT: ("admin", "auditor", "operator"),
    Right.READ_PRIVATE: ("admin", "auditor"),
    Right.TEST_WALLS: ("admin", "auditor"),
    Right.SET_POLICY: ("admin",),
    Right.SEE_USAGE: ("admin", "manager", "auditor"),
    Right.SEE_FEEDBACK: ("admin", "manager"),
    Right.MANAGE_PLATFORM: ("admin",),
    Right.CONSOLE: ("admin", "manager", "auditor", "operator"),
    Right.OPERATE: ("operator",),
}

# Django's admin asks per model: (to see, to change), None for never. A model that is not here is not in a console.
CONSOLE: dict[str, tuple[Right, Right | None]] = {
    "accounts.user": (Right.SEE_PEOPLE, Right.MANAGE_PEOPLE),
    "accounts.group": (Right.SEE_PEOPLE, Right.MANAGE_GROUPS),
    "accounts.oidcprovider": (Right.SET_POLICY, Right.SET_POLICY),
    "accounts.signinpolicy": (Right.SET_POLICY, Right.SET_POLICY),
    "documents.document": (Right.SEE_INVENTORY, None),
    "documents.folder": (Right.SEE_INVENTORY, None),
    "gateway.modelgrant": (Right.MANAGE_PLATFORM, Right.MANAGE_PLATFORM),
    "gateway.provideraccount": (Right.MANAGE_PLATFORM, Right.MANAGE_PLATFORM),
    "gateway.cataloguemodel": (Right.MANAGE_PLATFORM, Right.MANAGE_PLATFORM),
    "gateway.budget": (Right.MANAGE_PLATFORM, Right.MANAGE_PLATFORM),
    "gateway.usagerecord": (Right.SEE_USAGE, None),
    "profiles.assistant": (Right.MANAGE_ASSISTANTS, Right.MANAGE_ASSISTANTS),
    "audit.auditevent": (Right.SEE_AUDIT, None),
    "audit.readingpolicy": (Right.SEE_AUDIT, Right.SET_POLICY),
    "gateway.modelrules": (Right.SET_POLICY, Right.SET_POLICY),
    "conversations.retentionpolicy": (Right.SEE_AUDIT, Right.SET_POLICY),
    "conversations.feedback": (Right.SEE_FEEDBACK, None),
    "conversations.sharingpolicy": (Right.SET_POLICY, Right.SET_POLICY),
    "audit.reading": (Right.SEE_AUDIT, Right.READ_PRIVATE),
    "audit.wallreport": (Right.TEST_WALLS, None),
    "tenants.tenant": (Right.OPERATE, Right.OPERATE),
    "tenants.domain": (Right.OPERATE, Right.OPERATE),
    "tenants.tenantjob": (Right.OPERATE, Right.OPERATE),
}


class Roled(Protocol):
    """Somebody with a role; Django's AnonymousUser has none."""

    @property
    def is_active(self) -> bool: ...


def allows(user: Roled | None, right: Right) -> bool:
    """Whether the person's role carries the right. Nobody and the switched-off have none."""
    return bool(user and user.is_active and getattr(user, "role", "") in ROLES[right])


def require(user: Roled | None, right: Right) -> None:
    """Raises `NotAllowed` unless `allows`."""
    if not allows(user, right):
        raise NotAllowed


def in_console(user: Roled, permission: str) -> bool:
    """Django's `has_perm` for "app.verb_model", out of the table above."""
    app, _dot, rest = permission.partition(".")
    verb, _underscore, model = rest.partition("_")
    see, change = CONSOLE.get(f"{app}.{model}", (None, None))
    right = see if verb == "view" else change
    # In their own console operators keep what administrators keep in theirs.
    if right is Right.MANAGE_PLATFORM and getattr(user, "role", "") == "operator":
        return allows(user, Right.OPERATE)
    # The operator's people are the operators: looked at, not changed, from their own console.
    if model == "user" and getattr(user, "role", "") == "operator":
        return verb == "view" and user.is_active
    return right is not None and allows(user, right)
