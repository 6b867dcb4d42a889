"""Starting, moving and furnishing a reading session."""

from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet

from classrooms.models import Enrollment, Text, User
from sessions import errors, events, messages
from sessions.models import ReadingSession
from sessions.services import texts
from sessions.statements import LockedSession
from sessions.writes import Batch, Reply, Write, transaction

MOST_ACTIVE_SECONDS = 365 * 24 * 3600  # a client that lies cannot overflow the column


def reading_sessions_for_user(user: User) -> QuerySet[ReadingSession]:
    """Return the student's own sessions in a class that goes on and that they are in, with their texts and class."""
    return ReadingSession.objects.select_related("enrollment__classroom", "text").filter(
        enrollment__user=user, enrollment__removed_at=None, enrollment__classroom__archived_at=None)


def reading_session_for_user(user: User, reading_session_id: UUID) -> ReadingSession:
    """Return the student's own session with its text and class; NotFound for any other, present or absent."""
    try:
        return reading_sessions_for_user(user).get(pk=reading_session_id)
    except ReadingSession.DoesNotExist:
        raise errors.NotFound() from None


def start_reading(enrollment: Enrollment, *, text_id: int) -> ReadingSession:
    """Return the student's one session of a text of their class, made at the first call."""
    try:
        text = enrollment.classroom.texts.get(pk=text_id)
    except Text.DoesNotExist:
        raise errors.NotFound() from None
    try:
        with transaction():
            reading_session, _ = ReadingSession.objects.get_or_create(
                enrollment=enrollment, text=text, defaults={"preferences": _latest_preferences(enrollment)})
    except IntegrityError:  # its owner deleted it in this moment
        raise errors.NotFound() from None
    return reading_session


def _latest_preferences(enrollment: Enrollment) -> dict:
    """A new book opens in the letters the reader chose for the last one."""
    latest = enrollment.reading_sessions.order_by("-changed_at").first()
    return latest.preferences if latest else {}


def progress(reading_session_id: UUID, payload: messages.ReadingProgress, *, sender: str = "") -> Write:
    """Return the write that moves the reader. An older `rev` changes nothing and is told what is stored."""

    def apply(reading_session: LockedSession, batch: Batch) -> Reply:
        texts.check_place(reading_session.text, payload.word_index, payload.revision)
        stale = payload.rev <= reading_session.rev
        if not stale:
            _move(reading_session, payload.word_index, rev=payload.rev)
        if payload.active_seconds:
            reading_session.active_seconds = min(
                MOST_ACTIVE_SECONDS, reading_session.active_seconds + round(payload.active_seconds))
        batch.changed.add(reading_session.pk)
        saved = messages.ProgressSaved(
            rev=reading_session.rev, word_index=reading_session.word_index,
            furthest_word_index=reading_session.furthest_word_index, stale=stale or None)
        if not stale:
            batch.push(events.session_group(reading_session.pk), saved.encode, exclude=sender)
        return reply_of(saved)

    return Write(reading_session_id, apply)


def save_progress(reading_session: ReadingSession, *, word_index: int, revision: int | None = None) -> None:
    """Move the reader from a form, for a page without JavaScript: `rev` becomes stored + 1.

    Raises StaleText, InvalidPosition.
    """
    with transaction():
        # Its text is read after the lock, as it is now.
        locked = ReadingSession.objects.select_for_update(no_key=True).get(pk=reading_session.pk)
        texts.check_place(locked.text, word_index, revision)
        _move(locked, word_index, rev=locked.rev + 1)
        locked.save(update_fields=["word_index", "furthest_word_index", "rev", "status", "changed_at"])
        saved = messages.ProgressSaved(
            rev=locked.rev, word_index=locked.word_index, furthest_word_index=locked.furthest_word_index)
        events.announce({events.session_group(locked.pk): saved.encode()})


def _move(reading_session: ReadingSession | LockedSession, word_index: int, *, rev: int) -> None:
    reading_session.word_index = word_index
    reading_session.furthest_word_index = max(reading_session.furthest_word_index, word_index)
    reading_session.rev = rev
    on_last_page = texts.end_of_page(reading_session.text, word_index) == reading_session.text.word_count
    finished = reading_session.status == ReadingSession.Status.FINISHED or (
        on_last_page and reading_session.text.page_count > 1) or word_index == reading_session.text.word_count - 1
    reading_session.status = ReadingSession.Status.FINISHED if finished else ReadingSession.Status.READING


def preferences(reading_session_id: UUID, payload: messages.SetPreferences, *, receipt, sender: str = "") -> Write:
    """Return the write that keeps the preferences that were sent; the others stay."""

    def apply(reading_session: LockedSession, batch: Batch) -> Reply:
        chosen = payload.model_dump(mode="json", by_alias=True, exclude_unset=True)
        merged = reading_session.preferences | chosen
        reading_session.preferences = {name: value for name, value in merged.items() if value is not None}
        version = batch.next_version(reading_session)
        saved = messages.PreferencesSaved(preferences=messages.Preferences(**reading_session.preferences))
        reply = reply_of(saved, version=version)
        batch.push(events.session_group(reading_session.pk), reply.encode, exclude=sender)
        return reply

    return Write(reading_session_id, apply, receipt)


def place_of(reading_session_id: UUID) -> int:
    """Return the stored word index, the one that reading resumes from."""
    return ReadingSession.objects.values_list("word_index", flat=True).get(pk=reading_session_id)


def reply_of(message: messages.ServerMessage, *, version: int | None = None) -> Reply:
    """Return a message as what a receipt stores and a socket is answered."""
    return Reply(message.type, message.model_dump(mode="json", by_alias=True, exclude_none=True), version)
