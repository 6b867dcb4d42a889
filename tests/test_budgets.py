"""What a model may be asked in a day, by one student and by a whole class; the passage helper answers beyond that."""

import asyncio
import dataclasses
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from classrooms.models import Classroom
from sessions.models import Interruption
from sessions.services import budgets, queue
from tests.engines import ear, engines
from tests.people import queued, reader, room, seat, stored


@pytest.fixture
def day_of(settings):
    """Return a function that sets how many questions a student's day has; a minute has as many as it likes."""
    def day_of(questions):
        settings.LIMITS = dataclasses.replace(settings.LIMITS, questions_per_day=questions, questions_per_minute=1_000)
    return day_of


def class_has(classroom, questions):
    Classroom.objects.filter(pk=classroom.pk).update(daily_questions=questions)


async def test_beyond_the_students_day_the_helper_answers_and_nothing_is_sent(serving, day_of, alice, bob, carol, model):
    day_of(2)
    async with reader(alice) as a, reader(bob) as b, room(carol) as c:
        for _ in range(2):
            await a.ask("What is a pangram?", context={"currentWordIndex": 38})
            await a.answer()
        asked = await a.ask("What is a pangram then?", context={"currentWordIndex": 38})
        assert asked["type"] == "INTERRUPTION_ACKNOWLEDGED"
        failed = (await a.hears("INTERRUPTION_ERROR"))["payload"]
        assert (failed["errorCode"], failed["fallbackAction"]) == ("budget_exceeded", "continue")
        assert failed["fallback"]["provider"] == "passage_helper"
        assert any(citation["verified"] for citation in failed["fallback"]["citations"])
        seen = (await c.hears("INTERRUPTION_FAILED"))["payload"]["interruption"]
        assert (seen["errorCode"], seen["nickname"]) == ("budget_exceeded", "alice")
        await b.ask("What is a burrow?")  # his day is his own
        await b.answer()
    assert len(model.requests) == 3


@pytest.mark.parametrize("workers", [1, 3])
async def test_a_class_never_has_one_answer_more_than_its_day(
        serving_without_engine, day_of, alice, bob, carol, story, model, workers):
    day_of(1_000)
    model.delay = 0.05
    await stored(class_has, carol.classroom, 5)
    people = [alice, bob] + [await stored(seat, carol.classroom, f"student {number}", story) for number in range(4)]
    rows = [await stored(queued, person) for person in people for _ in range(3)]
    async with ear(*people) as heard, engines(workers):
        outcomes = await heard.outcomes(len(rows))
    assert sum("responseText" in outcome for outcome in outcomes) == len(model.requests) == 5
    assert [outcome["errorCode"] for outcome in outcomes if "errorCode" in outcome] == ["budget_exceeded"] * 13
    assert await stored(Interruption.objects.filter(error_code="budget_exceeded", fallback=None).count) == 0


async def test_another_class_has_a_day_of_its_own(serving, alice, mallory, model):
    await stored(class_has, alice.classroom, 0)
    async with reader(alice) as a, reader(mallory) as m:
        await a.ask("What is a burrow?")
        assert (await a.hears("INTERRUPTION_ERROR"))["payload"]["errorCode"] == "budget_exceeded"
        await m.ask("What is a burrow?")
        await m.answer()
    assert len(model.requests) == 1


async def test_what_the_helper_answers_costs_nothing(serving, day_of, alice, carol, model):
    day_of(1)
    await stored(class_has, carol.classroom, 1)
    await stored(Classroom.objects.filter(pk=carol.classroom.pk).update, ai_enabled=False)
    async with reader(alice) as a:
        for _ in range(3):
            await a.ask("What is a burrow?")
            assert (await a.hears("INTERRUPTION_RESPONSE"))["payload"]["provider"] == "passage_helper"
        await a.ask("I want to die")
        assert (await a.hears("INTERRUPTION_RESPONSE"))["payload"]["provider"] == "help_card"
        assert model.requests == []  # switched off is off
        await stored(Classroom.objects.filter(pk=carol.classroom.pk).update, ai_enabled=True)
        await a.ask("What is a burrow?")
        assert (await a.hears("INTERRUPTION_RESPONSE"))["payload"]["provider"] == "openai"
        await a.ask("What is a fox?")
        assert (await a.hears("INTERRUPTION_ERROR"))["payload"]["errorCode"] == "budget_exceeded"
        await a.ask("I wish I was dead")  # a card is beyond no budget
        assert (await a.hears("INTERRUPTION_RESPONSE"))["payload"]["provider"] == "help_card"


