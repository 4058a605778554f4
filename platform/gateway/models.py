"""Whom a model is kept for. A model that no row names is everybody's."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.grants import Grant, names_a_principal


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
