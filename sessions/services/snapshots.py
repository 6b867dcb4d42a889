"""What a page is shown: one interruption, a whole reading session, a whole class. Reads only."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from classrooms.models import Classroom, Enrollment, Text
from sessions import arrivals, messages
from sessions.models import Broadcast, Interruption, ReadingSession, page_of
from sessions.services import engines, help_card

RECENT_INTERRUPTIONS = 20
RECENT_ROOM_INTERRUPTIONS = 50
RECENT_BROADCASTS = 20
PLACES_TOLD = 1_000  # further back in the queue a place says no more than that it is long, and each costs 5 µs a second
TYPICAL_ANSWER_SECONDS = 6
FLAGGED_STAYS = timedelta(days=7)  # a question that a teacher must see is in the room's snapshot for so long
NOT_TO_REPEAT = ("cancelled", "budget_exceeded")  # asking again today would end the same way

State = Interruption.State


def estimate(position: int) -> int:
    """Return the seconds until a question at this place of the queue is likely answered."""
    return math.ceil(position / settings.LIMITS.llm_concurrent) * TYPICAL_ANSWER_SECONDS


def seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def error_message(code: str) -> str:
    """Return what a student reads for a question's error code."""
    return {
        "llm_unavailable": _("The tutor can't be reached right now."),
        "timeout": _("The tutor took too long."),
        "busy": _("The tutor is too busy right now."),
        "budget_exceeded": _("Today's questions to the AI tutor are used up."),
        "cancelled": _("You took this question back."),
        "invalid_context": _("That place is no longer in the text."),
    }.get(code, _("Something went wrong with this question."))


def suggestions(row: Interruption) -> list[messages.Suggestion]:
    go_on = messages.Suggestion(text=_("Go on reading"), action="continue")
    if row.provider == help_card.PROVIDER:
        return [go_on]
    return [
        messages.Suggestion(text=_("Read it again"), action="repeat"),
        messages.Suggestion(text=_("Ask more"), action="ask_more"),
        go_on,
    ]


def outcome(row: Interruption) -> messages.InterruptionResponse | messages.InterruptionError:
    """Return the message that tells a finished question's one outcome."""
    if row.state == State.ANSWERED:
        return messages.InterruptionResponse(
            interruption_id=row.pk, response_text=row.response_text, response_type=row.response_type,
            citations=row.citations, suggestions=suggestions(row),
            help_level=row.context.get("help_level", 0), provider=row.provider, truncated=row.truncated or None,
            answered_at=seconds(row.finished_at), understood=row.understood, helpful=row.helpful)
    code = row.error_code or "unknown"
    return messages.InterruptionError(
        interruption_id=row.pk, error_code=code, user_message=error_message(code),
        fallback_action="continue" if code in NOT_TO_REPEAT else "retry", fallback=row.fallback)


def _interruption_fields(row: Interruption, position: int | None) -> dict:
    fields = dict(
        interruption_id=row.pk, state=row.state, question_text=row.question_text, word_index=row.word_index,
        paragraph=row.paragraph, asked_at=seconds(row.created_at), attempt=row.attempt)
    if row.state == State.QUEUED and position:
        fields |= dict(queue_position=position, processing_estimate=estimate(position))
    elif row.state == State.ANSWERING:
        fields |= dict(draft_text=row.draft_text)
    elif row.state == State.ANSWERED:
        fields |= dict(
            response_text=row.response_text, response_type=row.response_type, citations=row.citations,
            provider=row.provider, truncated=row.truncated or None, understood=row.understood, helpful=row.helpful,
            answered_at=seconds(row.finished_at))
    elif row.state in (State.FAILED, State.CANCELLED):
        fields |= dict(error_code=row.error_code, user_message=error_message(row.error_code), fallback=row.fallback)
    return fields


def interruption_view(row: Interruption, *, position: int | None = None) -> messages.InterruptionView:
    return messages.InterruptionView(**_interruption_fields(row, position))


