"""From a text frame to a validated message, or to the one code that says why not. REST bodies take the same two steps."""

import json
import math
from typing import Any, TypeVar
from uuid import UUID

from pydantic import ValidationError

from sessions.messages.client import ClientMessage, Payload
from sessions.messages.schema import BadMessage, Schema, wire_id

Shape = TypeVar("Shape", bound=Schema)


class NotANumber(ValueError):
    """NaN, Infinity or a float beyond the range: valid in some JSON libraries, never in ours."""


def _pairs(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def _constant(name):
    raise NotANumber(name)


def _float(text):
    value = float(text)
    if not math.isfinite(value):
        raise NotANumber(text)
    return value


_decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)


def parse(text: str, *, known: dict[str, type[Payload]]) -> ClientMessage:
    """Return the message in a text frame, held against the classes of `known`.

    Raises BadMessage with INVALID_JSON, INVALID_MESSAGE, UNKNOWN_TYPE, INVALID_TEXT, EMPTY_QUESTION,
    EMPTY_TEXT or TOO_LONG.
    """
    frame = read_json(text)
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise BadMessage("INVALID_MESSAGE")
    try:
        id = wire_id(frame["id"]) if "id" in frame else None
    except ValueError:
        raise BadMessage("INVALID_MESSAGE") from None
    schema = known.get(frame["type"])
    if schema is None:
        raise BadMessage("UNKNOWN_TYPE", in_reply_to=id)
    if frame.keys() - {"type", "id", "payload"} or (schema.durable and id is None):
        raise BadMessage("INVALID_MESSAGE", in_reply_to=id)
    raw_payload = frame.get("payload", {})
    payload = validate(schema, raw_payload, in_reply_to=id)
    return ClientMessage(id=id, payload=payload, raw_payload=raw_payload)


def read_json(text: str) -> Any:
    """Return what a JSON text holds, read more strictly than Python does. Raises BadMessage, INVALID_JSON mostly."""
    try:
        value = _decoder.decode(text)
        # Python's json lets "\ud800" through as half a character, which no database or layer can hold.
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except NotANumber:
        raise BadMessage("INVALID_MESSAGE") from None
    except (ValueError, RecursionError):
        raise BadMessage("INVALID_JSON") from None
    return value


def validate(schema: type[Shape], raw: Any, *, in_reply_to: UUID | None = None) -> Shape:
    """Return a body held against its class; raise BadMessage with the code that says why not."""
    try:
        # By the wire's names only: `question_text` is Python's word for `questionText`, not a second one on the wire.
        return schema.__pydantic_validator__.validate_python(raw, by_alias=True, by_name=False)
    except ValidationError as error:
        raise BadMessage(_code_of(error), in_reply_to=in_reply_to) from None


def _code_of(error: ValidationError) -> str:
    """A validator's own code (`raise ValueError("TOO_LONG")`) when every complaint is one, else INVALID_MESSAGE."""
    codes = [str(detail["ctx"]["error"]) if detail["type"] == "value_error" else "INVALID_MESSAGE"
             for detail in error.errors(include_url=False, include_input=False)]
    return codes[0] if codes[0].isupper() and "INVALID_MESSAGE" not in codes else "INVALID_MESSAGE"
