"""The queue of questions: who is next, whose claim holds, how each question comes to exactly one outcome."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from readerai_site.durations import Durations
from sessions import messages, writes
from sessions.models import Interruption, ReadingSession
from sessions.services import classes, questions, queue
from sessions.services.queue import Answer
from sessions.writes import ReceiptKey, run_batch
from tests.people import Person, queued, seat

ANSWER = Answer(text="A home.", type="text", provider="openai")
LONG_AGO = timedelta(hours=1)


def claimed() -> Interruption | None:
    claim = queue.claim()
    return claim and claim.interruption


def expire(*, lease: bool = True, deadline: bool = False) -> None:
    """Let time pass for every claimed question."""
    past = timezone.now() - timedelta(seconds=1)
    Interruption.objects.filter(lease_token__isnull=False).update(
        **({"lease_until": past} if lease else {}), **({"deadline": past} if deadline else {}))


def sweep() -> list[str]:
    """Fail what is overdue, as an engine does; return the codes."""
    late = queue.overdue()
    assert all(queue.fail_overdue(row, fallback=None) for row in late)
    return [row.error_code for row in Interruption.objects.filter(pk__in=[row.pk for row in late])]


def cancellation(row: Interruption) -> writes.Write:
    payload = messages.CancelInterruption(interruption_id=row.pk)
    return questions.cancellation(row.reading_session_id, payload, receipt=receipt("CANCEL_INTERRUPTION"))


def receipt(type: str) -> ReceiptKey:
    return ReceiptKey(uuid.uuid4(), type, bytes(32))


def in_threads(*work, times: int = 1) -> list:
    """Run these all at once, each in a thread with its own connection; raise what any of them raised."""
    start = threading.Barrier(len(work) * times)

    def run(function):
        try:
            start.wait(5)
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(work) * times) as pool:
        return [done.result(30) for done in [pool.submit(run, function) for function in work for _ in range(times)]]


# ---------------------------------------------------------------- who is next


def test_the_class_with_the_fewest_running_is_next_then_the_student(alice, bob, mallory):
    first, second = queued(alice, "1"), queued(alice, "2")
    of_bob, of_mallory = queued(bob, "3"), queued(mallory, "4")
    assert [claimed() for _ in range(5)] == [first, of_mallory, of_bob, second, None]


def test_among_equal_classes_the_one_served_longest_ago_is_next(alice, mallory):
    for person in (alice, mallory):
        queued(person)
        queue.finish(queue.claim(), ANSWER)
    of_mallory, of_alice = queued(mallory), queued(alice)  # mallory's is older, but her class was served last
    assert [claimed(), claimed()] == [of_alice, of_mallory]


def test_one_student_with_many_questions_does_not_keep_a_class_waiting(alice, bob, settings):
    settings.LIMITS = replace(settings.LIMITS, llm_concurrent=2)
    for number in range(10):
        queued(alice, str(number))
    claim = queue.claim()
    of_bob = queued(bob)
    assert claimed() == of_bob
    queue.finish(claim, ANSWER)
    assert claimed().question_text == "1"


def test_a_retry_waits_for_its_time(alice):
    queued(alice)
    assert queue.retry(queue.claim(), delay=30)
    assert queue.claim() is None
    Interruption.objects.update(not_before=timezone.now())
    assert claimed().attempt == 2


def test_no_more_than_the_limit_are_claimed_however_many_ask(alice, bob, mallory, settings):
    settings.LIMITS = replace(settings.LIMITS, llm_concurrent=3)
    for person in (alice, bob, mallory):
        for number in range(3):
            queued(person, str(number))
    claims = [claim for claim in in_threads(queue.claim, times=8) if claim]
    assert len(claims) == len({claim.interruption.pk for claim in claims}) == 3
    assert queue.claim() is None
    assert queue.finish(claims[0], ANSWER)
    assert queue.claim() is not None and queue.claim() is None
    expire()
    assert [claimed() is None for _ in range(4)] == [False, False, False, True]


# ---------------------------------------------------------------- whose claim holds


def test_a_claim_whose_lease_ran_out_holds_nothing_once_another_has_it(alice):
    row = queued(alice)
    old = queue.claim()
    assert (old.interruption, old.interruption.attempt) == (row, 1)
    expire()
    new = queue.claim()
    assert (new.interruption, new.interruption.attempt) == (row, 2)
    assert queue.renew([old, new]) == {new.token}
    assert queue.store_drafts([(old, "from the dead"), (new, "A ho")]) == {new.token}
    assert not queue.finish(old, Answer(text="From the dead.", type="text", provider="openai"))
    assert not queue.fail(old, code="timeout", fallback=None)
    assert not queue.retry(old, delay=0)
    row.refresh_from_db()
    assert (row.state, row.draft_text) == ("answering", "A ho")
    assert queue.finish(new, ANSWER)
    assert not queue.finish(new, ANSWER)
    assert not queue.fail(new, code="timeout", fallback=None)
    row.refresh_from_db()
    assert (row.state, row.response_text, row.draft_text, row.lease_token) == ("answered", "A home.", "", None)
    assert ReadingSession.objects.get(pk=alice.reading_session.pk).version == 1  # one outcome, told once


def test_a_renewed_lease_is_not_taken_over(alice):
    queued(alice)
    claim = queue.claim()
    expire()
    assert queue.renew([claim]) == {claim.token}
    assert queue.claim() is None


def test_a_lease_never_outlasts_the_deadline_by_much(alice, settings):
    """The question of a worker that dies just before the deadline has its outcome soon after it."""
    row = queued(alice)
    claim = queue.claim()
    claim.interruption.deadline = timezone.now() + timedelta(seconds=1)
    claim.interruption.save(update_fields=["deadline"])
    assert queue.renew([claim]) == {claim.token}
    row.refresh_from_db()
    assert row.lease_until - row.deadline == timedelta(seconds=Durations().lease_margin)


# ---------------------------------------------------------------- how a question ends


def test_after_three_attempts_a_question_fails(alice):
    row = queued(alice)
    for attempt in (1, 2, 3):
        assert claimed().attempt == attempt
        assert queue.overdue() == []
        expire()
    assert queue.claim() is None
    assert sweep() == ["llm_unavailable"]
    assert sweep() == []
    row.refresh_from_db()
    assert (row.state, row.attempt) == ("failed", 3)


def test_a_question_past_its_deadline_fails_even_if_its_worker_died(alice, bob):
    queued(alice)
    assert queue.retry(queue.claim(), delay=0)
    queued(bob)
    queue.claim()
    queue.claim()
    expire(deadline=True)
    assert queue.claim() is None
    assert sweep() == ["timeout", "timeout"]


def test_a_question_that_nobody_could_claim_fails_as_busy(alice, bob):
    old = queued(alice, created_at=timezone.now() - LONG_AGO)
    fresh = queued(bob)
    assert sweep() == ["busy"]
    old.refresh_from_db()
    assert (old.state, old.error_code) == ("failed", "busy")
    assert claimed() == fresh


def test_a_claimed_question_does_not_become_busy(alice):
    queued(alice, created_at=timezone.now() - LONG_AGO)
    assert queue.retry(queue.claim(), delay=60)
    assert queue.overdue() == []


def test_overdue_is_looked_at_again_under_the_lock(alice):
    row = queued(alice)
    claim = queue.claim()
    expire(deadline=True)
    (late,) = queue.overdue()
    assert queue.finish(claim, ANSWER)  # it came after all, and nobody had taken it
    assert not queue.fail_overdue(late, fallback=None)
    row.refresh_from_db()
    assert row.state == "answered"


@pytest.mark.parametrize("number", range(5))
def test_cancelling_and_finishing_at_once_leaves_one_outcome(alice, number):
    row = queued(alice)
    claim = queue.claim()
    finished, (outcomes, _) = in_threads(lambda: queue.finish(claim, ANSWER), lambda: run_batch([cancellation(row)]))
    row.refresh_from_db()
    assert row.state == ("answered" if finished else "cancelled")
    assert outcomes[0].type == ("INTERRUPTION_RESPONSE" if finished else "INTERRUPTION_ERROR")
    assert ReadingSession.objects.get(pk=alice.reading_session.pk).version == 1


# ---------------------------------------------------------------- locks


def test_writes_of_every_kind_at_once_do_not_lock_each_other_out(alice, carol, settings, story, caplog):
    """Claims, renewals, drafts, finishes, cancellations, questions and broadcasts, many times over."""
    settings.LIMITS = replace(settings.LIMITS, llm_concurrent=100, questions_per_minute=1_000, questions_per_day=1_000)
    people: list[Person] = [seat(carol.classroom, f"reader {number}", story) for number in range(8)]
    rows = [queued(person) for person in people for _ in range(6)]
    claims = [queue.claim() for _ in rows]
    assert all(claims)
    to_finish, to_cancel, to_keep = claims[::3], claims[1::3], claims[2::3]

    def cancel_backwards():
        order = sorted((claim.interruption for claim in to_cancel), key=lambda row: row.pk, reverse=True)
        outcomes, _ = run_batch([cancellation(row) for row in order])
        assert all(outcome.type == "INTERRUPTION_ERROR" for outcome in outcomes)

    def ask():
        payload = messages.StudentInterruption(question_text="Why?")
        for _ in range(5):
            outcomes, _ = run_batch([questions.interruption(
                person.reading_session.pk, payload, receipt=receipt("STUDENT_INTERRUPTION")) for person in people])
            assert all(outcome.type == "INTERRUPTION_ACKNOWLEDGED" for outcome in outcomes)

    def tell():
        for _ in range(5):
            classes.tell_class(carol.user, carol.classroom.pk, kind="announcement", text="Well read!",
                               receipt=receipt("BROADCAST"))

    in_threads(
        cancel_backwards, ask, tell,
        lambda: [queue.renew(claims) for _ in range(10)],
        lambda: [queue.store_drafts([(claim, "A ho") for claim in claims]) for _ in range(10)],
        lambda: [queue.finish(claim, ANSWER) for claim in to_finish],
        lambda: [queue.claim() for _ in range(10)])
    assert not [record for record in caplog.records if record.name == "sessions.writes"], "a batch had to be run again"
    assert {claim.token for claim in to_keep} == queue.renew(claims)
    states = list(Interruption.objects.values_list("state", flat=True))
    assert states.count("answered") == len(to_finish) and states.count("cancelled") == len(to_cancel)
    versions = sum(ReadingSession.objects.values_list("version", flat=True))
    assert versions == len(to_finish) + len(to_cancel) + 5 * len(people)
