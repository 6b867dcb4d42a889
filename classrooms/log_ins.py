"""When a log-in ends by itself: every one after its absolute time, a student's after half an hour without them.

Views begin a log-in, the middleware asks at each request, `sessions.services.access` when a socket opens. A
session keeps two moments of the wall clock: `auth_at`, and for students `last_activity`. What they do on a
socket is kept with their reading, so that too is looked at before a student is sent away.
"""

import time
from collections.abc import MutableMapping
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY
from django.db.models import Max

from classrooms.models import Enrollment

STUDENT_BACKEND = "classrooms.backends.EnrollmentBackend"
NOTED_TIMES = 30  # how often activity is written within the idle time at most: once a minute

Session = MutableMapping[str, Any]


def begin(session: Session) -> None:
    """Note when a log-in began: it ends so long after this, whatever the cookie says."""
    session["auth_at"] = time.time()


def ends_at(session: Session) -> float:
    """Return when the log-in behind a session ends whatever its person does."""
    return session.get("auth_at", time.time()) + settings.DURATIONS.session_absolute


def is_over(session: Session) -> bool:
    """True when the log-in behind a session has lasted too long, or its student has been away too long."""
    now = time.time()
    if now > ends_at(session):
        return True
    return _is_student(session) and now - last_activity(session) > settings.DURATIONS.session_idle


def last_activity(session: Session) -> float:
    """Return when the student of a session last did something. One query, and only if requests alone are too old."""
    now = time.time()
    requested = session.get("last_activity", session.get("auth_at", now))
    if now - requested <= settings.DURATIONS.session_idle:
        return requested
    read = Enrollment.objects.filter(user=session[SESSION_KEY]).aggregate(
        latest=Max("reading_sessions__last_activity"))["latest"]
    return max(requested, read.timestamp()) if read else requested


def note_activity(session: Session) -> None:
    """Note that a student asked for a page; written now and then, not at each request."""
    if not _is_student(session):
        return
    now = time.time()
    if now - session.get("last_activity", 0) > settings.DURATIONS.session_idle / NOTED_TIMES:
        session["last_activity"] = now


def _is_student(session: Session) -> bool:
    return session.get(BACKEND_SESSION_KEY) == STUDENT_BACKEND
