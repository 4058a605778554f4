"""A failed run in words: for a page, and for whoever is told of its end when its own process no longer can."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

ERROR_TEXTS: dict[str, str | Promise] = {
    "no_permitted_model": gettext_lazy("No model that may answer this is available. Nothing was sent elsewhere."),
    "provider_unavailable": gettext_lazy("The model does not answer."),
    "provider_timeout": gettext_lazy("The model did not answer in time."),
    "provider_rejected": gettext_lazy("The model's provider refused the request."),
    "provider_invalid": gettext_lazy("The model answered something that cannot be read."),
    "budget_exceeded": gettext_lazy("The budget is spent. Local models still answer."),
    "context_too_long": gettext_lazy("The conversation is too long for this model. Begin a new one."),
    "internal": gettext_lazy("The answer failed on our side."),
    "rate_limited": gettext_lazy("Too many messages in one minute."),
    "run_in_progress": gettext_lazy("An answer is still being written. Wait for it or stop it."),
    "message_too_long": gettext_lazy("The message is too long."),
    "empty_message": gettext_lazy("The message is empty."),
    "not_continuable": gettext_lazy("This answer cannot be gone on with. Try again instead."),
    "models_invalid": gettext_lazy("Choose two or three different models."),
    "not_found": gettext_lazy("This conversation does not exist any more."),
    "unavailable": gettext_lazy("The server cannot take messages at the moment."),
}


def text_of(code: str) -> str:
    """A sentence for a failure's code, in the language of this moment."""
    return str(ERROR_TEXTS.get(code, ERROR_TEXTS["internal"]))
