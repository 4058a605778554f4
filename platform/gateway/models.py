"""Whom a model is kept for, and the accounts at providers. A model that no grant names is everybody's."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.grants import Grant, names_a_principal
from core.ids import uuid7
from gateway.ledger import Budget, BudgetHold, BudgetPeriod, UsageRecord

__all__ = [
    "Budget",
    "BudgetHold",
    "BudgetPeriod",
    "CatalogueModel",
    "Interface",
    "ModelGrant",
    "Place",
    "ProviderAccount",
    "ProviderSecret",
    "UsageRecord",
]

ABILITIES = ["text", "images", "audio", "tools", "thinking", "structured"]


class ModelGrant(Grant):
    """A model that only the named people, groups and roles of this tenant may use."""

    model = models.CharField(_("model"), max_length=250, help_text=_("its id, as the list of models says it"))

    class Meta:
        ordering = ["model", "pk"]
        verbose_name = _("grant of a model")
        verbose_name_plural = _("grants of models")
        constraints = [
            models.UniqueConstraint(fields=["model", "principal"], name="gateway_modelgrant_once"),
            names_a_principal("gateway_modelgrant_names_a_principal"),
        ]

    def __str__(self) -> str:
        return self.model


class Interface(models.TextChoices):
    """How a provider is spoken to."""

    OPENAI = "openai", _("OpenAI's, and what speaks it")
    OLLAMA = "ollama", _("Ollama's")
    ANTHROPIC = "anthropic", _("Anthropic's")
    LITELLM = "litellm", _("another, through litellm")


class Place(models.TextChoices):
    LOCAL = "local", _("local")
    CLOUD = "cloud", _("cloud")


COUNTRY = RegexValidator(r"^[A-Z]{2}$", _("Two capital letters: FR, DE, US."))
CURRENCY = RegexValidator(r"^[A-Z]{3}$", _("Three capital letters: EUR, USD."))


class ProviderAccount(models.Model):
    """An account at a provider: an organisation's own, or in the public schema the installation's, for all.

    Its key stands in `ProviderSecret`, which no person's context reads.
    """

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=60, unique=True)
    slug = models.SlugField(max_length=70, unique=True, editable=False, help_text="the first part of its models' ids")
    wire = models.CharField(_("interface"), max_length=10, choices=Interface, default=Interface.OPENAI)
    base = models.CharField(_("address"), max_length=500, help_text=_("of OpenAI's interface, up to and with /v1"))
    locality = models.CharField(_("where it runs"), max_length=5, choices=Place, default=Place.CLOUD)
    country = models.CharField(
        _("country"), max_length=2, blank=True, validators=[COUNTRY], help_text=_("where it runs, two letters")
    )
    local_network = models.BooleanField(
        _("may be in a local network"), default=False, help_text=_("Without this, only public addresses are connected to.")
    )
    enabled = models.BooleanField(_("in use"), default=True)
    key_hint = models.CharField(max_length=5, blank=True, editable=False, help_text="the key's last four")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("provider")
        verbose_name_plural = _("providers")

    def __str__(self) -> str:
        return self.name


class ProviderSecret(models.Model):
    """An account's key, sealed (`core.sealing`)."""

    account = models.OneToOneField(ProviderAccount, on_delete=models.CASCADE, primary_key=True, related_name="secret")
    sealed = models.TextField()
    changed_at = models.DateTimeField(auto_now=True)

    def __repr__(self) -> str:
        return f"<ProviderSecret of {self.account_id}>"


class CatalogueModel(models.Model):
    """A model of an account, with what the provider's own list does not say. An account without rows offers its whole list."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    account = models.ForeignKey(ProviderAccount, on_delete=models.CASCADE, related_name="models", verbose_name=_("provider"))
    name = models.CharField(_("name"), max_length=150, help_text=_("as the provider calls it"))
    title = models.CharField(_("shown as"), max_length=100, blank=True)
    locality = models.CharField(_("where it runs"), max_length=5, choices=Place, blank=True, help_text=_("empty: its provider's"))
    country = models.CharField(_("country"), max_length=2, blank=True, validators=[COUNTRY])
    context_window = models.PositiveIntegerField(_("window, in tokens"), null=True, blank=True)
    abilities = ArrayField(
        models.CharField(max_length=12),
        verbose_name=_("abilities"),
        default=list,
        blank=True,
        help_text=_("of text, images, audio, tools, thinking, structured; by comma"),
    )
    input_price = models.DecimalField(_("price of input"), max_digits=12, decimal_places=6, null=True, blank=True)
    output_price = models.DecimalField(_("price of output"), max_digits=12, decimal_places=6, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, default="EUR", validators=[CURRENCY])
    enabled = models.BooleanField(_("in use"), default=True)

    class Meta:
        ordering = ["account", "name"]
        verbose_name = _("model")
        verbose_name_plural = _("models")
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="gateway_cataloguemodel_once"),
            models.CheckConstraint(
                condition=models.Q(abilities__contained_by=ABILITIES), name="gateway_cataloguemodel_knows_its_abilities"
            ),
            models.CheckConstraint(
                condition=(models.Q(input_price__isnull=True) | models.Q(input_price__gte=0))
                & (models.Q(output_price__isnull=True) | models.Q(output_price__gte=0)),
                name="gateway_cataloguemodel_is_not_paid_for_being_used",
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.name


class ModelRules(models.Model):
    """What an organisation says of its models: what is too personal to leave, how one is chosen. One row."""

    privacy = models.JSONField(_("what is personal"), default=dict, blank=True, help_text="as PrivacyPolicy.to_json")
    routing = models.JSONField(_("how a model is chosen"), default=dict, blank=True, help_text="a RoutingPolicy, or nothing")
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("rules for models")
        verbose_name_plural = _("rules for models")

    def __str__(self) -> str:
        return str(_("Privacy and choice of models"))