def room_interruption(row: Interruption, *, nickname: str | None = None) -> messages.RoomInterruption:
    """Return a question as the teacher sees it. Needs the row's enrollment, or its nickname."""
    return messages.RoomInterruption(
        **_interruption_fields(row, None), enrollment_id=row.enrollment_id,
        nickname=row.enrollment.nickname if nickname is None else nickname,
        text_id=row.text_id, session_id=row.reading_session_id, flag=row.flag or None)


def broadcast_view(row: Broadcast) -> dict:
    fields = dict(broadcast_id=row.pk, kind=row.kind, sent_at=seconds(row.created_at))
    if row.text:
        fields["text"] = row.text
    if row.kind == "focus":
        fields |= dict(text_id=row.target_id, word_index=row.word_index)
    return fields


def text_view(text: Text) -> messages.TextView:
    return messages.TextView(id=text.pk, title=text.title, words=text.word_count, revision=text.revision)


def room_text_view(text: Text) -> messages.RoomTextView:
    return messages.RoomTextView(**text_view(text).model_dump(), page_starts=text.page_starts)


def focus_view(classroom: Classroom) -> messages.FocusView | None:
    if classroom.focus_text_id is None:
        return None
    return messages.FocusView(text_id=classroom.focus_text_id, word_index=classroom.focus_word_index)


def _broadcasts(classroom: Classroom) -> list[messages.BroadcastView]:
    said = arrivals.read_broadcasts(classroom.pk, newest=RECENT_BROADCASTS)
    return [messages.BroadcastView(**broadcast_view(row)) for row in reversed(said)]


def queue_positions() -> dict:
    """Return {interruption id: estimated place from 1} of what waits, oldest first; `PLACES_TOLD` of them at most."""
    waiting = Interruption.objects.filter(state=State.QUEUED).order_by("created_at").values_list("pk", flat=True)
    return {pk: place for place, pk in enumerate(waiting[:PLACES_TOLD], start=1)}


def positions_of(questions: Iterable[Interruption]) -> dict:
    """Return {interruption id: estimated place from 1, `PLACES_TOLD` for all behind that} of those that wait; if none
    does, no database is asked."""
    waiting = [row.pk for row in questions if row.state == State.QUEUED]
    return arrivals.read_places(waiting, furthest=PLACES_TOLD) if waiting else {}


def session_restored(reading_session: ReadingSession) -> messages.SessionRestored:
    """Return the whole state of a reading session. Its text, enrollment and class must be loaded already.

    Two queries: the questions, the class's last words; a third for the places of those that wait. The counters are
    those of the row as it was loaded, before these, so a change in between is repeated to the page, never lost.
    """
    interruptions = arrivals.read_questions(reading_session.pk, others=RECENT_INTERRUPTIONS)
    positions = positions_of(interruptions)
    classroom, text = reading_session.enrollment.classroom, reading_session.text
    return messages.SessionRestored(
        restored=reading_session.connected_at is not None,
        session=messages.SessionView(
            id=reading_session.pk, nickname=reading_session.enrollment.nickname,
            active_seconds=reading_session.active_seconds),
        text=text_view(text),
        word_index=reading_session.word_index, furthest_word_index=reading_session.furthest_word_index,
        rev=reading_session.rev, status=reading_session.status,
        preferences=messages.Preferences(**reading_session.preferences),
        interruptions=[interruption_view(row, position=positions.get(row.pk))
                       for row in sorted(interruptions, key=lambda row: (row.created_at, row.pk))],
        classroom=messages.ClassroomView(
            id=classroom.pk, name=classroom.name, paused=classroom.paused, ai_enabled=classroom.ai_enabled,
            focus=focus_view(classroom), broadcasts=_broadcasts(classroom)),
        version=reading_session.version, class_version=classroom.version,
        heartbeat_seconds=settings.DURATIONS.heartbeat)


