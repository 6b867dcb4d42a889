"""What a student asks: recorded before it is acknowledged, cancelled, looked back upon."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from sessions import errors, events, messages, statements
from sessions.models import Interruption, ReadingSession, time_ordered_id
from sessions.services import help_card, snapshots, texts
from sessions.services.reading import reply_of
from sessions.statements import LockedSession
from sessions.writes import Batch, ReceiptKey, Reply, Write

# What is kept of a question beside its words and place, for the tutor's prompt.
CONTEXT_FIELDS = ("current_sentence", "surrounding_text", "audio_timestamp")
QUESTION_FIELDS = ("interruption_type", "student_thought", "help_level")


def interruption_of(reading_session: ReadingSession, interruption_id: UUID) -> Interruption:
    """Return a question of a session that was looked up for its user; NotFound for any other, present or absent."""
    try:
        return reading_session.interruptions.get(pk=interruption_id)
    except Interruption.DoesNotExist:
        raise errors.NotFound() from None


def interruption(reading_session_id: UUID, payload: messages.StudentInterruption, *, receipt: ReceiptKey,
                 sender: str = "") -> Write:
    """Return the write that queues a question; its reply is the acknowledgement, so it is stored by then.

    Refuses with InvalidPosition, StaleText or RateLimited.
    """

    def apply(reading_session: LockedSession, batch: Batch) -> Reply:
        context = payload.context
        word_index = context.current_word_index if context else reading_session.word_index
        texts.check_place(reading_session.text, word_index, context.revision if context else None)
        flag = _spend(reading_session, batch, payload)
        kept = {name: value for part, names in ((context, CONTEXT_FIELDS), (payload, QUESTION_FIELDS)) if part
                for name in names if (value := getattr(part, name)) is not None}
        # Questions of one commit keep their order: who asked first is answered first, and lists stay as they were.
        asked_at = batch.now + timedelta(microseconds=len(batch.interruptions))
        row = statements.NewInterruption(
            id=time_ordered_id(), reading_session_id=reading_session.pk, enrollment_id=reading_session.enrollment_id,
            classroom_id=reading_session.classroom_id, text_id=reading_session.text.pk, word_index=word_index,
            paragraph=texts.outline(reading_session.text).paragraph_at(word_index),
            question_text=payload.question_text, context=kept, flag=flag, created_at=asked_at, changed_at=asked_at,
            message_id=receipt.message_id)
        batch.interruptions.append(row)
        position = 0 if flag else _next_position(batch)
        version = batch.next_version(reading_session)
        acknowledged = messages.InterruptionAcknowledged(
            interruption_id=row.pk, question_text=row.question_text, asked_at=snapshots.seconds(asked_at),
            word_index=word_index, paused_at_word_index=word_index, paragraph=row.paragraph, queue_position=position,
            processing_estimate=snapshots.estimate(position))
        reply = reply_of(acknowledged, version=version)
        session_group, room_group = events.session_group(reading_session.pk), events.room_group(row.classroom_id)
        batch.push(session_group, lambda: reply.encode(in_reply_to=receipt.message_id), exclude=sender)
        if flag:
            help_card.answer(row, now=asked_at)
            batch.push(session_group, snapshots.outcome(row).encode(version=batch.next_version(reading_session)))
            told = messages.InterruptionAnswered
        else:
            batch.wakes_tutor = True
            told = messages.InterruptionOpened
        batch.push(room_group, lambda: told(
            interruption=snapshots.room_interruption(row, nickname=reading_session.nickname)).encode())
        return reply

    return Write(reading_session_id, apply, receipt)


def _spend(reading_session: LockedSession, batch: Batch, payload: messages.StudentInterruption) -> str:
    """Count this question against the student's minute, over all their texts, and return its flag; raise RateLimited.

    One query counts for every student of the batch; the lock on the session keeps two batches apart. A cry for help is
    taken even from someone who asked too much: the first of the minute, so that it cannot be used to flood the room.
    """
    since = batch.now - timedelta(minutes=1)
    spent: dict[int, int] | None = batch.memo.get("spent")
    if spent is None:
        spent = batch.memo["spent"] = statements.asked_since(
            {session.enrollment_id for session in batch.reading_sessions.values()}, since)
    asked = spent.get(reading_session.enrollment_id, 0)
    is_beyond = asked >= settings.LIMITS.questions_per_minute
    # Looking for a cry takes longer than all else here: whoever had theirs is not read any further.
    if is_beyond and _has_cried(reading_session.enrollment_id, batch, since):
        raise errors.RateLimited()
    flag = help_card.flag_of(payload, reading_session.text)
    if is_beyond and not flag:
        raise errors.RateLimited()
    spent[reading_session.enrollment_id] = asked + 1
    return flag


def _has_cried(enrollment_id: int, batch: Batch, since: datetime) -> bool:
    """True when one of the student's questions is flagged, stored ones and those of this batch."""
    known: dict[int, bool] = batch.memo.setdefault("cried", {})
    if enrollment_id not in known:
        known[enrollment_id] = statements.is_flagged_since(enrollment_id, since)
    return known[enrollment_id] or any(row.flag and row.enrollment_id == enrollment_id for row in batch.interruptions)


