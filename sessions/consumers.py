"""The two sockets, one handler a message: a validated message in, one service, one reply.

Students speak to `ReadingSessionConsumer`, teachers to `ClassroomConsumer`; `TutorConsumer` is the channel
on which a worker is woken. Nothing slow happens here.
"""

import logging
from uuid import UUID

from channels.consumer import AsyncConsumer
from channels.layers import get_channel_layer
from django.conf import settings

from sessions import arrivals, background, events, messages
from sessions.services import access, classes, questions, reading, snapshots, texts
from sessions.sockets import NOT_FOUND, REMOVED, Refusal, Socket, receipt_key
from sessions.threads import lookups
from sessions.writes import writer

logger = logging.getLogger(__name__)

MAX_KEY = 2**63 - 1


class ReadingSessionConsumer(Socket):
    """A student's socket on one reading session."""

    known = messages.STUDENT_MESSAGES
    kind = "student"

    reading_session_id: UUID

    async def open(self, session_key):
        """Restore everything; heartbeat, connection log and preferences start with it."""
        self.reading_session_id = self.scope["url_route"]["kwargs"]["reading_session_id"]
        self.places: dict[UUID, int | None] = {}
        layer = get_channel_layer()
        # Join the group before reading state: an event in between is then repeated, not lost.
        await layer.group_add(events.session_group(self.reading_session_id), self.channel_name)
        snapshot = await lookups().run(self._look_up, session_key)
        await layer.group_add(events.class_group(self.classroom_id), self.channel_name)
        await self._send_snapshot(snapshot)
        self.pulse.opened(self, restored=snapshot.restored)
        # The class's group was joined after the snapshot was read, to know the class from the same queries.
        self._versions = snapshot.version, snapshot.class_version
        self.pulse.check(self)

    def _look_up(self, session_key) -> messages.SessionRestored:
        """Return the snapshot; all that opening asks of the database, in one thread hop."""
        if session_key is not None or not hasattr(self, "access"):
            self.access = access.access_by_cookie(session_key)
        found = arrivals.read_session(self.reading_session_id)
        if found is None or found.enrollment.user_id != self.access.user.pk:
            raise Refusal(NOT_FOUND)
        if found.enrollment.removed_at is not None or found.enrollment.classroom.archived_at is not None:
            raise Refusal(REMOVED)
        self.classroom_id = found.enrollment.classroom_id
        self.text = found.text
        return snapshots.session_restored(found)

    async def _send_snapshot(self, snapshot: messages.SessionRestored, to: messages.ClientMessage | None = None):
        self.places = {view.interruption_id: view.queue_position
                       for view in snapshot.interruptions if view.state == "queued"}
        if self.places:
            self.pulse.waiting.add(self)
        await self.send_frame(snapshot.encode(
            in_reply_to=to and to.id, version=snapshot.version, class_version=snapshot.class_version))

    def joined(self):
        groups = []
        if hasattr(self, "reading_session_id"):
            groups.append(events.session_group(self.reading_session_id))
        if self.classroom_id is not None:
            groups.append(events.class_group(self.classroom_id))
        return groups

    def heard(self, message):
        """Note a sign of life; anything but PING and RESTORE is an activity of the student."""
        self.pulse.heard(self, activity=message.type not in self.quiet)

    def logged_in_until(self):
        """As for every socket, and the log-in ends for a student who has been away from all their tabs."""
        return min(super().logged_in_until(), self.activity.at + settings.DURATIONS.session_idle)

    def is_behind(self, version, class_version) -> bool:
        return version is not None and (version, class_version) != self._versions

    async def _submit(self, write, *, to: messages.ClientMessage):
        reply = await writer().submit(write)
        await self.reply_stored(reply, to=to)
        return reply

    async def on_student_interruption(self, message):
        """Called when the student stops reading to ask something. Acknowledged when it is safely stored."""
        reply = await self._submit(questions.interruption(
            self.reading_session_id, message.payload, receipt=receipt_key(message), sender=self.channel_name), to=message)
        logger.info("A question is stored.", extra={
            "question": reply.payload["interruptionId"], "message_id": str(message.id)})
        if not reply.repeated:
            self.places[UUID(reply.payload["interruptionId"])] = reply.payload["queuePosition"]
            self.pulse.waiting.add(self)
            await self.reply(messages.PauseAudio(
                reason="question", at_word_index=reply.payload["pausedAtWordIndex"]), to=message)

    async def on_cancel_interruption(self, message):
        """Called when the student takes a question back."""
        await self._submit(questions.cancellation(
            self.reading_session_id, message.payload, receipt=receipt_key(message), sender=self.channel_name), to=message)

    async def on_resume_reading(self, message):
        """Called when the student goes on, perhaps saying whether an answer helped."""
        await self._submit(questions.resumption(self.reading_session_id, message.payload), to=message)

    async def on_repeat_audio(self, message):
        """Called when the student wants to hear a place again."""
        texts.check_place(self.text, message.payload.from_word_index)
        await self.reply(messages.ResumeAudio(
            reason=message.payload.reason or "review", from_word_index=message.payload.from_word_index), to=message)

    async def on_reading_progress(self, message):
        """Called when the page notices that the reader moved."""
        await self._submit(reading.progress(
            self.reading_session_id, message.payload, sender=self.channel_name), to=message)

    async def on_set_preferences(self, message):
        """Called when the reader changes how the page looks or sounds."""
        await self._submit(reading.preferences(
            self.reading_session_id, message.payload, receipt=receipt_key(message), sender=self.channel_name), to=message)

    async def on_ping(self, message):
        """Called at each heartbeat; the pulse answers all of a second's with one query."""
        self.pulse.ping(self, message.id)

    async def on_restore(self, message):
        """Called when the page finds that it missed something."""
        snapshot = await lookups().run(self._restore)
        await self._send_snapshot(snapshot, to=message)

    def _restore(self) -> messages.SessionRestored:
        found = reading.reading_session_for_user(self.access.user, self.reading_session_id)
        self.text = found.text  # it may have other words by now
        return snapshots.session_restored(found)


