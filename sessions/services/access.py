"""Who is at the other end of a socket: a log-in's cookie, or a program's one-use ticket."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace

from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from classrooms import database, log_ins
from classrooms.models import Classroom, User
from sessions import arrivals
from sessions.models import Eviction, Ticket
from sessions.writes import transaction


class NotLoggedIn(Exception):
    """No valid log-in or ticket stands behind this socket."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who it is and by which log-in; `until` is when that ends by itself."""

    user: User
    key_hash: str
    until: datetime


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def access_by_cookie(session_key: str | None) -> Access:
    """Return the access that a Django session cookie gives; raise NotLoggedIn. Two queries."""
    if not session_key:
        raise NotLoggedIn
    now = timezone.now()
    stored = arrivals.read_log_in(session_key, now=now)
    if stored is None:
        raise NotLoggedIn
    log_in = SessionStore().decode(stored)
    user = _user_of(log_in, session_key)
    until = datetime.fromtimestamp(log_ins.ends_at(log_in), now.tzinfo)
    if until <= now or log_ins.is_over(log_in):
        raise NotLoggedIn
    return Access(user, hashed(session_key), until)


def _user_of(log_in: dict, session_key: str) -> User:
    """Return whose log-in it is; raise NotLoggedIn.

    The plain case is decided here, with a user of four columns: log-in by a way we offer, an active user, the password
    it was made with. Any other is Django's: it knows the secret keys of before, and takes three times as long.
    """
    if log_in.get(auth.BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS and auth.SESSION_KEY in log_in:
        user = arrivals.read_user(int(log_in[auth.SESSION_KEY]))
        if user is not None and user.is_active and constant_time_compare(
                log_in.get(auth.HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
            return user
    user = auth.get_user(SimpleNamespace(session=SessionStore(session_key)))
    if not user.is_authenticated:
        raise NotLoggedIn
    return user


def issue_ticket(user: User, *, path: str, log_in: str = "", until: float | None = None) -> str:
    """Return a ticket that opens one socket at `path` within `DURATIONS.ticket` seconds.

    `log_in` is the session key or token key of who asks: the socket closes when that ends, at `until` (wall clock) at
    the latest; a token ends only when somebody ends it.
    """
    token = secrets.token_urlsafe(32)
    with transaction():
        now = database.now()
        Ticket.objects.filter(expires_at__lt=now).delete()
        Ticket.objects.create(
            token_hash=hashed(token), user=user, path=path, key_hash=hashed(log_in),
            log_in_until=until and datetime.fromtimestamp(until, now.tzinfo),
            expires_at=now + timedelta(seconds=settings.DURATIONS.ticket))
    return token


def access_by_ticket(token: str, *, path: str) -> Access:
    """Use up a ticket; raise NotLoggedIn when it is unknown, used, late, for another socket, or its log-in has ended."""
    with transaction():
        now = database.now()
        ticket = Ticket.objects.select_for_update(of=("self",)).select_related("user").filter(
            token_hash=hashed(token), path=path, expires_at__gt=now, user__is_active=True).first()
        if ticket is None:
            raise NotLoggedIn
        ticket.delete()
    # It may have been given out in the very moment in which its log-in ended and took its other tickets along.
    if Eviction.objects.filter(user=ticket.user, session_key_hash=ticket.key_hash).exists():
        raise NotLoggedIn
    until = ticket.log_in_until or now + timedelta(seconds=settings.DURATIONS.session_absolute)
    if until <= now:
        raise NotLoggedIn
    return Access(ticket.user, ticket.key_hash, until)


def evict_students(classroom: Classroom, *, code: int) -> None:
    """Write that the sockets of all present students of a class must close."""
    students = User.objects.filter(enrollments__classroom=classroom, enrollments__removed_at=None)
    Ticket.objects.filter(user__in=students).delete()
    Eviction.objects.bulk_create(Eviction(user=user, classroom=classroom, code=code) for user in students)


def readmit_students(classroom: Classroom) -> None:
    """Take back what still closes sockets of the class's present students, for whom it is open again."""
    Eviction.objects.filter(classroom=classroom, user__in=User.objects.filter(
        enrollments__classroom=classroom, enrollments__removed_at=None)).delete()


def readmit(user: User, classroom: Classroom) -> None:
    """Take back what still closes a person's sockets of a class that is theirs again."""
    Eviction.objects.filter(classroom=classroom, user=user).delete()


def evict(user: User, *, code: int, classroom=None, session_key: str = "") -> None:
    """Write that the user's open sockets must close: those of a class, those of one log-in, or all.

    Tickets not used yet go with them; a program asks for another.
    """
    Ticket.objects.filter(user=user).delete()
    Eviction.objects.create(
        user=user, classroom=classroom, session_key_hash=hashed(session_key) if session_key else "", code=code)
