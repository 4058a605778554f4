"""The reasons of a decision in words: why a model answers, and what made a turn personal. Codes are stable, words are not."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

REASON_TEXTS: dict[str, str | Promise] = {
    "named": gettext_lazy("You or the assistant named this model."),
    "default_model": gettext_lazy("It is the model set for this installation."),
    "only_model": gettext_lazy("It is the only model connected."),
    "first_model": gettext_lazy("It is the first of the connected models."),
    "builtin_only": gettext_lazy("No model is connected: the built-in demonstration model quotes your documents."),
    "builtin_named": gettext_lazy("The built-in demonstration model was chosen."),
    "no_permitted_model": gettext_lazy("No permitted model answers."),
    "pinned": gettext_lazy("Your organisation set this model."),
    "cheapest": gettext_lazy("It is the cheapest model that is able."),
    "fastest": gettext_lazy("It is the model that answers fastest."),
    "auto_easy": gettext_lazy("The question looks simple: a modest model answers."),
    "auto_hard": gettext_lazy("The question looks hard: an able model answers."),
    "builtin_last": gettext_lazy("No other model answers: the built-in one quotes your documents."),
    "filtered_privacy": gettext_lazy("Models outside were left out: the turn holds personal data."),
    "filtered_health": gettext_lazy("A model that is down was left out."),
    "filtered_budget": gettext_lazy("A model beyond the budget was left out."),
    "filtered_window": gettext_lazy("A model that reads less was left out."),
    "filtered_ability": gettext_lazy("A model that cannot do this was left out."),
    "provider_unavailable": gettext_lazy("Another model failed, and this one took over."),
    "provider_timeout": gettext_lazy("Another model was silent, and this one took over."),
    "needs_images": gettext_lazy("No permitted model reads pictures."),
    "needs_audio": gettext_lazy("No permitted model hears sounds."),
    "attachment_cut": gettext_lazy("An attached file is longer than the model can read: its end was left out."),
    "hedged": gettext_lazy("Another model was silent; this one was asked beside it and spoke first."),
}


KIND_TEXTS: dict[str, str | Promise] = {
    "email": gettext_lazy("an e-mail address"),
    "phone": gettext_lazy("a phone number"),
    "card": gettext_lazy("a bank card"),
    "iban": gettext_lazy("a bank account"),
    "nir": gettext_lazy("a social security number"),
    "secret": gettext_lazy("a key or password"),
    "value": gettext_lazy("a confidential value"),
    "name": gettext_lazy("a name"),
    "unread": gettext_lazy("what cannot be checked: a picture or a sound"),
}
PART_TEXTS: dict[str, str | Promise] = {
    "message": gettext_lazy("The message holds %(what)s."),
    "history": gettext_lazy("The conversation holds %(what)s."),
    "passage": gettext_lazy("A passage found holds %(what)s."),
    "attachment": gettext_lazy("An attachment holds %(what)s."),
    "instructions": gettext_lazy("The assistant's instructions hold %(what)s."),
}
PRIVACY_TEXTS = {f"{kind}:{part}" for kind in KIND_TEXTS for part in PART_TEXTS}


def text_of(code: str) -> str:
    """A sentence for a reason's code; "" where there is none."""
    if code in REASON_TEXTS:
        return str(REASON_TEXTS[code])
    kind, _colon, part = code.partition(":")
    if part not in PART_TEXTS:
        return ""
    return str(PART_TEXTS[part]) % {"what": KIND_TEXTS.get(kind, gettext_lazy("something confidential"))}


def every_text() -> dict[str, str | Promise]:
    """Each code with its sentence."""
    return REASON_TEXTS | {code: text_of(code) for code in sorted(PRIVACY_TEXTS)}
