"""Every message of the wire protocol, version 1, both directions, one class each.

Consumers call `parse` on what a socket sent and `encode` on what they answer; `events` builds the
pushed ones. `docs/protocol.md` shows an example of each and a test holds that page against this file.
Nothing here knows Django, the database or a socket.
"""

import json
import math
import time
import unicodedata
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

PROTOCOL = 1
QUESTION_CHARS = 2_000
TEACHER_TEXT_CHARS = 2_000
# Characters that a child cannot see: a question made only of these is empty.
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\ufeff\uffa0"))


class BadMessage(Exception):
    """A frame that is refused: `code` is the contract, `in_reply_to` echoes the client's id where it could be read."""

    def __init__(self, code: str, *, in_reply_to: str | None = None):
        super().__init__(code)
        self.code = code
        self.in_reply_to = in_reply_to


class Schema(BaseModel):
    """Strict in what it takes (no coercion, no unknown field); camelCase on the wire, snake_case in Python."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", strict=True, frozen=True)


def plain_text(value: str) -> str:
    """Return `value` in NFC; raise ValueError("INVALID_TEXT") on NUL and other control characters."""
    for character in value:
        if unicodedata.category(character) == "Cc" and character not in "\n\t":
            raise ValueError("INVALID_TEXT")
    return unicodedata.normalize("NFC", value)


def is_blank(value: str) -> bool:
    """True when nothing visible is left of `value`: spaces, zero-width and other format characters only."""
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
    return UUID(value)


WireId = Annotated[UUID, Field(strict=False)]
WordIndex = Annotated[int, Field(ge=-(2**62), le=2**62)]  # the range inside the text is the service's to judge
Counter = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[int | float, Field(ge=0, le=86_400)]


# ---------------------------------------------------------------- client → server


class ClientMessage:
    """One parsed message: `id` is the client's own UUID or None, `payload` the validated body."""

    __slots__ = ("id", "payload", "raw_payload")

    def __init__(self, *, id: UUID | None, payload: "Payload", raw_payload: dict):
        self.id = id
        self.payload = payload
        self.raw_payload = raw_payload

    @property
    def type(self) -> str:
        return self.payload.type


class Payload(Schema):
    """Base of the client's payloads. `durable` ones must carry an id and may be resent."""

    type: ClassVar[str]
    durable: ClassVar[bool] = False


class InterruptionContext(Schema):
    current_word_index: WordIndex
    current_sentence: str | None = Field(None, max_length=4_000)
    surrounding_text: str | None = Field(None, max_length=8_000)
    audio_timestamp: Seconds | None = None
    revision: Counter | None = None

    @field_validator("current_sentence", "surrounding_text")
    @classmethod
    def _plain(cls, value):
        return value if value is None else plain_text(value)


class StudentInterruption(Payload):
    type = "STUDENT_INTERRUPTION"
    durable = True
    question_text: str
    context: InterruptionContext | None = None
    interruption_type: Literal["voice", "button", "gesture"] | None = None
    student_thought: str | None = None
    help_level: Annotated[int, Field(ge=0, le=10)] | None = None

    @field_validator("question_text")
    @classmethod
    def _question(cls, value):
        return question_text(value)

    @field_validator("student_thought")
    @classmethod
    def _thought(cls, value):
        if value is None:
            return None
        value = plain_text(value).strip()
        if len(value) > QUESTION_CHARS:
            raise ValueError("TOO_LONG")
        return value


class CancelInterruption(Payload):
    type = "CANCEL_INTERRUPTION"
    durable = True
    interruption_id: WireId


class ResumeReading(Payload):
    type = "RESUME_READING"
    interruption_id: WireId | None = None
    understood: bool | None = None
    helpful: bool | None = None
    time_spent: Seconds | None = None


class RepeatAudio(Payload):
    type = "REPEAT_AUDIO"
    from_word_index: WordIndex
    reason: Literal["missed", "unclear", "review"] | None = None


