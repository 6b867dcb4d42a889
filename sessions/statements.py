"""The SQL of what happens for many sockets at once: a batch of writes, a second's heartbeats.

Written by hand, because this is the hot path: `python -m tests.load.cpu` measures it, docs/performance.md has the
figure beside the ORM's. `sql` gives it to the database. Nothing here opens a transaction or decides anything.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from uuid import UUID

from django.db import connection

from classrooms.models import Classroom, Text, User
from sessions.models import Broadcast, Interruption, ReadingSession, Receipt
from sessions.sql import Listing, Rows, execute, moment, rows, to_json, uuid_of

LOCK_SESSIONS = "SELECT id FROM reading_sessions_readingsession WHERE id IN ({uuids}) ORDER BY id FOR NO KEY UPDATE"
READ_SESSIONS = Listing("""
    s.id, e.id, e.nickname, e.classroom_id, t.id, t.revision, t.word_count, t.page_starts, s.word_index,
    s.furthest_word_index, s.rev, s.status, s.preferences, s.active_seconds, s.version""", """
    FROM reading_sessions_readingsession s
    JOIN classrooms_enrollment e ON e.id = s.enrollment_id
    JOIN classrooms_classroom c ON c.id = e.classroom_id
    JOIN classrooms_text t ON t.id = s.text_id
    WHERE s.id IN ({uuids}) AND e.removed_at IS NULL AND c.archived_at IS NULL""")
NOTE_SEEN = "UPDATE reading_sessions_readingsession SET last_seen = %s WHERE id IN ({uuids})"
NOTE_ACTIVE = "UPDATE reading_sessions_readingsession SET last_activity = %s WHERE id IN ({uuids})"
NOTE_BACK = """
    UPDATE reading_sessions_readingsession SET status = 'reading', changed_at = %s
    WHERE status = 'away' AND id IN ({uuids})"""
READ_VERSIONS = Listing("s.id, s.version, c.version", """
    FROM reading_sessions_readingsession s
    JOIN classrooms_enrollment e ON e.id = s.enrollment_id
    JOIN classrooms_classroom c ON c.id = e.classroom_id
    WHERE s.id IN ({uuids})""")
READ_RECEIPTS = """
    SELECT reading_session_id, message_id, type, body_hash, reply FROM reading_sessions_receipt
    WHERE (reading_session_id, message_id) IN ({pairs})"""
READ_CLASS = """
    SELECT version, focus_text_id, focus_word_index, paused FROM classrooms_classroom
    WHERE id = %s AND id IN (SELECT classroom_id FROM classrooms_classroom_teachers WHERE user_id = %s)"""
READ_TEACHERS_RECEIPT = """
    SELECT body_hash, reply FROM reading_sessions_receipt WHERE teacher_id = %s AND message_id = {uuid}"""
COUNT_ASKED = Listing("enrollment_id, asked", """
    FROM (SELECT enrollment_id, count(*) AS asked FROM reading_sessions_interruption
          WHERE enrollment_id IN ({keys}) AND created_at > %s GROUP BY enrollment_id) AS counts""")
FIND_FLAGGED = """
    SELECT 1 FROM reading_sessions_interruption WHERE enrollment_id = %s AND created_at > %s AND flag <> '' LIMIT 1"""
COUNT_WAITING = """
    SELECT count(*) FROM (SELECT 1 FROM reading_sessions_interruption WHERE state = 'queued' LIMIT %s) AS waiting"""


@dataclass(slots=True)
class LockedSession:
    """A reading session while its row is locked: what a write may look at and, from `word_index` on, change."""

    pk: UUID
    enrollment_id: int
    nickname: str
    classroom_id: int
    text: Text  # its key, revision, words and pages: nothing else was read
    word_index: int
    furthest_word_index: int
    rev: int
    status: str
    preferences: dict
    active_seconds: int
    version: int


@dataclass(slots=True)
class StoredReceipt:
    """What is kept of a durable message."""

    reading_session_id: UUID
    message_id: UUID
    type: str
    body_hash: bytes
    reply: dict


def lock_sessions(ids: Iterable[UUID]) -> None:
    """Lock reading sessions in the order of their keys. On SQLite the transaction has locked all there is."""
    if connection.features.has_select_for_update:
        rows(LOCK_SESSIONS, to_json([id.hex for id in ids]))


def read_sessions(ids: Iterable[UUID]) -> dict[UUID, LockedSession]:
    """Return those of the sessions whose students may still write.

    Called after the lock: what PostgreSQL joins to a row that it waited for is as old as the wait, and the text may
    have other words since.
    """
    found: dict[UUID, LockedSession] = {}
    texts: dict[int, Text] = {}
    by_hex = {id.hex: id for id in ids}  # as SQLite gives them; to make each anew takes as long as to find it
    for (id, enrollment_id, nickname, classroom_id, text_id, revision, word_count, page_starts, word_index, furthest, rev,
         status, preferences, active_seconds, version) in READ_SESSIONS.rows(to_json(list(by_hex))):
        text = texts.get(text_id)
        if text is None:
            text = texts[text_id] = Text(
                pk=text_id, revision=revision, word_count=word_count, page_starts=json.loads(page_starts))
        id = by_hex.get(id, id)
        found[id] = LockedSession(id, enrollment_id, nickname, classroom_id, text, word_index, furthest, rev, status,
                                  json.loads(preferences), active_seconds, version)
    return found


def store_sessions(sessions: Iterable[LockedSession], *, now: datetime) -> None:
    """Write sessions back, in the order of their keys."""
    SESSIONS.update([
        (row.word_index, row.furthest_word_index, row.rev, row.status, row.preferences, row.active_seconds, row.version,
         now, row.pk) for row in sorted(sessions, key=attrgetter("pk.int"))])


def note_seen(ids: Iterable[UUID], *, now: datetime) -> None:
    """Note a sign of life of these sessions' pages."""
    _note(NOTE_SEEN, ids, now)


