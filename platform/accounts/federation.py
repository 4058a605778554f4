"""Whom a proven identity of another service means here, and which services a tenant trusts for that."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

import audit
from accounts import oidc, outgoing, services
from accounts.models import ExternalIdentity, OIDCProvider, User
from accounts.permissions import Right, require
from core.errors import AppError, NotAllowed, NotFound
from core.sealing import CannotUnseal, seal, unseal
from isolation import context

CALLBACK = "/login/oidc/callback/"


class NoSuchProvider(NotFound):
    code: ClassVar[str] = "provider_not_found"
    title = _("There is no such sign-in service.")


class NotInvited(NotAllowed):
    code: ClassVar[str] = "not_invited"
    title = _("Nobody here has this address. Ask an administrator of your organisation.")


class UnverifiedAddress(NotAllowed):
    code: ClassVar[str] = "email_not_verified"
    title = _("The sign-in service has not verified your address.")


class WrongDomain(NotAllowed):
    code: ClassVar[str] = "email_domain_not_allowed"
    title = _("Addresses of this domain may not sign in this way.")


class HasPassword(NotAllowed):
    code: ClassVar[str] = "account_has_password"
    title = _("This account signs in with its password. An administrator may allow both.")


class SwitchedOff(NotAllowed):
    code: ClassVar[str] = "account_off"
    title = _("This account is switched off.")


class DomainsMissing(AppError):
    code: ClassVar[str] = "domains_missing"
    title = _("Name the domains of addresses whose people may be created or linked.")


class SecretMissing(AppError):
    code: ClassVar[str] = "secret_missing"
    title = _("Another issuer needs its own secret.")


def redirect_uri(schema: str) -> str:
    """To be registered at the provider."""
    return str(import_string(settings.CLOISON_SITE_ADDRESS)(schema)) + CALLBACK


def enabled() -> list[OIDCProvider]:
    """The buttons of the sign-in page."""
    with context.use(context.auth(context.current().schema)):
        return list(OIDCProvider.objects.filter(is_enabled=True)[:10])


def about_row(provider: OIDCProvider) -> str:
    """What a service's sealed secret is about."""
    return f"{context.current().schema}|oidc|{provider.public_id}"


def client_of(identifier: uuid.UUID) -> tuple[OIDCProvider, oidc.Client]:
    """An enabled provider, and ourselves as it knows us. Raises `NoSuchProvider`."""
    schema = context.current().schema
    with context.use(context.auth(schema)):
        provider = OIDCProvider.objects.filter(public_id=identifier, is_enabled=True).first()
    if provider is None:
        raise NoSuchProvider
    try:
        secret = unseal(provider.secret, about=about_row(provider)) if provider.secret else ""
    except CannotUnseal as error:
        raise oidc.ProviderFailed from error
    return provider, oidc.Client(provider.issuer, provider.client_id, secret, redirect_uri(schema))


def person_for(provider: OIDCProvider, claims: dict[str, Any]) -> User:
    """The active person whom these claims mean, linked or created where the tenant allows it. Raises `NotAllowed`s."""
    subject = str(claims["sub"])[:255]
    with context.use(context.auth(context.current().schema)), transaction.atomic():
        known = ExternalIdentity.objects.select_related("user").filter(provider=provider, subject=subject).first()
        user = known.user if known else _by_address(provider, claims)
        if not user.is_active:
            raise SwitchedOff
        if known is None:
            ExternalIdentity.objects.create(provider=provider, subject=subject, user=user)
            _record("auth.identity_linked", user, provider)
    return user


def _by_address(provider: OIDCProvider, claims: dict[str, Any]) -> User:
    """By the verified address, inside the allowed domains."""
    email = str(claims.get("email") or "").strip().lower()
    if not email or claims.get("email_verified") is not True:
        raise UnverifiedAddress
    if email.rpartition("@")[2] not in provider.allowed_domains:
        raise WrongDomain
    user = User.objects.select_for_update().filter(email=email).first()
    if user is not None:
        # Whoever runs the provider could name any address: an account with a password stays its owner's.
        if user.has_usable_password() and not provider.link_by_email:
            raise HasPassword
        return user
    if not provider.create_people:
        raise NotInvited
    made = services.create_user(
        email=email,
        password=None,
        role=provider.default_role,
        first_name=str(claims.get("given_name") or "")[:100],
        last_name=str(claims.get("family_name") or "")[:100],
    )
    _record("person.created", made, provider)
    return made


def _record(action: str, user: User, provider: OIDCProvider) -> None:
    audit.record(
        action,
        target=f"person:{user.public_id}",
        actor=user.pk,
        actor_name=user.email,
        subject=user.pk,
        details={"provider": str(provider.public_id)},
    )


def save_provider(*, actor: User, provider: OIDCProvider, secret: str = "") -> OIDCProvider:
    """Store a provider; an empty `secret` keeps the one that is there.

    Raises `NotAllowed`, `AddressRefused`, `DomainsMissing` or `SecretMissing`.
    """
    require(actor, Right.SET_POLICY)
    outgoing.check(provider.issuer)
    given = {domain.strip().lower().lstrip("@") for domain in provider.allowed_domains}
    provider.allowed_domains = sorted(given - {""})
    if (provider.create_people or provider.link_by_email) and not provider.allowed_domains:
        raise DomainsMissing
    with transaction.atomic():
        stored = OIDCProvider.objects.filter(pk=provider.pk).first()
        if secret:
            provider.secret = seal(secret, about=about_row(provider))
        elif stored is not None:
            if stored.secret and stored.issuer != provider.issuer:
                raise SecretMissing  # Another server must not be told the secret of this one.
            provider.secret = stored.secret
        provider.save()
        audit.record("provider.saved", target=f"provider:{provider.public_id}", details={"issuer": provider.issuer})
    return provider


def remove_provider(*, actor: User, provider: OIDCProvider) -> None:
    """Who signed in that way keeps the account. Raises `NotAllowed`."""
    require(actor, Right.SET_POLICY)
    with transaction.atomic():
        audit.record("provider.removed", target=f"provider:{provider.public_id}", details={"issuer": provider.issuer})
        with context.use(context.auth(context.current().schema)):
            ExternalIdentity.objects.filter(provider=provider).delete()
        OIDCProvider.objects.filter(pk=provider.pk).delete()
