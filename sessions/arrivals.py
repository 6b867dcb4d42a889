"""The SQL of an arrival: all that a socket reads when it opens, five statements that a database prepares once.

`services.access`, `services.reading` and `services.snapshots` call these in place of querysets, because a school comes
back all at once: `python -m tests.load.cpu` measures it, docs/performance.md has the figure beside the ORM's. Who may
read what is decided there; here rows become models that hold only what was read.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from django.db import models

from classrooms.models import Classroom, Enrollment, Text, User
from sessions.models import Broadcast, Interruption, ReadingSession
from sessions.sql import moment, rows, to_json, uuid_of


class Columns:
    """Some columns of a model in a SELECT, and models made of what it returns. What was not read, a model would ask the
    database for by itself."""

    def __init__(self, model: type[models.Model], alias: str, *names: str):
        self._model = model
        wanted = {model._meta.get_field(name) for name in names}
        fields = [field for field in model._meta.concrete_fields if field in wanted]  # `from_db` wants their order
        self._attributes = [field.attname for field in fields]
        self._converters = [_converter(field) for field in fields]
        self.sql = ", ".join(f"{alias}.{field.column}" for field in fields)

    def __len__(self) -> int:
        return len(self._attributes)

    def model(self, values: Iterable):
        """Return a model of a row's part."""
        return self._model.from_db("default", self._attributes, [
            value if convert is None or value is None else convert(value)
            for convert, value in zip(self._converters, values, strict=True)])


def _converter(field: models.Field):
    """Return what makes a value of a field from what either database gives, None where that is the value."""
    target = field.target_field if field.is_relation else field
    if isinstance(target, models.UUIDField):
        return uuid_of
    if isinstance(target, models.JSONField):
        return json.loads
    if isinstance(target, models.BooleanField):
        return bool
    return _moment_of if isinstance(target, models.DateTimeField) else None


def _moment_of(value: datetime | str) -> datetime:
    stored = datetime.fromisoformat(value) if isinstance(value, str) else value
    return stored if stored.tzinfo else stored.replace(tzinfo=UTC)  # SQLite does not say that it means UTC


USER = Columns(User, "u", "id", "password", "is_active", "role")
SESSION = Columns(ReadingSession, "s", "id", "enrollment", "text", "word_index", "furthest_word_index", "rev", "status",
                  "preferences", "active_seconds", "version", "connected_at")
ENROLLMENT = Columns(Enrollment, "e", "id", "user", "classroom", "nickname", "removed_at")
CLASSROOM = Columns(Classroom, "c", "id", "name", "paused", "ai_enabled", "focus_text", "focus_word_index", "version",
                    "archived_at")
TEXT = Columns(Text, "t", "id", "title", "word_count", "revision")
QUESTION = Columns(
    Interruption, "i", "id", "state", "question_text", "word_index", "paragraph", "created_at", "attempt", "draft_text",
    "response_text", "response_type", "citations", "provider", "truncated", "understood", "helpful", "finished_at",
    "error_code", "fallback")
BROADCAST = Columns(Broadcast, "b", "id", "kind", "text", "target", "word_index", "version", "created_at")

READ_LOG_IN = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > %s"
READ_USER = f"SELECT {USER.sql} FROM classrooms_user u WHERE u.id = %s"
READ_SESSION = f"""
    SELECT {SESSION.sql}, {ENROLLMENT.sql}, {CLASSROOM.sql}, {TEXT.sql}
    FROM reading_sessions_readingsession s
    JOIN classrooms_enrollment e ON e.id = s.enrollment_id
    JOIN classrooms_classroom c ON c.id = e.classroom_id
    JOIN classrooms_text t ON t.id = s.text_id
    WHERE s.id = %s"""
READ_QUESTIONS = f"""
    SELECT {QUESTION.sql} FROM reading_sessions_interruption i
    WHERE i.reading_session_id = %s AND i.state IN ('queued', 'answering')
    UNION ALL SELECT * FROM (
        SELECT {QUESTION.sql} FROM reading_sessions_interruption i
        WHERE i.reading_session_id = %s AND i.state NOT IN ('queued', 'answering')
        ORDER BY i.created_at DESC, i.id DESC LIMIT %s) AS others"""
READ_BROADCASTS = f"""
    SELECT {BROADCAST.sql} FROM reading_sessions_broadcast b WHERE b.classroom_id = %s ORDER BY b.version DESC LIMIT %s"""
FIND_EVICTION = "SELECT 1 FROM reading_sessions_eviction WHERE created_at > %s LIMIT 1"
READ_PLACES = """
    SELECT i.id, (SELECT count(*) FROM (
        SELECT 1 FROM reading_sessions_interruption q
        WHERE q.state = 'queued' AND q.created_at <= i.created_at LIMIT %s) AS before)
    FROM reading_sessions_interruption i WHERE i.state = 'queued' AND i.id IN ({uuids})"""


def read_log_in(session_key: str, *, now: datetime) -> str | None:
    """Return what Django stores of a log-in that has not expired, signed as it stands there."""
    found = rows(READ_LOG_IN, session_key, moment()(now))
    return found[0][0] if found else None


def read_user(user_id: int) -> User | None:
    """Return a user; of what stands in the row only who it is and whether the log-in still holds."""
    found = rows(READ_USER, user_id)
    return USER.model(found[0]) if found else None


def read_session(id: UUID) -> ReadingSession | None:
    """Return a reading session with its enrollment, class and text."""
    found = rows(READ_SESSION, id.hex)
    if not found:
        return None
    values = iter(found[0])
    session, enrollment, classroom, text = (
        columns.model([next(values) for _ in range(len(columns))]) for columns in (SESSION, ENROLLMENT, CLASSROOM, TEXT))
    enrollment.classroom, session.enrollment, session.text = classroom, enrollment, text
    return session


def read_questions(reading_session_id: UUID, *, others: int) -> list[Interruption]:
    """Return the open questions of a session and its newest `others`, in no order."""
    return [QUESTION.model(row) for row in rows(READ_QUESTIONS, reading_session_id.hex, reading_session_id.hex, others)]


def read_broadcasts(classroom_id: int, *, newest: int) -> list[Broadcast]:
    """Return what was last said to a class, newest first."""
    return [BROADCAST.model(row) for row in rows(READ_BROADCASTS, classroom_id, newest)]


def is_anyone_evicted(since: datetime) -> bool:
    """True when sockets had to close since then; each process asks once a second, and mostly nobody had to."""
    return bool(rows(FIND_EVICTION, moment()(since)))


def read_places(interruption_ids: Iterable[UUID], *, furthest: int) -> dict[UUID, int]:
    """Return {interruption: its place in the tutor's queue, from 1} of those that wait; `furthest` for all behind it."""
    found = rows(READ_PLACES, furthest, to_json([id.hex for id in interruption_ids]))
    return {uuid_of(id): place for id, place in found}