class ReadingProgress(Payload):
    type = "READING_PROGRESS"
    word_index: WordIndex
    rev: Annotated[int, Field(ge=1, le=2**53)]
    active_seconds: Seconds | None = None
    revision: Counter | None = None


class Preferences(Schema):
    """What a reader chose. `None` means never chosen: the page's default holds."""

    font_scale: Annotated[int | float, Field(ge=0.7, le=2.5)] | None = None
    theme: Literal["auto", "light", "sepia", "dark"] | None = None
    line_spacing: Annotated[int | float, Field(ge=1.2, le=2.6)] | None = None
    letter_spacing: Annotated[int | float, Field(ge=0, le=0.3)] | None = None
    font: Literal["serif", "sans", "readable"] | None = None
    playback_rate: Annotated[int | float, Field(ge=0.5, le=2)] | None = None
    voice: str | None = Field(None, max_length=200)

    @field_validator("voice")
    @classmethod
    def _plain(cls, value):
        return value if value is None else plain_text(value)


class SetPreferences(Payload, Preferences):
    type = "SET_PREFERENCES"
    durable = True


class Ping(Payload):
    type = "PING"
    version: Counter | None = None
    class_version: Counter | None = None


class Restore(Payload):
    type = "RESTORE"


class Broadcast(Payload):
    type = "BROADCAST"
    durable = True
    text: str

    @field_validator("text")
    @classmethod
    def _text(cls, value):
        return teacher_text(value)


class Focus(Payload):
    type = "FOCUS"
    durable = True
    text_id: Counter
    word_index: WordIndex


class PauseClass(Payload):
    type = "PAUSE_CLASS"
    durable = True


class ResumeClass(Payload):
    type = "RESUME_CLASS"
    durable = True


STUDENT_MESSAGES = {m.type: m for m in (
    StudentInterruption, CancelInterruption, ResumeReading, RepeatAudio, ReadingProgress,
    SetPreferences, Ping, Restore)}
TEACHER_MESSAGES = {m.type: m for m in (Broadcast, Focus, PauseClass, ResumeClass, Ping, Restore)}


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
    try:
        frame = _decoder.decode(text)
        # Python's json lets "\ud800" through as half a character, which no database or layer can hold.
        if "\\u" in text:
            json.dumps(frame, ensure_ascii=False).encode()
    except NotANumber:
        raise BadMessage("INVALID_MESSAGE") from None
    except (ValueError, RecursionError):
        raise BadMessage("INVALID_JSON") from None
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise BadMessage("INVALID_MESSAGE")
    try:
        id = wire_id(frame["id"]) if "id" in frame else None
    except ValueError:
        raise BadMessage("INVALID_MESSAGE") from None
    in_reply_to = frame.get("id")
    schema = known.get(frame["type"])
    if schema is None:
        raise BadMessage("UNKNOWN_TYPE", in_reply_to=in_reply_to)
    if frame.keys() - {"type", "id", "payload"} or (schema.durable and id is None):
        raise BadMessage("INVALID_MESSAGE", in_reply_to=in_reply_to)
    raw_payload = frame.get("payload", {})
    try:
        payload = schema.model_validate(raw_payload)
    except ValidationError as error:
        raise BadMessage(_code_of(error), in_reply_to=in_reply_to) from None
    return ClientMessage(id=id, payload=payload, raw_payload=raw_payload)


def _code_of(error: ValidationError) -> str:
    """A validator's own code (`raise ValueError("TOO_LONG")`) when every complaint is one, else INVALID_MESSAGE."""
    codes = [str(detail["ctx"]["error"]) if detail["type"] == "value_error" else "INVALID_MESSAGE"
             for detail in error.errors(include_url=False, include_input=False)]
    return codes[0] if codes[0].isupper() and "INVALID_MESSAGE" not in codes else "INVALID_MESSAGE"


# ---------------------------------------------------------------- server → client


