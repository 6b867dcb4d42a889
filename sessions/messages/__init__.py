"""Every message of the wire protocol, version 1, both directions, one class each.

Consumers call `parse` on what a socket sent and `encode` on what they answer; `events` pushes what services
build here. `docs/protocol.md` shows an example of each and a test holds that page against this package.
Nothing here knows Django, the database or a socket.
"""

from sessions.messages.client import (
    STUDENT_MESSAGES,
    TEACHER_MESSAGES,
    CancelInterruption,
    ClientMessage,
    Payload,
    Preferences,
    ReadingProgress,
    ResumeReading,
    SetPreferences,
    StudentInterruption,
)
from sessions.messages.parsing import parse, read_json, validate
from sessions.messages.schema import BadMessage, Schema, WireId
from sessions.messages.server import (
    TO_STUDENT,
    TO_TEACHER,
    BroadcastView,
    Citation,
    ClassBroadcast,
    ClassroomState,
    ClassroomView,
    Done,
    Error,
    Fallback,
    FocusView,
    HeatmapUpdated,
    InterruptionAcknowledged,
    InterruptionAnswered,
    InterruptionError,
    InterruptionFailed,
    InterruptionOpened,
    InterruptionResponse,
    InterruptionResponseDelta,
    InterruptionView,
    ParagraphCount,
    PauseAudio,
    Pong,
    PreferencesSaved,
    ProgressSaved,
    QueuePosition,
    ResumeAudio,
    RoomInterruption,
    RoomTextView,
    ServerMessage,
    SessionRestored,
    SessionView,
    StudentJoined,
    StudentPresence,
    StudentProgress,
    StudentView,
    Suggestion,
    TextRevised,
    TextView,
    TutorStatus,
    frame_of,
)

__all__ = [
    "STUDENT_MESSAGES", "TEACHER_MESSAGES", "TO_STUDENT", "TO_TEACHER", "BadMessage", "BroadcastView",
    "CancelInterruption", "Citation", "ClassBroadcast", "ClassroomState", "ClassroomView", "ClientMessage", "Done",
    "Error", "Fallback", "FocusView", "HeatmapUpdated", "InterruptionAcknowledged", "InterruptionAnswered",
    "InterruptionError", "InterruptionFailed", "InterruptionOpened", "InterruptionResponse",
    "InterruptionResponseDelta", "InterruptionView", "ParagraphCount", "PauseAudio", "Payload", "Pong", "Preferences",
    "PreferencesSaved", "ProgressSaved", "QueuePosition", "ReadingProgress", "ResumeAudio", "ResumeReading",
    "RoomInterruption", "RoomTextView", "Schema", "ServerMessage", "SessionRestored", "SessionView", "SetPreferences",
    "StudentInterruption", "StudentJoined", "StudentPresence", "StudentProgress", "StudentView", "Suggestion",
    "TextRevised", "TextView", "TutorStatus", "WireId", "frame_of", "parse", "read_json", "validate",
]
