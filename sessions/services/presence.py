"""What one process asks and writes once a second for all its sockets together."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from classrooms import database
from classrooms.models import Classroom, Enrollment
from sessions import arrivals, messages, statements
from sessions.models import ConnectionLog, Eviction, Interruption, ReadingSession
from sessions.services import snapshots
from sessions.writes import transaction

Status = ReadingSession.Status


@dataclass(frozen=True, slots=True)
class Opened:
    """A socket that opened on a reading session; `restored` is False on the first ever."""

    reading_session_id: UUID
    restored: bool


def record(*, opened: Iterable[Opened], seen: set[UUID], active: set[UUID]) -> None:
    """Note signs of life, and readers without any for so long as away. One commit, a statement for each kind."""
    opened = list(opened)
    with transaction():
        now = database.now()
        rows = ReadingSession.objects.all()
        # A session deleted meanwhile must not take the others' presence with it.
        arrived = set(rows.filter(pk__in={socket.reading_session_id for socket in opened}).values_list("pk", flat=True))
        ConnectionLog.objects.bulk_create(
            ConnectionLog(reading_session_id=socket.reading_session_id, opened_at=now, restored=socket.restored)
            for socket in opened if socket.reading_session_id in arrived)
        if arrived:
            _update(rows, arrived, connected_at=now, last_seen=now, changed_at=now)
        statements.note_seen(seen - arrived, now=now)
        statements.note_active(active, now=now)
        statements.note_back(seen | active | arrived, now=now)
        rows.filter(status=Status.READING, last_seen__lt=now - timedelta(seconds=settings.DURATIONS.away)).update(
            status=Status.AWAY, changed_at=now)


def _update(rows, ids: set[UUID], **values) -> None:
    """Update by ids, some thousand a statement: SQLite takes a bounded number of parameters."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), 5_000):
        rows.filter(pk__in=ordered[start:start + 5_000]).update(**values)


def session_versions(ids: Iterable[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return {reading session: (version, its class's version)}."""
    return statements.read_versions(ids)


def class_versions(ids: Iterable[int]) -> dict[int, int]:
    return dict(Classroom.objects.filter(pk__in=list(ids)).values_list("pk", "version"))


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows of watched classes that changed within the healing window, each with the moment it did."""

    students: dict[int, list[tuple[UUID, datetime, int]]]  # classroom -> (session, changed_at, enrollment)
    interruptions: dict[int, list[Interruption]]


def changes(classroom_ids: set[int], *, unread: float = 0.0) -> Changes:
    """Return what changed lately in classes that someone watches: two queries, however many classes.

    `unread` is how many seconds ago this was last asked.
    """
    since = database.now() - timedelta(seconds=settings.DURATIONS.healing + unread)
    students: dict[int, list] = {}
    for pk, changed_at, enrollment_id, classroom_id in (
            ReadingSession.objects.filter(changed_at__gt=since, enrollment__classroom_id__in=classroom_ids)
            .values_list("pk", "changed_at", "enrollment_id", "enrollment__classroom_id")):
        students.setdefault(classroom_id, []).append((pk, changed_at, enrollment_id))
    interruptions: dict[int, list] = {}
    for row in (Interruption.objects.filter(
            classroom_id__in=classroom_ids, changed_at__gt=since, enrollment__removed_at=None)
                .select_related("enrollment").order_by("changed_at")):
        interruptions.setdefault(row.classroom_id, []).append(row)
    return Changes(students, interruptions)


def roster_changes(
        classroom_ids: set[int], *, unread: float = 0.0) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Return the enrollments made and those removed within the healing window, each as {class: enrollments}."""
    since = database.now() - timedelta(seconds=settings.DURATIONS.healing + unread)
    joined: dict[int, list[int]] = {}
    removed: dict[int, list[int]] = {}
    rows = Enrollment.objects.filter(
        Q(removed_at__gt=since) | Q(removed_at=None, created_at__gt=since), classroom_id__in=classroom_ids)
    for pk, classroom_id, removed_at in rows.values_list("pk", "classroom_id", "removed_at"):
        (removed if removed_at else joined).setdefault(classroom_id, []).append(pk)
    return joined, removed


def room_message(row: Interruption) -> messages.ServerMessage:
    """Return the message that tells a dashboard the present state of a question."""
    view = snapshots.room_interruption(row)
    if row.state in Interruption.OPEN:
        return messages.InterruptionOpened(interruption=view)
    if row.state == Interruption.State.ANSWERED:
        return messages.InterruptionAnswered(interruption=view)
    return messages.InterruptionFailed(interruption=view)


def evictions(*, unread: float = 0.0) -> list[Eviction]:
    """Return the evictions since ten seconds before they were last read, `unread` seconds ago, in the order they were
    written, with their users as they are now.

    A row seen twice does no harm, and one committed late is still seen.
    """
    since = database.now() - timedelta(seconds=10 + unread)
    if not arrivals.is_anyone_evicted(since):
        return []
    return list(Eviction.objects.filter(created_at__gt=since).select_related("user").order_by("pk"))
