"""Reading: who is where in which text, what was asked, what was answered, what was said to the class.

The database is the truth and `Interruption` is the tutor's queue. Only `services` and `writes` change these rows.
"""

import bisect
import os
import time
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from classrooms.models import Classroom, Enrollment, Text


def time_ordered_id() -> uuid.UUID:
    """Return a UUID of version 7 (RFC 9562), which begins with the milliseconds since 1970.

    Rows that are stored together, and what refers to the sessions that a class began together, then lie together in
    their indexes, where random keys touch a page for each: a commit of 64 questions writes half as many.
    """
    bits = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    return uuid.UUID(int=bits & ~(0xF000C << 60) | 0x70008 << 60)


class ReadingSession(models.Model):
    """One student's reading of one text.

    `word_index` follows the Lamport counter `rev`; `furthest_word_index` only grows. `version` numbers the
    session's durable messages: it is taken by an UPDATE of this row, so its lock orders them without gaps.
    """

    class Status(models.TextChoices):
        READING = "reading", _("reading")
        AWAY = "away", _("away")
        FINISHED = "finished", _("finished")

    id = models.UUIDField(primary_key=True, default=time_ordered_id, editable=False)
    enrollment = models.ForeignKey(Enrollment, models.CASCADE, related_name="reading_sessions")
    text = models.ForeignKey(Text, models.CASCADE, related_name="reading_sessions")
    word_index = models.PositiveIntegerField(default=0)
    furthest_word_index = models.PositiveIntegerField(default=0)
    rev = models.PositiveBigIntegerField(default=0)
    status = models.CharField(max_length=10, choices=Status, default=Status.READING)
    preferences = models.JSONField(default=dict)
    active_seconds = models.PositiveIntegerField(default=0)
    version = models.PositiveBigIntegerField(default=0)
    connected_at = models.DateTimeField(null=True)  # last time a socket opened; null: never
    last_seen = models.DateTimeField(null=True)  # last sign of life of the page, heartbeats included
    last_activity = models.DateTimeField(null=True)  # last thing the reader did
    changed_at = models.DateTimeField(auto_now=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("reading session")
        verbose_name_plural = _("reading sessions")
        constraints = [models.UniqueConstraint(fields=["enrollment", "text"], name="one_reading_per_text")]
        indexes = [
            models.Index(fields=["changed_at"]),
            models.Index(fields=["last_seen"], condition=Q(status="reading"), name="reading_last_seen"),
        ]

    @property
    def page(self) -> int:
        """The page of the reader's place, counted from 1."""
        return page_of(self.text.page_starts, self.word_index)

    @property
    def percent(self) -> int:
        return percent_read(self.furthest_word_index, self.text.word_count)


def page_of(page_starts: list[int], word_index: int) -> int:
    """Return the page, counted from 1, that holds a word."""
    return max(1, bisect.bisect_right(page_starts, word_index))


def percent_read(furthest_word_index: int, word_count: int) -> int:
    return min(100, round(100 * (furthest_word_index + 1) / word_count)) if furthest_word_index else 0


class Interruption(models.Model):
    """A student's question and its one outcome. A row is a job: claimed under a lease, fenced by its token."""

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        ANSWERING = "answering", _("being answered")
        ANSWERED = "answered", _("answered")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    OPEN = (State.QUEUED, State.ANSWERING)

    id = models.UUIDField(primary_key=True, default=time_ordered_id, editable=False)
    # No index of their own: each of the three begins one below, and every index is paid for by every question.
    reading_session = models.ForeignKey(ReadingSession, models.CASCADE, related_name="interruptions", db_index=False)
    # Known through the session too; here because the queue's fairness and the dashboard ask by them all day.
    enrollment = models.ForeignKey(Enrollment, models.CASCADE, related_name="interruptions", db_index=False)
    classroom = models.ForeignKey(Classroom, models.CASCADE, related_name="interruptions", db_index=False)
    text = models.ForeignKey(Text, models.CASCADE, related_name="interruptions")
    message_id = models.UUIDField(null=True)  # the browser's own id of the question, to follow it through the logs
    paragraph = models.PositiveIntegerField()
    word_index = models.PositiveIntegerField()
    question_text = models.TextField()
    context = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    attempt = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True)  # a retry waits until then
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    deadline = models.DateTimeField(null=True)
    draft_text = models.TextField(blank=True, default="")

    provider = models.CharField(max_length=30, blank=True, default="")
    model = models.CharField(max_length=100, blank=True, default="")
    response_text = models.TextField(blank=True, default="")
    response_type = models.CharField(max_length=20, blank=True, default="")
    citations = models.JSONField(default=list)
    truncated = models.BooleanField(default=False)
    error_code = models.CharField(max_length=20, blank=True, default="")
    fallback = models.JSONField(null=True)
    flag = models.CharField(max_length=20, blank=True, default="")  # why the teacher should look: "self_harm"
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    finished_at = models.DateTimeField(null=True)
    understood = models.BooleanField(null=True)
    helpful = models.BooleanField(null=True)

    class Meta:
        verbose_name = _("interruption")
        verbose_name_plural = _("interruptions")
        indexes = [
            models.Index(fields=["reading_session", "-created_at"]),
            models.Index(fields=["enrollment", "created_at"]),
            models.Index(fields=["classroom", "-created_at"]),
            models.Index(fields=["classroom", "changed_at"]),
            models.Index(fields=["classroom", "text", "paragraph"]),
            # What waits and what is being answered. Not a partial index: SQLite looks at its condition before a
            # statement's parameters are known, and would read the whole table for every count.
            models.Index(fields=["state", "classroom", "created_at"], name="interruption_state"),
        ]

    @property
    def trail(self) -> dict[str, str]:
        """What every line of the log about this question carries (`readerai_site.logs`)."""
        return {"question": str(self.pk), "message_id": str(self.message_id or "")}