def note_active(ids: Iterable[UUID], *, now: datetime) -> None:
    """Note that the readers of these sessions did something."""
    _note(NOTE_ACTIVE, ids, now)


def note_back(ids: Iterable[UUID], *, now: datetime) -> None:
    """Note that those of these readers who were away are so no longer."""
    _note(NOTE_BACK, ids, now)


def read_versions(ids: Iterable[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return {reading session: (its number, its class's number)}."""
    by_hex = {id.hex: id for id in ids}
    return {by_hex.get(id, id): (version, class_version) for id, version, class_version in READ_VERSIONS.rows(
        to_json(list(by_hex)))}


def _note(sql: str, ids: Iterable[UUID], now: datetime) -> None:
    if ids := sorted(id.hex for id in ids):
        execute(sql, moment()(now), to_json(ids))


def read_receipts(keys: Iterable[tuple[UUID, UUID]]) -> list[StoredReceipt]:
    """Return the receipts of those messages, each (reading session, message id), that came before."""
    return [
        StoredReceipt(uuid_of(session_id), uuid_of(message_id), type, bytes(body_hash), json.loads(reply))
        for session_id, message_id, type, body_hash, reply in rows(
            READ_RECEIPTS, to_json([(session_id.hex, message_id.hex) for session_id, message_id in keys]))]


def store_receipts(receipts: Iterable[StoredReceipt], *, now: datetime) -> None:
    """Insert receipts."""
    RECEIPTS.insert([(receipt.reading_session_id, receipt.message_id, receipt.type, receipt.body_hash, receipt.reply, now)
                     for receipt in receipts])


def lock_class(classroom_id: int, *, teacher: User) -> Classroom | None:
    """Lock a class to the commit and return it, with what `store_act` writes; None if the user does not teach it."""
    lock = " FOR NO KEY UPDATE" if connection.features.has_select_for_update else ""
    for version, focus_text_id, focus_word_index, paused in rows(READ_CLASS + lock, classroom_id, teacher.pk):
        return Classroom(pk=classroom_id, version=version, focus_text_id=focus_text_id,
                         focus_word_index=focus_word_index, paused=bool(paused))
    return None


def teachers_receipt(teacher: User, message_id: UUID) -> tuple[bytes, dict] | None:
    """Return (body hash, reply) of a message that came before."""
    for body_hash, reply in rows(READ_TEACHERS_RECEIPT, teacher.pk, message_id.hex):
        return bytes(body_hash), json.loads(reply)
    return None


def store_act(classroom: Classroom, broadcast: Broadcast, receipt: Receipt) -> None:
    """Write what a teacher's act leaves: the class's changed columns and two new rows."""
    CLASSES.update([CLASSES.values_of(classroom)])
    BROADCASTS.insert([BROADCASTS.values_of(broadcast)])
    TEACHERS_RECEIPTS.insert([TEACHERS_RECEIPTS.values_of(receipt)])


class NewInterruption:
    """A question that is about to be stored: the columns of its row as attributes, in their order.

    Not the model, whose constructor asks each of 31 fields for its default and takes 18 µs to do it.
    """

    def __init__(self, **values):
        self.__dict__.update(_defaults())
        self.__dict__.update(values)

    @property
    def pk(self) -> UUID:
        return self.id


def store_interruptions(questions: Iterable[NewInterruption]) -> None:
    """Insert questions, with every column the model has."""
    INTERRUPTIONS.insert([question.__dict__.values() for question in questions])


@lru_cache
def _defaults() -> dict:
    return {field.attname: field.get_default() for field in Interruption._meta.concrete_fields}


def asked_since(enrollment_ids: Iterable[int], since: datetime) -> dict[int, int]:
    """Return {enrollment: questions} for those who asked since then, by the index alone."""
    return dict(COUNT_ASKED.rows(to_json(list(enrollment_ids)), moment()(since)))


def is_flagged_since(enrollment_id: int, since: datetime) -> bool:
    """True when a question that a student asked since then is flagged."""
    return bool(rows(FIND_FLAGGED, enrollment_id, moment()(since)))


def count_waiting(*, most: int) -> int:
    """Return how many questions wait for the tutor, `most` for all that are more."""
    return rows(COUNT_WAITING, most)[0][0]


INTERRUPTIONS = Rows(Interruption)
RECEIPTS = Rows(Receipt, "reading_session", "message_id", "type", "body_hash", "reply", "created_at")
SESSIONS = Rows(ReadingSession, "word_index", "furthest_word_index", "rev", "status", "preferences", "active_seconds",
                "version", "changed_at", "id")
TEACHERS_RECEIPTS = Rows(Receipt, "teacher", "message_id", "type", "body_hash", "reply", "created_at")
BROADCASTS = Rows(Broadcast)
CLASSES = Rows(Classroom, "version", "focus_text", "focus_word_index", "paused", "id")