class ServerMessage(Schema):
    """Base of what the server says; a class's fields are its payload."""

    type: ClassVar[str]

    def encode(self, *, in_reply_to: UUID | str | None = None, version: int | None = None,
               class_version: int | None = None) -> str:
        """Return the text frame. Optional fields that hold None are left out."""
        return frame_of(self.type, self.model_dump(mode="json", by_alias=True, exclude_none=True),
                        in_reply_to=in_reply_to, version=version, class_version=class_version)


def frame_of(type: str, payload: dict, *, in_reply_to=None, version=None, class_version=None) -> str:
    """Return the text frame of a payload that is already plain JSON types (a stored reply, for one)."""
    frame: dict[str, Any] = {"type": type, "timestamp": time.time(), "payload": payload}
    if in_reply_to is not None:
        frame["inReplyTo"] = str(in_reply_to)
    if version is not None:
        frame["version"] = version
    if class_version is not None:
        frame["classVersion"] = class_version
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


class Citation(Schema):
    """A quotation in an answer. Word indexes are of the whole text, both ends included; none when it is not in it."""

    paragraph: int
    quote: str
    from_word_index: int | None = None
    to_word_index: int | None = None
    verified: bool


class Suggestion(Schema):
    text: str
    action: Literal["repeat", "continue", "ask_more", "more_help", "ask_teacher", "practice"]


class Fallback(Schema):
    response_text: str
    citations: list[Citation]
    provider: str


class InterruptionView(Schema):
    """One interruption as snapshots carry it. `draft_text` is an answer under way, never an answer."""

    interruption_id: WireId
    state: Literal["queued", "answering", "answered", "failed", "cancelled"]
    question_text: str
    word_index: int
    paragraph: int
    asked_at: float
    attempt: int
    draft_text: str | None = None
    queue_position: int | None = None
    processing_estimate: int | None = None
    response_text: str | None = None
    response_type: str | None = None
    citations: list[Citation] | None = None
    provider: str | None = None
    truncated: bool | None = None
    error_code: str | None = None
    user_message: str | None = None
    fallback: Fallback | None = None
    understood: bool | None = None
    helpful: bool | None = None
    answered_at: float | None = None


class TextView(Schema):
    id: int
    title: str
    words: int
    revision: int


class FocusView(Schema):
    text_id: int
    word_index: int


class BroadcastView(Schema):
    broadcast_id: WireId
    kind: Literal["announcement", "focus", "pause", "resume"]
    sent_at: float
    text: str | None = None
    text_id: int | None = None
    word_index: int | None = None


class ClassroomView(Schema):
    """What a student may know of the class."""

    id: int
    name: str
    paused: bool
    ai_enabled: bool
    focus: FocusView | None = None
    broadcasts: list[BroadcastView]


class SessionView(Schema):
    id: WireId
    nickname: str
    active_seconds: int


class SessionRestored(ServerMessage):
    type = "SESSION_RESTORED"
    protocol: int = PROTOCOL
    restored: bool
    session: SessionView
    text: TextView
    word_index: int
    furthest_word_index: int
    rev: int
    status: Literal["reading", "away", "finished"]
    preferences: Preferences
    interruptions: list[InterruptionView]
    classroom: ClassroomView
    version: int
    class_version: int
    heartbeat_seconds: float


class InterruptionAcknowledged(ServerMessage):
    type = "INTERRUPTION_ACKNOWLEDGED"
    interruption_id: WireId
    question_text: str
    word_index: int
    paused_at_word_index: int
    paragraph: int
    queue_position: int
    processing_estimate: int


class QueuePosition(ServerMessage):
    type = "QUEUE_POSITION"
    interruption_id: WireId
    queue_position: int
    processing_estimate: int


class PauseAudio(ServerMessage):
    type = "PAUSE_AUDIO"
    reason: str
    at_word_index: int


class ResumeAudio(ServerMessage):
    type = "RESUME_AUDIO"
    reason: str
    from_word_index: int
    playback_rate: float | None = None


class InterruptionResponseDelta(ServerMessage):
    type = "INTERRUPTION_RESPONSE_DELTA"
    interruption_id: WireId
    attempt: int
    from_char: int
    text: str