def student_view(enrollment: Enrollment, reading_session: ReadingSession | None, *,
                 open_questions: int, last_question: str | None) -> messages.StudentView:
    """Return a student's row of the dashboard from the session that changed last."""
    if reading_session is None:
        return messages.StudentView(enrollment_id=enrollment.pk, nickname=enrollment.nickname)
    text = reading_session.text
    return messages.StudentView(
        enrollment_id=enrollment.pk, nickname=enrollment.nickname, session_id=reading_session.pk, text_id=text.pk,
        word_index=reading_session.word_index, furthest_word_index=reading_session.furthest_word_index,
        words=text.word_count, page=page_of(text.page_starts, reading_session.word_index),
        status="asking" if open_questions else reading_session.status if reading_session.connected_at else "new",
        last_question=last_question, last_seen=seconds(reading_session.last_seen))


def student_views(classroom_id: int, *, enrollment_ids: set[int] | None = None) -> list[messages.StudentView]:
    """Return the rows of a class's students, or of some of them; three queries however many there are."""
    enrollments = Enrollment.objects.filter(classroom_id=classroom_id, removed_at=None)
    if enrollment_ids is not None:
        enrollments = enrollments.filter(pk__in=enrollment_ids)
    sessions: dict[int, ReadingSession] = {}
    for reading_session in (ReadingSession.objects.filter(enrollment__in=enrollments.values("pk"))
                            .select_related("text").order_by("changed_at")):
        sessions[reading_session.enrollment_id] = reading_session
    open_questions: dict[int, int] = {}
    last_question: dict[int, str] = {}
    asked = Interruption.objects.filter(classroom_id=classroom_id)  # by the class: its index has them in this order
    if enrollment_ids is not None:
        asked = asked.filter(enrollment_id__in=enrollment_ids)
    newest = asked.order_by("-created_at").values_list("enrollment_id", "state", "question_text")[:500]
    for enrollment_id, state, question in newest:
        last_question.setdefault(enrollment_id, question)
        if state in Interruption.OPEN:
            open_questions[enrollment_id] = open_questions.get(enrollment_id, 0) + 1
    return [student_view(enrollment, sessions.get(enrollment.pk), open_questions=open_questions.get(enrollment.pk, 0),
                         last_question=last_question.get(enrollment.pk)) for enrollment in enrollments]


def paragraph_counts(classroom_id: int) -> list[messages.ParagraphCount]:
    """Return how many questions each paragraph of each text of the class has had."""
    counted = Interruption.objects.values_list("text_id", "paragraph").annotate(count=Count("*"))
    # All, less those of students who were removed: looking up whose each is takes ten times as long at 50,000 questions.
    gone = counted.filter(enrollment__in=Enrollment.objects.filter(classroom_id=classroom_id, removed_at__isnull=False))
    less = {(text_id, paragraph): count for text_id, paragraph, count in gone}
    return [messages.ParagraphCount(text_id=text_id, paragraph=paragraph, questions=left)
            for text_id, paragraph, count in counted.filter(classroom_id=classroom_id).order_by("text_id", "paragraph")
            if (left := count - less.get((text_id, paragraph), 0))]


def classroom_state(classroom: Classroom) -> messages.ClassroomState:
    """Return the whole state of a class for its dashboard; the last 50 questions, newest first, and flagged ones."""
    rows = (classroom.interruptions.filter(enrollment__removed_at=None).select_related("enrollment")
            .order_by("-created_at"))
    interruptions = list(rows[:RECENT_ROOM_INTERRUPTIONS])
    if len(interruptions) == RECENT_ROOM_INTERRUPTIONS:  # there may be older ones, and a flagged one must be seen
        older = rows.filter(created_at__lt=interruptions[-1].created_at)
        interruptions += older.exclude(flag="").filter(created_at__gt=timezone.now() - FLAGGED_STAYS)
    return messages.ClassroomState(
        id=classroom.pk, name=classroom.name, paused=classroom.paused, ai_enabled=classroom.ai_enabled,
        focus=focus_view(classroom), texts=[room_text_view(text) for text in classroom.texts.all()],
        students=student_views(classroom.pk),
        interruptions=[room_interruption(row) for row in interruptions],
        paragraph_counts=paragraph_counts(classroom.pk), broadcasts=_broadcasts(classroom),
        tutor_running=engines.is_running(),
        class_version=classroom.version, heartbeat_seconds=settings.DURATIONS.heartbeat)
