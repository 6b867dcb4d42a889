"""Providers of answers, behind one contract.

The tutor engine asks `get_provider` for one by name. Nothing in this package imports Django or the rest of
the project: strings that people read are passed in by the caller.
"""

from importlib import import_module
from typing import Any

from .contract import (
    MAX_MODEL_NAME,
    MAX_REPLY_BYTES,
    ErrorCode,
    Finish,
    FinishReason,
    Paragraph,
    Provider,
    ProviderError,
    ResponseType,
    TextDelta,
    TutorRequest,
)

__all__ = [
    "MAX_MODEL_NAME",
    "MAX_REPLY_BYTES",
    "PROVIDERS",
    "ErrorCode",
    "Finish",
    "FinishReason",
    "Paragraph",
    "Provider",
    "ProviderError",
    "ResponseType",
    "TextDelta",
    "TutorRequest",
    "get_provider",
]

# Imported when asked for: the openai package takes half a second to import, which a school without a key
# should not pay at every start.
PROVIDERS: dict[str, tuple[str, str]] = {
    "openai": ("openai_tutor", "OpenAITutor"),
    "passage_helper": ("passage_helper", "PassageHelper"),
}


def get_provider(name: str, **options: Any) -> Provider:
    """Return a new provider by its stored name; `options` go to its constructor.

    Raises ValueError for an unknown name, TypeError for an option it does not take.
    """
    if name not in PROVIDERS:
        raise ValueError(f"unknown provider {name!r}; known are {', '.join(sorted(PROVIDERS))}")
    module, class_name = PROVIDERS[name]
    return getattr(import_module(f".{module}", __name__), class_name)(**options)