class InterruptionResponse(ServerMessage):
    type = "INTERRUPTION_RESPONSE"
    interruption_id: WireId
    response_text: str
    response_type: Literal["text", "definition", "explanation", "example", "hint", "mixed"]
    citations: list[Citation]
    suggestions: list[Suggestion]
    help_level: int
    provider: str
    truncated: bool | None = None


class InterruptionError(ServerMessage):
    type = "INTERRUPTION_ERROR"
    interruption_id: WireId
    error_code: Literal["llm_unavailable", "invalid_context", "timeout", "busy", "budget_exceeded",
                        "cancelled", "unknown"]
    user_message: str
    fallback_action: Literal["continue", "retry", "skip", "ask_teacher"]
    fallback: Fallback | None = None


class ProgressSaved(ServerMessage):
    type = "PROGRESS_SAVED"
    rev: int
    word_index: int
    furthest_word_index: int
    stale: bool | None = None


class PreferencesSaved(ServerMessage):
    type = "PREFERENCES_SAVED"
    preferences: Preferences


class ClassBroadcast(ServerMessage, BroadcastView):
    type = "CLASS_BROADCAST"


class Pong(ServerMessage):
    type = "PONG"
    version: int | None = None
    class_version: int | None = None


class Done(ServerMessage):
    type = "DONE"


class Error(ServerMessage):
    type = "ERROR"
    code: str
    message: str


class StudentView(Schema):
    """One student's row on the dashboard, for the text read last. `page` counts from 1; 0 words means never opened."""

    enrollment_id: int
    nickname: str
    session_id: WireId | None = None
    text_id: int | None = None
    word_index: int = 0
    furthest_word_index: int = 0
    words: int = 0
    page: int = 0
    status: Literal["new", "reading", "asking", "away", "finished"] = "new"
    last_question: str | None = None
    last_seen: float | None = None


class RoomInterruption(InterruptionView):
    """A question as the teacher's room shows it."""

    enrollment_id: int
    nickname: str
    text_id: int
    session_id: WireId


class ParagraphCount(Schema):
    text_id: int
    paragraph: int
    questions: int


class ClassroomState(ServerMessage):
    type = "CLASSROOM_STATE"
    protocol: int = PROTOCOL
    id: int
    name: str
    paused: bool
    ai_enabled: bool
    focus: FocusView | None = None
    students: list[StudentView]
    interruptions: list[RoomInterruption]
    paragraph_counts: list[ParagraphCount]
    broadcasts: list[BroadcastView]
    class_version: int
    heartbeat_seconds: float


class StudentJoined(ServerMessage):
    type = "STUDENT_JOINED"
    student: StudentView


class StudentPresence(ServerMessage):
    type = "STUDENT_PRESENCE"
    students: list[StudentView]
    removed: list[int] = []


class StudentProgress(ServerMessage):
    type = "STUDENT_PROGRESS"
    students: list[StudentView]


class InterruptionOpened(ServerMessage):
    type = "INTERRUPTION_OPENED"
    interruption: RoomInterruption


class InterruptionAnswered(ServerMessage):
    type = "INTERRUPTION_ANSWERED"
    interruption: RoomInterruption


class InterruptionFailed(ServerMessage):
    type = "INTERRUPTION_FAILED"
    interruption: RoomInterruption


class HeatmapUpdated(ServerMessage):
    type = "HEATMAP_UPDATED"
    paragraph_counts: list[ParagraphCount]


TO_STUDENT = {m.type: m for m in (
    SessionRestored, InterruptionAcknowledged, QueuePosition, PauseAudio, ResumeAudio,
    InterruptionResponseDelta, InterruptionResponse, InterruptionError, ProgressSaved, PreferencesSaved,
    ClassBroadcast, Pong, Error)}
TO_TEACHER = {m.type: m for m in (
    ClassroomState, StudentJoined, StudentPresence, StudentProgress, InterruptionOpened,
    InterruptionResponseDelta, InterruptionAnswered, InterruptionFailed, HeatmapUpdated, ClassBroadcast,
    Pong, Done, Error)}
