"""What clients say: students to a reading session, teachers to a class."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, field_validator

from sessions.messages.schema import (
    QUESTION_CHARS,
    Counter,
    Schema,
    Seconds,
    WireId,
    WordIndex,
    plain_text,
    question_text,
    teacher_text,
)


class ClientMessage:
    """One parsed message: `id` is the client's own UUID or None, `payload` the validated body."""

    __slots__ = ("id", "payload", "raw_payload", "type")

    def __init__(self, *, id: UUID | None, payload: "Payload", raw_payload: dict):
        self.id = id
        self.payload = payload
        self.raw_payload = raw_payload
        self.type = payload.type


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
