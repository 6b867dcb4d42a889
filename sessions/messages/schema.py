"""What all messages share: the strict base class, and what counts as readable text."""

import unicodedata
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import SchemaValidator, core_schema

QUESTION_CHARS = 2_000
TEACHER_TEXT_CHARS = 2_000
# Characters that a child cannot see: a question made only of these is empty.
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\ufeff\uffa0"))


class BadMessage(Exception):
    """A frame that is refused: `code` is the contract, `in_reply_to` echoes the client's id where it could be read."""

    def __init__(self, code: str, *, in_reply_to: UUID | None = None):
        super().__init__(code)
        self.code = code
        self.in_reply_to = in_reply_to


class Schema(BaseModel):
    """Strict in what it takes (no coercion, no unknown field); camelCase on the wire, snake_case in Python."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", strict=True, frozen=True)


def plain_text(value: str) -> str:
    """Return `value` in NFC; raise ValueError("INVALID_TEXT") on NUL and other control characters."""
    if value.isascii() and value.isprintable():  # most of what is typed in English: nothing to look for
        return value
    for character in value:
        if unicodedata.category(character) == "Cc" and character not in "\n\t":
            raise ValueError("INVALID_TEXT")
    return unicodedata.normalize("NFC", value)


def is_blank(value: str) -> bool:
    """True when nothing visible is left of `value`: spaces, zero-width and other format characters only."""
    if value.isascii() and value.isprintable():
        return not value.strip()
    visible = value.translate(INVISIBLE)
    return not any(unicodedata.category(c)[0] not in "ZC" for c in visible)


def question_text(value: str) -> str:
    value = plain_text(value).strip()
    if is_blank(value):
        raise ValueError("EMPTY_QUESTION")
    if len(value) > QUESTION_CHARS:
        raise ValueError("TOO_LONG")
    return value


def teacher_text(value: str) -> str:
    value = plain_text(value).strip()
    if is_blank(value):
        raise ValueError("EMPTY_TEXT")
    if len(value) > TEACHER_TEXT_CHARS:
        raise ValueError("TOO_LONG")
    return value


def wire_id(value: Any) -> UUID:
    """A UUID as text; JSON has no UUID type, so strict mode needs this one conversion."""
    if isinstance(value, UUID):
        return value
    if not isinstance(value, str) or len(value) not in (32, 36):
        raise ValueError("not a UUID")
    return _uuid(value)


_uuid = SchemaValidator(core_schema.uuid_schema()).validate_python  # a fifth of what `UUID` takes


WireId = Annotated[UUID, Field(strict=False)]
WordIndex = Annotated[int, Field(ge=-(2**62), le=2**62)]  # the range inside the text is the service's to judge
Counter = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[int | float, Field(ge=0, le=86_400)]
