"""What the server says, each a class whose fields are the payload."""

import time
from typing import ClassVar, Literal
from uuid import UUID

from pydantic_core import to_json

from sessions.messages.client import Preferences
from sessions.messages.schema import Schema, WireId

PROTOCOL = 1


class ServerMessage(Schema):
    """Base of what the server says; a class's fields are its payload."""

    type: ClassVar[str]

    def encode(self, *, in_reply_to: UUID | str | None = None, version: int | None = None,
               class_version: int | None = None) -> str:
        """Return the text frame. Optional fields that hold None are left out."""
        return _frame(self.type, self.model_dump_json(by_alias=True, exclude_none=True),
                      in_reply_to=in_reply_to, version=version, class_version=class_version)


def frame_of(type: str, payload: dict, *, in_reply_to: UUID | str | None = None, version: int | None = None) -> str:
    """Return the text frame of a payload that is already plain JSON types (a stored reply, for one)."""
    # Not by Python's json, which takes 6 µs where this takes one.
    return _frame(type, to_json(payload).decode(), in_reply_to=in_reply_to, version=version)


def _frame(type: str, payload: str, *, in_reply_to: UUID | str | None = None, version: int | None = None,
           class_version: int | None = None) -> str:
    """Return a text frame around a payload that is JSON text. What else is in it needs no quoting."""
    frame = f'{{"type":"{type}","timestamp":{time.time()!r},"payload":{payload}'
    if in_reply_to is not None:
        frame += f',"inReplyTo":"{in_reply_to}"'
    if version is not None:
        frame += f',"version":{version}'
    if class_version is not None:
        frame += f',"classVersion":{class_version}'
    return frame + "}"


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


class RoomTextView(TextView):
    """A text of the class, with the index of the first word of each page."""

    page_starts: list[int]


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
    asked_at: float
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
    answered_at: float
    understood: bool | None = None  # what the reader said of it; then the answer is told again, whole
    helpful: bool | None = None


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


class TextRevised(ServerMessage):
    """A text has other words: whoever shows it or a place in it asks for a snapshot, or loads the text again."""

    type = "TEXT_REVISED"
    text: TextView


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
    """A question as the teacher's room shows it. `flag` is why a teacher should look at it first."""

    enrollment_id: int
    nickname: str
    text_id: int
    session_id: WireId
    flag: Literal["self_harm"] | None = None


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
    texts: list[RoomTextView]
    students: list[StudentView]
    interruptions: list[RoomInterruption]
    paragraph_counts: list[ParagraphCount]
    broadcasts: list[BroadcastView]
    tutor_running: bool
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


class TutorStatus(ServerMessage):
    type = "TUTOR_STATUS"
    running: bool


TO_STUDENT = {m.type: m for m in (
    SessionRestored, InterruptionAcknowledged, QueuePosition, PauseAudio, ResumeAudio,
    InterruptionResponseDelta, InterruptionResponse, InterruptionError, ProgressSaved, PreferencesSaved,
    ClassBroadcast, TextRevised, Pong, Error)}
TO_TEACHER = {m.type: m for m in (
    ClassroomState, StudentJoined, StudentPresence, StudentProgress, InterruptionOpened,
    InterruptionResponseDelta, InterruptionAnswered, InterruptionFailed, HeatmapUpdated, ClassBroadcast,
    TextRevised, TutorStatus, Pong, Done, Error)}
