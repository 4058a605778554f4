"""What can go wrong between us and a model. A run that fails with one of these ends with its `code`."""

from __future__ import annotations

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.errors import AppError


class ProviderError(AppError):
    """A provider did not give a whole answer. `retryable`: the same request may succeed a little later."""

    code = "provider_unavailable"
    status = 502
    title = _("The model's provider failed")
    retryable: ClassVar[bool] = False


class ProviderUnavailable(ProviderError):
    """Not reachable, overloaded, or broken off in the middle of an answer."""

    code = "provider_unavailable"
    status = 503
    title = _("The model's provider is not available")
    retryable = True


class ProviderTimeout(ProviderError):
    """No first token, or silence inside an answer, for longer than the settings allow."""

    code = "provider_timeout"
    status = 504
    title = _("The model's provider took too long")
    retryable = True


class ProviderRejected(ProviderError):
    """The provider understood the request and declined it: wrong key, unknown model, refused content."""

    code = "provider_rejected"
    title = _("The model's provider rejected the request")


class ProviderInvalid(ProviderError):
    """The provider's answer breaks its own format."""

    code = "provider_invalid"
    title = _("The model's provider sent an answer that cannot be read")
    retryable = True


class ContextTooLong(ProviderError):
    """The question alone does not fit the model's window."""

    code = "context_too_long"
    status = 413
    title = _("The question is too long for this model")


class NoPermittedModel(AppError):
    """No configured model may serve this request, or the one that may is unknown here."""

    code = "no_permitted_model"
    status = 409
    title: ClassVar[str | Promise] = _("No permitted model can answer")
    retryable: ClassVar[bool] = False


class BudgetExceeded(AppError):
    """Every model that could answer costs more than what is left of a budget.

    `extra` says, where one level refused, which budget, its scope and period, and when it renews (`renews_at`, and
    `retry_after` in seconds).
    """

    code = "budget_exceeded"
    status = 429
    title: ClassVar[str | Promise] = _("The budget is used up.")
    retryable: ClassVar[bool] = False
