"""The people of a tenant, and, in the public schema, the operators of the installation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import permissions
from core.ids import uuid7
from isolation import context
from isolation.context import Context


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class Group(models.Model):
    """People who are named together in grants. Who belongs to it stands with the people (`User.group_keys`)."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("group")
        verbose_name_plural = _("groups")

    def __str__(self) -> str:
        return self.name


class User(AbstractBaseUser):
    """A person. The same address in two tenants is two people."""

    class Role(models.TextChoices):
        ADMIN = "admin", _("administrator")
        MANAGER = "manager", _("manager")
        MEMBER = "member", _("member")
        VIEWER = "viewer", _("viewer")
        AUDITOR = "auditor", _("auditor")
        OPERATOR = "operator", _("operator")

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    email = models.EmailField(_("email"), max_length=254, unique=True)
    first_name = models.CharField(_("first name"), max_length=100, blank=True)
    last_name = models.CharField(_("last name"), max_length=100, blank=True)
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.MEMBER)
    language = models.CharField(_("language"), max_length=8, default="en")
    is_active = models.BooleanField(_("active"), default=True)
    # With the person, not in a table between: the context of every request needs them, and this way costs no query.
    group_keys = ArrayField(models.BigIntegerField(), default=list, blank=True, editable=False, help_text="keys of groups")
    epoch = models.PositiveIntegerField(default=0, help_text="raised to revoke every token issued before", editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["email"]
        verbose_name = _("person")
        verbose_name_plural = _("people")
        indexes = [GinIndex(fields=["group_keys"], name="accounts_user_by_group")]
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="accounts_user_email_is_lower_case"),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    def get_full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        return self.first_name or self.email

    @property
    def initials(self) -> str:
        return (self.first_name[:1] + self.last_name[:1]).upper() or self.email[:2].upper()

    def principals(self) -> list[str]:
        """Everything that a grant may name and that means this person; in SQL `guard.principals`."""
        return [f"user:{self.pk}", f"role:{self.role}", *(f"group:{key}" for key in self.group_keys)]

    @property
    def capabilities(self) -> frozenset[str]:
        """What policies in the database may rely on: the role's name and the groups."""
        return frozenset({self.role, *(f"group:{key}" for key in self.group_keys)})

    def context(self, schema: str) -> Context:
        """The context in which this person asks."""
        return context.person(schema, self.pk, self.capabilities)

    # Django's admin asks these; the table is `accounts.permissions`. There are no per-model permissions to hand out.
    @property
    def is_staff(self) -> bool:
        return permissions.allows(self, permissions.Right.CONSOLE)

    @property
    def is_superuser(self) -> bool:
        return False

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return permissions.in_console(self, perm)

    def has_perms(self, perms: Iterable[str], obj: Any = None) -> bool:
        return all(permissions.in_console(self, perm) for perm in perms)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_staff


class SignInQuerySet(models.QuerySet["SignIn"]):
    def open(self) -> Self:
        """Neither ended nor run out, of a person who is active and whose rights have not changed since."""
        return self.filter(
            ended_at__isnull=True, expires_at__gt=timezone.now(), user__is_active=True, epoch=models.F("user__epoch")
        )

    def open_of(self, user: User) -> Self:
        return self.open().filter(user=user)


class SignIn(models.Model):
    """One sign-in: a browser's session, or a family of tokens (whose id is the family's)."""

    class Kind(models.TextChoices):
        SESSION = "session", _("browser")
        TOKENS = "tokens", _("application")

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_ins")
    kind = models.CharField(max_length=10, choices=Kind)
    epoch = models.PositiveIntegerField(help_text="the person's, when it began")
    agent = models.CharField(max_length=200, blank=True, help_text="User-Agent")
    address = models.CharField(max_length=45, blank=True, help_text="IP address, of the last use")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = SignInQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]


class RefreshToken(models.Model):
    """One refresh token. Rotation marks it used; a family is everything that grew out of one sign-in."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="refresh_tokens")
    family = models.UUIDField(db_index=True)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token's id, hexadecimal")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> Self:
        """Neither revoked nor run out, of a person who is active."""
        return self.filter(revoked_at__isnull=True, expires_at__gt=timezone.now(), owner__is_active=True)

    def visible_to(self, user: User) -> Self:
        """One's own, without those that were revoked."""
        return self.filter(owner=user, revoked_at__isnull=True)


class ApiKey(models.Model):
    """A key of a person's own for programs. Its text is kept nowhere."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(max_length=16, help_text="its first characters, to recognise it by")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256, hexadecimal")
    scopes = ArrayField(models.CharField(max_length=40), help_text="values of accounts.permissions.Right")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name


class SecondFactor(models.Model):
    """A person's authenticator."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="second_factor")
    secret = models.TextField(help_text="sealed (core.sealing)")
    last_step = models.BigIntegerField(default=0, help_text="of the last code that was accepted")
    created_at = models.DateTimeField(auto_now_add=True)


class RecoveryCode(models.Model):
    """One of ten codes that stand in for the authenticator, once each."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, unique=True, help_text="HMAC-SHA-256, hexadecimal")
    used_at = models.DateTimeField(null=True)


class SignInPolicy(models.Model):
    """How the people of a tenant sign in. One row."""

    second_factor_required = models.BooleanField(_("everybody needs a second factor"), default=False)

    class Meta:
        verbose_name = _("sign-in policy")
        verbose_name_plural = _("sign-in policy")

    def __str__(self) -> str:
        return str(_("Sign-in"))


class OIDCProvider(models.Model):
    """A service that a tenant lets vouch for its people."""

    class NewRole(models.TextChoices):
        MEMBER = "member", _("member")
        VIEWER = "viewer", _("viewer")

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    name = models.CharField(_("name on the button"), max_length=60)
    issuer = models.CharField(_("issuer"), max_length=300)
    client_id = models.CharField(_("client id"), max_length=300)
    secret = models.TextField(blank=True, editable=False, help_text="sealed (core.sealing)")
    allowed_domains = ArrayField(
        models.CharField(max_length=253), verbose_name=_("domains of addresses"), default=list, blank=True
    )
    default_role = models.CharField(_("role of new people"), max_length=10, choices=NewRole, default=NewRole.MEMBER)
    create_people = models.BooleanField(_("create people at their first sign-in"), default=False)
    link_by_email = models.BooleanField(_("link accounts that have a password by their verified address"), default=False)
    is_enabled = models.BooleanField(_("shown on the sign-in page"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("sign-in service")
        verbose_name_plural = _("sign-in services")

    def __str__(self) -> str:
        return self.name


class ExternalIdentity(models.Model):
    """That a provider's subject is a person here."""

    provider = models.ForeignKey(OIDCProvider, on_delete=models.CASCADE, related_name="identities")
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="external_identities")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "subject"], name="accounts_externalidentity_once"),
        ]