def _next_position(batch: Batch) -> int:
    """Return this question's estimated place in the queue, from 1; the furthest that is told for all behind it."""
    waiting = batch.memo.get("waiting")
    if waiting is None:
        waiting = statements.count_waiting(most=snapshots.PLACES_TOLD)
    batch.memo["waiting"] = waiting + 1
    return min(waiting + 1, snapshots.PLACES_TOLD)


def cancellation(reading_session_id: UUID, payload: messages.CancelInterruption, *, receipt: ReceiptKey,
                 sender: str = "") -> Write:
    """Return the write that ends an open question as cancelled; a finished one answers with what it came to."""

    def apply(reading_session: LockedSession, batch: Batch) -> Reply:
        row = Interruption.objects.select_for_update(of=("self",)).select_related("enrollment").filter(
            pk=payload.interruption_id, reading_session=reading_session.pk).first()
        if row is None:
            raise errors.NotFound()
        if row.state not in Interruption.OPEN:
            return reply_of(snapshots.outcome(row))
        row.state = Interruption.State.CANCELLED
        row.error_code = "cancelled"
        row.lease_token = row.lease_until = None
        row.changed_at = row.finished_at = batch.now
        row.save(update_fields=["state", "error_code", "lease_token", "lease_until", "changed_at", "finished_at"])
        version = batch.next_version(reading_session)
        cancelled = snapshots.outcome(row)
        batch.push(events.session_group(reading_session.pk), cancelled.encode(version=version), exclude=sender)
        batch.push(events.room_group(row.classroom_id), messages.InterruptionFailed(
            interruption=snapshots.room_interruption(row)).encode())
        return reply_of(cancelled, version=version)

    return Write(reading_session_id, apply, receipt, interruption_id=payload.interruption_id)


def resumption(reading_session_id: UUID, payload: messages.ResumeReading) -> Write:
    """Return the write that notes what the reader thought of an answer; the reply says where reading goes on."""

    def apply(reading_session: LockedSession, batch: Batch) -> Reply:
        if payload.interruption_id is not None:
            row = Interruption.objects.select_for_update(of=("self",)).select_related("enrollment").filter(
                pk=payload.interruption_id, reading_session=reading_session.pk).first()
            if row is None:
                raise errors.NotFound()
            _judge(row, payload.model_dump(include={"understood", "helpful"}, exclude_none=True), reading_session, batch)
        return reply_of(messages.ResumeAudio(
            reason="resume", from_word_index=reading_session.word_index,
            playback_rate=reading_session.preferences.get("playbackRate")))

    return Write(reading_session_id, apply, interruption_id=payload.interruption_id)


def _judge(row: Interruption, judged: dict[str, bool], reading_session: LockedSession, batch: Batch) -> None:
    """Keep what the reader says of an answer and tell it to all the reader's pages; saying it again changes nothing."""
    if all(getattr(row, name) == value for name, value in judged.items()):
        return
    for name, value in judged.items():
        setattr(row, name, value)
    row.changed_at = batch.now
    row.save(update_fields=[*judged, "changed_at"])
    if row.state == Interruption.State.ANSWERED:
        version = batch.next_version(reading_session)
        batch.push(events.session_group(reading_session.pk), snapshots.outcome(row).encode(version=version))
        batch.push(events.room_group(row.classroom_id), messages.InterruptionAnswered(
            interruption=snapshots.room_interruption(row)).encode())