async def test_without_a_model_there_is_no_budget(serving, day_of, alice, carol):
    day_of(0)
    await stored(class_has, carol.classroom, 0)
    async with reader(alice) as a:
        await a.ask("What is a burrow?")
        assert (await a.hears("INTERRUPTION_RESPONSE"))["payload"]["provider"] == "passage_helper"


async def test_a_question_counts_once_however_often_it_was_tried(serving, day_of, quick, alice, model):
    day_of(2)
    model.behaves("cut", times=2)
    async with reader(alice) as a:
        for _ in range(2):
            await a.ask("What is a burrow?")
            await a.answer()
        await a.ask("What is a burrow?")
        assert (await a.hears("INTERRUPTION_ERROR"))["payload"]["errorCode"] == "budget_exceeded"
    assert len(model.requests) == 4


def claim_of(person, **fields):
    """Queue a question and claim it; return how the claim came out."""
    queued(person, **fields)
    return queue.claim().interruption.error_code


@pytest.fixture
def with_model(settings):
    settings.TUTOR_PROVIDER = "openai"


def test_yesterday_is_over_and_a_failure_counts(alice, with_model, day_of):
    day_of(1)
    now = timezone.now()
    yesterday = budgets.start_of_day(now) - timedelta(seconds=1)
    queued(alice, state="answered", provider="openai", claimed_at=yesterday, created_at=yesterday)
    queued(alice, state="failed", error_code="busy")  # nobody ever took it
    queued(alice, state="failed", error_code="budget_exceeded", claimed_at=now)
    queued(alice, state="answered", provider="passage_helper", claimed_at=now)
    queued(alice, state="cancelled")
    assert claim_of(alice) == ""
    Interruption.objects.filter(state="answering").update(state="failed", error_code="llm_unavailable")
    assert claim_of(alice) == "budget_exceeded"


def test_a_claim_that_was_beyond_the_budget_stays_so_when_its_worker_dies(alice, with_model, day_of):
    day_of(0)
    assert claim_of(alice) == "budget_exceeded"
    day_of(10)
    Interruption.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert queue.claim().interruption.error_code == "budget_exceeded"


def test_a_claim_within_the_budget_stays_so_when_it_is_tried_again(alice, with_model, day_of):
    day_of(1)
    assert claim_of(alice) == ""
    day_of(0)
    Interruption.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert queue.claim().interruption.error_code == ""


def test_a_day_begins_at_the_schools_midnight(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    berlin = ZoneInfo("Europe/Berlin")
    late = datetime(2026, 3, 29, 22, 30, tzinfo=ZoneInfo("UTC"))  # the day the clocks went forward, half past midnight
    assert budgets.start_of_day(late) == datetime(2026, 3, 30, tzinfo=berlin)
    assert budgets.start_of_day(late - timedelta(hours=1)) == datetime(2026, 3, 29, tzinfo=berlin)


async def test_many_at_once_keep_to_a_students_day(serving, day_of, alice, model):
    day_of(4)
    async with reader(alice) as a, reader(alice) as tab:
        await asyncio.gather(*[conversation.sends("STUDENT_INTERRUPTION", {"questionText": f"What is word {number}?"})
                               for number, conversation in enumerate([a, tab] * 5)])
        for _ in range(10):
            await a.hears("INTERRUPTION_RESPONSE", "INTERRUPTION_ERROR")
    assert len(model.requests) == 4
