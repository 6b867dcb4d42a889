"""The tutor's side of the questions: claim one, keep it, finish it, give it back.

`Interruption` rows are the queue. A claim is a lease with a token; whatever is written for an answer is
written only where the token still holds, so a worker that was thought dead cannot overwrite its successor.
Lock order, here as everywhere: tutor state, classrooms, reading sessions, interruptions.
"""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction as django_transaction
from django.db.models import Count, F, Min, Q

from classrooms import database
from classrooms.models import Classroom
from sessions import events, failpoints, messages, metrics
from sessions.models import Interruption, ReadingSession, TutorState
from sessions.services import budgets, snapshots
from sessions.services.revising import unplaced
from sessions.writes import transaction

State = Interruption.State


@dataclass(frozen=True, slots=True)
class Claim:
    """A question that this worker alone may answer until its lease ends. `left` is seconds to the deadline."""

    interruption: Interruption
    token: UUID
    left: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider gave, ready to be stored. `citations` are dicts as on the wire."""

    text: str
    type: str
    provider: str
    model: str = ""
    citations: list[dict] = field(default_factory=list)
    truncated: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def _claimable(now: datetime) -> Q:
    """Questions that wait, and those whose worker was not heard of in time; with attempts and time left."""
    waiting = Q(state=State.QUEUED) & (Q(not_before=None) | Q(not_before__lte=now))
    abandoned = Q(state=State.ANSWERING, lease_until__lte=now)
    return (waiting | abandoned) & Q(attempt__lt=settings.LIMITS.attempts) & (Q(deadline=None) | Q(deadline__gt=now))


def claim() -> Claim | None:
    """Take the next question, or None when nothing waits or all workers together answer as many as they may.

    The next is of the class with the fewest running, then the least recently served; in it of the student
    with the fewest running, then the oldest.
    """
    with transaction():
        TutorState.objects.select_for_update().get_or_create(pk=1)  # one claim at a time, over all workers
        now = database.now()
        running = list(Interruption.objects.filter(state=State.ANSWERING, lease_until__gt=now)
                       .values_list("classroom_id", "enrollment_id"))
        if len(running) >= settings.LIMITS.llm_concurrent:
            return None
        claimable = Interruption.objects.filter(_claimable(now))
        of_class = Counter(classroom_id for classroom_id, _ in running)
        classes = claimable.values_list("classroom_id", "classroom__served_at").annotate(waiting=Count("pk"))
        turn = min(((of_class[pk], served_at.timestamp() if served_at else 0, pk) for pk, served_at, _ in classes),
                   default=None)
        if turn is None:
            return None
        classroom_id = turn[-1]
        of_student = Counter(enrollment_id for _, enrollment_id in running)
        students = (claimable.filter(classroom_id=classroom_id).values_list("enrollment_id")
                    .annotate(oldest=Min("created_at")))
        _, _, enrollment_id = min((of_student[pk], oldest, pk) for pk, oldest in students)
        Classroom.objects.filter(pk=classroom_id).update(served_at=now)
        row = (claimable.select_for_update(of=("self",)).select_related("text", "classroom", "enrollment", "reading_session")
               .filter(enrollment_id=enrollment_id).order_by("created_at").first())
        if row is None:
            return None  # cancelled in this very moment
        if row.claimed_at is None and budgets.used_up(row, now=now):
            row.error_code = budgets.EXCEEDED  # whoever answers sends nothing and stores the failure
        row.state = State.ANSWERING
        row.attempt += 1
        row.lease_token = uuid.uuid4()
        row.claimed_at = row.claimed_at or now
        row.deadline = row.deadline or now + timedelta(seconds=settings.DURATIONS.deadline)
        row.lease_until = _lease_until(now, row.deadline)
        row.draft_text, row.changed_at = "", now
        row.save(update_fields=["state", "attempt", "lease_token", "lease_until", "claimed_at", "deadline",
                                "draft_text", "error_code", "changed_at"])
        failpoints.hit("before_claim")
        return Claim(row, row.lease_token, (row.deadline - now).total_seconds())


def renew(claims: Iterable[Claim]) -> set[UUID]:
    """Prolong these leases; return the tokens of those that are still this worker's."""
    held = set()
    with transaction():
        now = database.now()
        for claim in sorted(claims, key=lambda claim: claim.interruption.pk):
            if _held(claim).update(lease_until=_lease_until(now, claim.interruption.deadline)):
                held.add(claim.token)
    return held


def store_drafts(drafts: Iterable[tuple[Claim, str]]) -> set[UUID]:
    """Keep the text so far of all running answers in one commit; return the tokens of the claims that still hold."""
    held = set()
    with transaction():
        for claim, text in sorted(drafts, key=lambda draft: draft[0].interruption.pk):
            if _held(claim).update(draft_text=text):
                held.add(claim.token)
    return held


def _lease_until(now: datetime, deadline: datetime) -> datetime:
    """Return when a lease taken now ends: soon after the deadline at the latest, or the question of a worker that
    dies near it would get its outcome a whole lease too late."""
    margin = timedelta(seconds=settings.DURATIONS.lease_margin)
    return min(now + timedelta(seconds=settings.DURATIONS.lease), deadline + margin)


