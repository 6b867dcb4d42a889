"""Which tutor engines live, and what waits for them.

`heartbeat` writes an engine's row, `manage.py tutor_status`, `/readyz` and `/metrics` read them all. A claim never
asks here: an engine whose row is late answers as well as any other.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Min, Q
from django.db.models.functions import Now

from classrooms import database
from sessions.models import Engine, Interruption
from sessions.writes import transaction

State = Interruption.State
FORGOTTEN = timedelta(hours=1)  # a row whose engine ended without a word is kept so long for people to see


@dataclass(frozen=True, slots=True)
class TutorStatus:
    """The tutor as the database knows it. `oldest` is the seconds that the oldest waiting question has waited."""

    waiting: int
    answering: int
    oldest: float
    engines: list[Engine]
    now: datetime

    @property
    def alive(self) -> list[Engine]:
        """The engines that were heard of lately and take questions."""
        return [engine for engine in self.engines if not engine.draining and not self.is_silent(engine)]

    @property
    def is_stuck(self) -> bool:
        """True when questions wait and nobody is there to answer them."""
        return bool(self.waiting) and not self.alive

    def is_silent(self, engine: Engine) -> bool:
        return self.now - engine.last_seen > timedelta(seconds=settings.DURATIONS.silence)


def beat(id: UUID, *, host: str, pid: int, running: int, draining: bool) -> None:
    """Note that an engine lives; its first beat makes its row and clears away those that nobody needs any more."""
    with transaction():
        now = database.now()
        state = {"last_seen": now, "running": running, "draining": draining}
        if not Engine.objects.filter(pk=id).update(**state):
            Engine.objects.filter(last_seen__lt=now - FORGOTTEN).delete()
            Engine.objects.create(pk=id, host=host, pid=pid, started_at=now, **state)


def leave(id: UUID) -> None:
    """Take the row of an engine that ends."""
    with transaction():
        Engine.objects.filter(pk=id).delete()


def is_running() -> bool:
    """True when an engine lives that takes questions."""
    heard = Now() - timedelta(seconds=settings.DURATIONS.silence)  # by the database's clock, without asking for it first
    return Engine.objects.filter(draining=False, last_seen__gte=heard).exists()


def tutor_status() -> TutorStatus:
    """Return what waits and who lives: two queries."""
    now = database.now()
    waiting = Q(state=State.QUEUED)
    found = Interruption.objects.filter(state__in=Interruption.OPEN).aggregate(
        waiting=Count("pk", filter=waiting), answering=Count("pk", filter=~waiting),
        oldest=Min("created_at", filter=waiting))
    oldest = (now - found["oldest"]).total_seconds() if found["oldest"] else 0.0
    return TutorStatus(waiting=found["waiting"], answering=found["answering"], oldest=max(0.0, oldest),
                       engines=list(Engine.objects.order_by("started_at")), now=now)
