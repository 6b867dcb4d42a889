"""Once a second, for all sockets of this process together: one query instead of one for each.

Answers waiting PINGs with the database's counters, writes presence, closes what must be closed, keeps
dashboards true and tells queue places. Consumers register here; nothing waits for it.
"""

import asyncio
import heapq
import itertools
import logging
import math
import time
import weakref
from uuid import UUID

from django.conf import settings

from sessions import messages, metrics
from sessions.loops import PerLoop
from sessions.services import engines, presence, snapshots
from sessions.writes import writer

logger = logging.getLogger(__name__)

ONLY_IF_BEHIND = object()


class Activity:
    """When a student last did something on any of their sockets here, in monotonic seconds; those share it."""

    __slots__ = ("at", "__weakref__")

    def __init__(self):
        self.at = time.monotonic()


class Pulse:
    """The pulse of one event loop; `run` until cancelled."""

    def __init__(self):
        self.readers: set = set()
        self.rooms: set = set()
        self.flooded: dict[str, float] = {}  # log-in (its key's hash) -> until when it opens no socket (monotonic seconds)
        self.sending: set = set()  # sockets with a frame on its way to a peer that has not taken it
        self.waiting: set = set()  # readers with questions in the queue
        # (monotonic seconds, number, socket): when something can be due for each, the next first. To look at each of
        # 10,000 every second was 1 % of a core.
        self._looks: list[tuple[float, int, weakref.ref]] = []
        self._numbers = itertools.count()
        self._opened: list[presence.Opened] = []
        self._seen: set[UUID] = set()
        self._active: set[UUID] = set()
        # User -> activity; gone with the user's last socket.
        self._activities: weakref.WeakValueDictionary[int, Activity] = weakref.WeakValueDictionary()
        self._look_for_away_at = 0.0  # monotonic seconds
        self._pings: list[tuple] = []  # (consumer, id of the PING or ONLY_IF_BEHIND)
        self._told: dict[tuple, object] = {}  # what dashboards were told, so that a healing query repeats nothing
        self._tell_again: set[int] = set()  # classes with a dashboard whose snapshot may be older than what was told
        self._heat_told: dict[int, float] = {}  # classroom -> when its counts went out (monotonic seconds)
        self._heat_due: set[int] = set()
        # When evictions and changes were last read (monotonic seconds): a process that was stopped, or had no database
        # for a while, must not take what happened meanwhile for old.
        self._evictions_read_at = self._changes_read_at = time.monotonic()

    # What consumers say

    def opened(self, reader, *, restored: bool) -> None:
        reader.activity = self._activities.setdefault(reader.access.user.pk, Activity())
        self.readers.add(reader)
        self._look(reader, at=0)
        self._opened.append(presence.Opened(reader.reading_session_id, restored))
        metrics.RETURNED.inc(restored)

    def watch(self, room) -> None:
        """Keep a dashboard true from its snapshot on: what changed while that was read is told once more."""
        if room not in self.rooms:  # it watches once more after each snapshot
            self.rooms.add(room)
            self._look(room, at=0)
        self._tell_again.add(room.classroom_id)

    def closed(self, consumer) -> None:
        for consumers in (self.readers, self.rooms, self.sending, self.waiting):
            consumers.discard(consumer)

    def heard(self, reader, *, activity: bool) -> None:
        self._seen.add(reader.reading_session_id)
        if activity:
            reader.activity.at = time.monotonic()
            self._active.add(reader.reading_session_id)

    def flooding(self, key_hash: str) -> None:
        """Let a log-in wait that has flooded: to come back at once would give it a new burst, and cost an arrival."""
        now = time.monotonic()
        self.flooded = {log_in: until for log_in, until in self.flooded.items() if until > now}
        self.flooded[key_hash] = now + settings.DURATIONS.after_flooding

    def look_at_all(self) -> None:
        """Let the next beat look at every socket, due or not."""
        self._looks = [(0.0, number, socket) for _, number, socket in self._looks]

    def ping(self, consumer, message_id: UUID | None) -> None:
        self._pings.append((consumer, message_id))

    def check(self, consumer) -> None:
        """Compare the counters once more and say so only if the page is already behind its snapshot."""
        self._pings.append((consumer, ONLY_IF_BEHIND))

    # What happens each second

    async def run(self) -> None:
        while True:
            await asyncio.sleep(settings.DURATIONS.pulse)
            for beat in (self._evict, self._record_presence, self._answer_pings, self._tell_rooms, self._tell_of_tutor,
                         self._tell_places):
                try:
                    await beat()
                except Exception:
                    logger.exception("A pulse failed; the next one follows.")

    async def flush(self) -> None:
        """Write the presence that is still in memory."""
        await self._record_presence()

    async def _record_presence(self) -> None:
        # With nothing to write down it only looks for readers who went away, which takes minutes.
        now = time.monotonic()
        if not (self._opened or self._seen or self._active) and now < self._look_for_away_at:
            return
        self._look_for_away_at = now + settings.DURATIONS.away / 60
        opened, self._opened = self._opened, []
        seen, self._seen = self._seen, set()
        active, self._active = self._active, set()
        try:
            await writer().run(presence.record, opened=opened, seen=seen, active=active)
        except Exception:
            self._opened, self._seen, self._active = opened + self._opened, seen | self._seen, active | self._active
            raise

    async def _answer_pings(self) -> None:
        pings, self._pings = self._pings, []
        pings = [(consumer, id) for consumer, id in pings if consumer in self.readers or consumer in self.rooms]
        rooms = {consumer for consumer, _ in pings if consumer in self.rooms}  # one may close while the database is asked
        sessions = {consumer.reading_session_id for consumer, _ in pings if consumer not in rooms}
        classes = {consumer.classroom_id for consumer in rooms}
        if not pings:
            return
        session_versions = await writer().run(presence.session_versions, sessions) if sessions else {}
        class_versions = await writer().run(presence.class_versions, classes) if classes else {}
        for consumer, message_id in pings:
            if consumer in rooms:
                version, class_version = None, class_versions.get(consumer.classroom_id)
            else:
                version, class_version = session_versions.get(consumer.reading_session_id, (None, None))
            if message_id is ONLY_IF_BEHIND:
                if consumer.is_behind(version, class_version):
                    consumer.offer(messages.Pong(version=version, class_version=class_version).encode())
                continue
            consumer.offer(messages.Pong(version=version, class_version=class_version).encode(in_reply_to=message_id))

    async def _evict(self) -> None:
        now = time.monotonic()
        for consumer in self._due(now):
            if code := consumer.overdue(now):
                consumer.end_soon(code)
        for consumer in list(self.sending):
            consumer.end_if_stuck(now)
        if not (self.readers or self.rooms):
            self._evictions_read_at = now  # nobody is here whom one could concern
            return
        evictions = await writer().run(presence.evictions, unread=now - self._evictions_read_at)
        self._evictions_read_at = now
        if not evictions:
            return
        for consumer in [*self.readers, *self.rooms]:
            for eviction in evictions:
                if consumer.is_evicted_by(eviction):
                    consumer.end_soon(eviction.code)
                    break

    def _look(self, consumer, *, at: float) -> None:
        heapq.heappush(self._looks, (at, next(self._numbers), weakref.ref(consumer)))

    def _due(self, now: float) -> list:
        """Return the sockets for which something may be due, and note when to look at each again."""
        due = []
        while self._looks and self._looks[0][0] <= now:
            consumer = heapq.heappop(self._looks)[2]()
            if consumer is not None and not consumer.ended:
                due.append(consumer)
        for consumer in due:
            self._look(consumer, at=consumer.next_due())
        return due

    async def _tell_rooms(self) -> None:
        watched = {room.classroom_id for room in self.rooms}
        if not watched:
            self._told.clear()
            self._changes_read_at = time.monotonic()
            return
        again, self._tell_again = self._tell_again, set()
        self._told = {key: value for key, value in self._told.items() if key[0] not in again}
        now = time.monotonic()
        unread = now - self._changes_read_at
        changes = await writer().run(presence.changes, watched, unread=unread)
        joined, removed = await writer().run(presence.roster_changes, watched, unread=unread)
        self._changes_read_at = now
        fresh: dict[tuple, object] = {}
        for classroom_id in watched:
            frames = []
            enrollments = {enrollment for pk, changed_at, enrollment in changes.students.get(classroom_id, ())
                           if self._is_news(fresh, (classroom_id, pk), changed_at)}
            rows = [row for row in changes.interruptions.get(classroom_id, ())
                    if self._is_news(fresh, (classroom_id, row.pk), row.changed_at)]
            enrollments |= {row.enrollment_id for row in rows}
            enrollments |= {pk for pk in joined.get(classroom_id, ())
                            if self._is_news(fresh, (classroom_id, "joined", pk), True)}
            gone = [pk for pk in removed.get(classroom_id, ()) if self._is_news(fresh, (classroom_id, "gone", pk), True)]
            if enrollments:
                students = await writer().run(snapshots.student_views, classroom_id, enrollment_ids=enrollments)
                frames.append(messages.StudentProgress(students=students).encode())
            if gone:
                frames.append(messages.StudentPresence(students=[], removed=gone).encode())
            frames += [presence.room_message(row).encode() for row in rows]
            if rows or gone:
                self._heat_due.add(classroom_id)
            frames += await self._heat(classroom_id)
            if not frames:
                continue
            for room in [room for room in self.rooms if room.classroom_id == classroom_id]:
                room.offer(*frames)
        self._told = fresh

    def _is_news(self, fresh: dict, key: tuple, value: object) -> bool:
        """True when dashboards have not been told this state of a row; remembers it for the next second."""
        fresh[key] = value
        return self._told.get(key) != value

    async def _heat(self, classroom_id: int) -> list[str]:
        """Return the counts per paragraph if they changed, at most once in `DURATIONS.heatmap`."""
        now = time.monotonic()
        if classroom_id not in self._heat_due or (
                now - self._heat_told.get(classroom_id, -math.inf) < settings.DURATIONS.heatmap):
            return []
        self._heat_due.discard(classroom_id)
        self._heat_told[classroom_id] = now
        counts = await writer().run(snapshots.paragraph_counts, classroom_id)
        return [messages.HeatmapUpdated(paragraph_counts=counts).encode()]

    async def _tell_of_tutor(self) -> None:
        """Tell dashboards that the last engine is gone, or that one is there again."""
        if not self.rooms:
            return
        running = await writer().run(engines.is_running)
        for room in [room for room in self.rooms if room.tutor_running != running]:
            room.tutor_running = running
            room.offer(messages.TutorStatus(running=running).encode())

    async def _tell_places(self) -> None:
        if not self.waiting:
            return
        positions = await writer().run(snapshots.queue_positions)
        for reader in list(self.waiting):
            for interruption_id, told in list(reader.places.items()):
                position = positions.get(interruption_id)
                if position is None:
                    if len(positions) == snapshots.PLACES_TOLD:
                        continue  # it may be further back
                    del reader.places[interruption_id]
                elif position != told:
                    reader.places[interruption_id] = position
                    reader.offer(messages.QueuePosition(
                        interruption_id=interruption_id, queue_position=position,
                        processing_estimate=snapshots.estimate(position)).encode())
            if not reader.places:
                self.waiting.discard(reader)


_pulses = PerLoop(Pulse)


def pulse() -> Pulse:
    """Return the running event loop's pulse."""
    return _pulses.get()