def _held(claim: Claim):
    return Interruption.objects.filter(pk=claim.interruption.pk, lease_token=claim.token, state=State.ANSWERING)


def finish(claim: Claim, answer: Answer) -> bool:
    """Store the answer as the question's one outcome; False when the claim no longer holds."""
    with transaction():
        reading_session = _locked_session(claim.interruption.reading_session_id)
        row = _locked(_held(claim))
        if row is None:
            return False
        row.response_text, row.response_type = answer.text, answer.type
        row.provider, row.model = answer.provider, answer.model
        row.citations = _in_place(answer.citations, row, claim.interruption)
        row.truncated = answer.truncated
        row.prompt_tokens, row.completion_tokens = answer.prompt_tokens, answer.completion_tokens
        _end(row, State.ANSWERED, reading_session)
    return True


def fail(claim: Claim, *, code: str, fallback: dict | None) -> bool:
    """Store a visible failure as the question's one outcome; False when the claim no longer holds."""
    with transaction():
        reading_session = _locked_session(claim.interruption.reading_session_id)
        row = _locked(_held(claim))
        if row is None:
            return False
        row.error_code, row.fallback = code, _fallback_in_place(fallback, row, claim.interruption)
        _end(row, State.FAILED, reading_session)
    return True


def retry(claim: Claim, *, delay: float) -> bool:
    """Give a question back to the queue, not to be taken before `delay` seconds; False when the claim is gone."""
    with transaction():
        row = _locked(_held(claim))
        if row is None:
            return False
        row.state = State.QUEUED
        row.lease_token = row.lease_until = None
        row.changed_at = database.now()
        row.not_before = row.changed_at + timedelta(seconds=delay)
        row.save(update_fields=["state", "lease_token", "lease_until", "not_before", "changed_at"])
    return True


def _overdue(now: datetime) -> Q:
    out_of_time = Q(deadline__lte=now) & (Q(state=State.QUEUED) | Q(state=State.ANSWERING, lease_until__lte=now))
    out_of_attempts = Q(attempt__gte=settings.LIMITS.attempts) & (
        Q(state=State.QUEUED) | Q(state=State.ANSWERING, lease_until__lte=now))
    never_claimed = Q(state=State.QUEUED, attempt=0, created_at__lte=now - timedelta(seconds=settings.DURATIONS.unclaimed))
    # The states once more, for all three: by them the database finds the few rows that can be meant.
    return Q(state__in=Interruption.OPEN) & (out_of_time | out_of_attempts | never_claimed)


def overdue() -> list[Interruption]:
    """Return the questions that can no longer be answered and have no outcome yet."""
    rows = Interruption.objects.filter(_overdue(database.now())).select_related("text", "reading_session")
    return list(rows.order_by("created_at")[:100])


def fail_overdue(interruption: Interruption, *, fallback: dict | None) -> bool:
    """Store the failure of a question that is still overdue; False when another worker or the student was first."""
    with transaction():
        reading_session = _locked_session(interruption.reading_session_id)
        row = _locked(Interruption.objects.filter(_overdue(database.now()), pk=interruption.pk))
        if row is None:
            return False
        row.error_code = "busy" if row.attempt == 0 else "timeout" if row.deadline <= database.now() else "llm_unavailable"
        row.fallback = _fallback_in_place(fallback, row, interruption)
        _end(row, State.FAILED, reading_session)
    return True


def _locked_session(id: UUID) -> ReadingSession:
    """Lock the session's row and nothing else of it: its lock comes before its interruptions'."""
    return ReadingSession.objects.select_for_update().only("pk", "version").get(pk=id)


def _locked(found) -> Interruption | None:
    return found.select_for_update(of=("self",)).select_related("enrollment", "text").first()


def _in_place(citations: list[dict], row: Interruption, asked: Interruption) -> list[dict]:
    """Return the citations as they may be stored: without places, if the text's words changed since `asked` was read."""
    return citations if row.text.revision == asked.text.revision else [unplaced(citation) for citation in citations]


def _fallback_in_place(fallback: dict | None, row: Interruption, asked: Interruption) -> dict | None:
    return fallback and fallback | {"citations": _in_place(fallback["citations"], row, asked)}


def _end(row: Interruption, state: State, reading_session: ReadingSession) -> None:
    """Write the outcome, number it for the session and tell it to everyone who watches."""
    row.state = state
    row.lease_token = row.lease_until = None
    row.draft_text = ""
    row.finished_at = row.changed_at = database.now()
    row.save()
    ReadingSession.objects.filter(pk=reading_session.pk).update(version=F("version") + 1, changed_at=row.changed_at)
    version = reading_session.version + 1  # its row is locked: nobody else can have moved it
    told = messages.InterruptionAnswered if state == State.ANSWERED else messages.InterruptionFailed
    events.announce({
        events.session_group(reading_session.pk): snapshots.outcome(row).encode(version=version),
        events.room_group(row.classroom_id): told(interruption=snapshots.room_interruption(row)).encode()})
    django_transaction.on_commit(partial(
        metrics.count_outcome, code=row.error_code or state.value,
        seconds=(row.finished_at - row.created_at).total_seconds(),
        prompt_tokens=row.prompt_tokens, completion_tokens=row.completion_tokens))
