"""The providers of `llm` as this installation's settings describe them. The tutor and the demo make theirs here."""

from django.conf import settings
from django.utils.translation import gettext as _

from sessions import llm

HELPER = "passage_helper"


def make_provider(name: str) -> llm.Provider:
    """Return a provider as the settings describe it."""
    if name == HELPER:
        options = {"label": _("Passage helper, not AI"), "phrases": {
            "definition": _("The text says:"),
            "in_use": _("The text does not explain “{term}” outright. It uses it here:"),
            "answer": _("This part of the text may help:"),
            "answers": _("These parts of the text may help:"),
            "not_found": _("I can't find this in the part of the text you have read."),
        }}
    elif name == "openai":
        options = {
            "api_key": settings.OPENAI_API_KEY or "none", "base_url": settings.OPENAI_BASE_URL or None,
            "model": settings.TUTOR_MODEL, "first_token_timeout": settings.DURATIONS.first_token,
            "idle_timeout": settings.DURATIONS.idle_token}
    else:
        options = {}
    return llm.get_provider(name, **options)
