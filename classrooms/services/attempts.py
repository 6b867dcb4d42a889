"""Guesses at codes, PINs and passwords, counted in a row before anything is looked up or hashed."""

import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F

from classrooms import database
from classrooms.database import transaction
from classrooms.models import AttemptCount


class TooManyAttempts(Exception):
    """Guessing was stopped before anything was looked up or hashed."""


def count_attempt(kind: str, key: str, *, limit: int, subject: str = "") -> bool:
    """Count a guess; False when there were `limit` in the last window already. One conditional UPDATE, then hashing.

    The row is changed before the guess is looked at, so a hundred parallel guesses are counted as a hundred.
    `subject` is the account guessed at, where `key` says more than that: see `forget_attempts_at`.
    """
    digest = _digest(kind, key)
    with transaction():
        now = database.now()
        old = now - timedelta(seconds=settings.DURATIONS.attempts)
        counts = AttemptCount.objects.filter(key=digest)
        if counts.filter(since__lte=old).update(count=1, since=now):
            return True
        if counts.filter(count__lt=limit).update(count=F("count") + 1):
            return True
        _, first = AttemptCount.objects.get_or_create(key=digest, defaults={
            "kind": kind, "subject": _digest(kind, subject) if subject else "", "count": 1, "since": now})
        if first:
            _drop_counts(until=old)
            return True
        # Another first guess made the row in this moment, or the limit is reached.
        return bool(counts.filter(count__lt=limit).update(count=F("count") + 1))


def attempts_used_up(kind: str, key: str, *, limit: int) -> bool:
    """True when `limit` guesses were counted in the running window."""
    since = database.now() - timedelta(seconds=settings.DURATIONS.attempts)
    return AttemptCount.objects.filter(key=_digest(kind, key), count__gte=limit, since__gt=since).exists()


def forget_attempts(kind: str, key: str) -> None:
    """Forgive earlier guesses after a right one."""
    with transaction():
        AttemptCount.objects.filter(key=_digest(kind, key)).delete()


def forget_attempts_at(kind: str, subject: str) -> int:
    """Forgive guesses at an account, wherever they came from; return how many counts there were."""
    with transaction():
        return AttemptCount.objects.filter(kind=kind, subject=_digest(kind, subject)).delete()[0]


def _digest(kind: str, key: str) -> str:
    return hashlib.sha256(f"{kind}:{key}".encode()).hexdigest()


def _drop_counts(*, until: datetime) -> None:
    """Delete some counts whose window is over: each new row pays for older ones, so that guesses cannot fill the table."""
    over = AttemptCount.objects.select_for_update(skip_locked=True).filter(since__lte=until)
    AttemptCount.objects.filter(key__in=list(over.values_list("key", flat=True)[:100])).delete()
