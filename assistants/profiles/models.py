"""Assistants: instructions, model, knowledge and starters under a name."""

from __future__ import annotations

from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.grants import Grant, names_a_principal
from accounts.models import User
from core.ids import uuid7


class AssistantQuerySet(models.QuerySet["Assistant"]):
    def visible_to(self, user: User) -> Self:
        """The assistants that the person may use: those kept for nobody, and those kept for them."""
        return self.filter(Q(readers=[]) | Q(readers__overlap=user.principals()), is_active=True)


class Assistant(models.Model):
    """A way of answering that a tenant prepared. The first by `position` is the default one."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=80, unique=True)
    description = models.CharField(_("description"), max_length=300, blank=True)
    instructions = models.TextField(_("instructions"), blank=True, max_length=20_000)
    model = models.CharField(_("model"), max_length=200, blank=True, help_text=_("empty: the tenant's policy decides"))
    starters = models.JSONField(_("starters"), default=list, blank=True, help_text=_("questions to begin with, a list of texts"))
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    is_active = models.BooleanField(_("active"), default=True)
    # Repeated from the grants by a trigger, so that no policy reads them. Empty: everybody's.
    readers = ArrayField(models.TextField(), default=list, blank=True, editable=False, help_text="principals, out of the grants")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[models.Manager[Assistant]] = AssistantQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]
        verbose_name = _("assistant")
        verbose_name_plural = _("assistants")

    def __str__(self) -> str:
        return self.name


class AssistantGrant(Grant):
    """Keeps an assistant for those named; without any, it is everybody's."""

    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="grants")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["assistant", "principal"], name="profiles_assistantgrant_once"),
            names_a_principal("profiles_assistantgrant_names_a_principal"),
        ]