class ClassroomConsumer(Socket):
    """A teacher's socket on one class."""

    known = messages.TEACHER_MESSAGES
    kind = "teacher"

    tutor_running: bool  # as this dashboard was told

    async def open(self, session_key):
        """Send the whole state of the class, then every change."""
        classroom_id = self.scope["url_route"]["kwargs"]["classroom_id"]
        if classroom_id > MAX_KEY:  # no class, and hundreds of digits make no group name either
            raise Refusal(NOT_FOUND)
        self.classroom_id = classroom_id
        await get_channel_layer().group_add(events.room_group(self.classroom_id), self.channel_name)
        snapshot = await lookups().run(self._look_up, session_key)
        self.tutor_running = snapshot.tutor_running
        await self.send_frame(snapshot.encode(class_version=snapshot.class_version))
        self.pulse.watch(self)

    def _look_up(self, session_key) -> messages.ClassroomState:
        if session_key is not None or not hasattr(self, "access"):
            self.access = access.access_by_cookie(session_key)
        return self._snapshot()

    def _snapshot(self) -> messages.ClassroomState:
        try:
            return snapshots.classroom_state(classes.classroom_for_user(self.access.user, self.classroom_id))
        except classes.errors.NotFound:
            raise Refusal(NOT_FOUND) from None

    def joined(self):
        return [events.room_group(self.classroom_id)] if self.classroom_id is not None else []

    def is_behind(self, version, class_version) -> bool:
        return False  # its group was joined before its snapshot was read

    async def _tell(self, message, **act):
        reply = await writer().run(
            classes.tell_class, self.access.user, self.classroom_id,
            receipt=receipt_key(message, classroom_id=self.classroom_id), **act)
        await self.reply_stored(reply, to=message)

    async def on_broadcast(self, message):
        """Called when the teacher says something to all."""
        await self._tell(message, kind="announcement", text=message.payload.text)

    async def on_focus(self, message):
        """Called when the teacher points at a place in a text."""
        await self._tell(message, kind="focus", text_id=message.payload.text_id, word_index=message.payload.word_index)

    async def on_pause_class(self, message):
        """Called when the teacher wants everyone's attention."""
        await self._tell(message, kind="pause")

    async def on_resume_class(self, message):
        """Called when reading may go on."""
        await self._tell(message, kind="resume")

    async def on_ping(self, message):
        """Called at each heartbeat."""
        self.pulse.ping(self, message.id)

    async def on_restore(self, message):
        """Called when the page finds that it missed something."""
        snapshot = await lookups().run(self._snapshot)
        self.tutor_running = snapshot.tutor_running
        await self.send_frame(snapshot.encode(in_reply_to=message.id, class_version=snapshot.class_version))
        self.pulse.watch(self)


class TutorConsumer(AsyncConsumer):
    """A worker's end of the channel "tutor". It only wakes: the questions themselves are rows."""

    async def tutor_wake(self, message):
        """Called when a question was stored somewhere."""
        background.wake()