class Receipt(models.Model):
    """What a durable message was answered, so that a resent one gets the same answer and no second effect."""

    reading_session = models.ForeignKey(
        ReadingSession, models.CASCADE, null=True, related_name="receipts", db_index=False)  # begins a constraint's
    teacher = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="receipts", db_index=False)
    message_id = models.UUIDField()
    type = models.CharField(max_length=30)
    body_hash = models.BinaryField(max_length=32)
    reply = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        constraints = [
            models.UniqueConstraint(fields=["reading_session", "message_id"], name="receipt_of_session"),
            # Students' receipts are thousands to one, and none of theirs need stand in this one.
            models.UniqueConstraint(fields=["teacher", "message_id"], condition=Q(teacher__isnull=False),
                                    name="receipt_of_teacher"),
            models.CheckConstraint(
                condition=Q(reading_session__isnull=True) ^ Q(teacher__isnull=True), name="receipt_has_one_owner"),
        ]


class Broadcast(models.Model):
    """Something a teacher said or did to the whole class; `version` is the class's counter at that moment."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    classroom = models.ForeignKey(Classroom, models.CASCADE, related_name="broadcasts")
    teacher = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=15)
    text = models.TextField(blank=True, default="")
    target = models.ForeignKey(Text, models.SET_NULL, null=True, related_name="+")
    word_index = models.PositiveIntegerField(null=True)
    version = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("broadcast")
        verbose_name_plural = _("broadcasts")
        constraints = [models.UniqueConstraint(fields=["classroom", "version"], name="broadcast_version")]


class TutorState(models.Model):
    """The single row that every claim locks first, so that all workers together keep to the limit."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)


class Engine(models.Model):
    """A tutor engine of some process, and its last sign of life. A hint for people and probes: claims need no such row."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    last_seen = models.DateTimeField()  # the database's clock, as everything that is compared
    running = models.PositiveSmallIntegerField(db_default=0)  # answers under way
    draining = models.BooleanField(db_default=False)  # it takes no more questions

    class Meta:
        verbose_name = _("tutor engine")
        verbose_name_plural = _("tutor engines")


class Eviction(models.Model):
    """Sockets that must close: every web process reads the newest of these once a second.

    The layer's message is quicker and may be lost; this row may not.
    With `session_key_hash` only the sockets of that log-in close, with `classroom` only those of that class.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    classroom = models.ForeignKey(Classroom, models.CASCADE, null=True, related_name="+")
    session_key_hash = models.CharField(max_length=64, blank=True, default="")
    code = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(db_default=Now(), db_index=True)  # the database's clock, as those who read it

    class Meta:
        verbose_name = _("eviction")
        verbose_name_plural = _("evictions")


class Ticket(models.Model):
    """A one-use pass for programs that open a socket without a cookie; only its hash is kept."""

    token_hash = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    path = models.CharField(max_length=120)
    # Of the log-in or token that asked: the socket ends with it, and at that log-in's hour (null: a token has none).
    key_hash = models.CharField(max_length=64, default="", db_default="")
    log_in_until = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()


class ConnectionLog(models.Model):
    """When a socket opened on a reading session and when it was last heard of."""

    reading_session = models.ForeignKey(ReadingSession, models.CASCADE, related_name="connections")
    opened_at = models.DateTimeField()
    restored = models.BooleanField()

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        indexes = [models.Index(fields=["reading_session", "-opened_at"])]
