"""The last table of the protocol, "the model's server", row by row through the engine to what a reader is told."""

import socket
from dataclasses import replace
from datetime import timedelta

import pytest

from readerai_site.durations import Durations
from sessions.llm import MAX_MODEL_NAME, MAX_REPLY_BYTES
from tests.engines import ear, engines, row_of
from tests.people import queued, stored

REPLY = ("A burrow ", "is a home ", "dug in the ground.")
WHOLE = "".join(REPLY)
BROKEN = ["empty", "html", "not_sse", "choices_empty", "tool_calls", "empty_reply", "odd_json",
          "cut", "no_finish", "error_event", "done_without_finish", "not_json", "bad_bytes", "reset",
          "500", "502", "503", "408"]


@pytest.fixture(autouse=True)
def speed(settings):
    settings.DURATIONS = replace(Durations().scaled(0.1), retry=0.02)


@pytest.fixture
def model(model):
    model.says(*REPLY)
    return model


async def asked(person, question="What is a burrow?"):
    """Let an engine come to an outcome; return it, the deltas before it, and the row."""
    row = await stored(queued, person, question)
    async with ear(person) as told, engines():
        (outcome,) = await told.outcomes()
    return outcome, told.told("INTERRUPTION_RESPONSE_DELTA"), await row_of(row)


def assert_failed(outcome, row, *, code, attempts):
    """It failed visibly, offers what the passage helper says, and keeps nothing of what the model said."""
    assert (row.state, row.error_code, row.attempt) == ("failed", code, attempts)
    assert (row.response_text, row.draft_text, row.lease_token) == ("", "", None)
    assert outcome["errorCode"] == code and outcome["userMessage"]
    assert outcome["fallback"]["provider"] == "passage_helper"
    assert "home that an animal digs" in outcome["fallback"]["responseText"]
    assert row.fallback == outcome["fallback"]


@pytest.mark.parametrize("behaviour", BROKEN)
async def test_what_is_no_answer_is_retried_and_then_fails(alice, model, behaviour):
    model.behaves(behaviour)
    outcome, _, row = await asked(alice)
    assert_failed(outcome, row, code="llm_unavailable", attempts=3)
    assert len(model.requests) == 3 and model.current == 0


@pytest.mark.parametrize("behaviour", BROKEN)
async def test_a_second_attempt_that_goes_well_is_the_answer(alice, model, behaviour):
    model.behaves(behaviour, times=1)
    outcome, deltas, row = await asked(alice)
    assert (row.state, row.response_text, row.attempt) == ("answered", WHOLE, 2)
    assert outcome["responseText"] == WHOLE
    assert deltas[-1]["attempt"] == 2 and WHOLE.startswith(deltas[-1]["text"])


@pytest.mark.parametrize("behaviour", ["400", "401", "403", "404", "no_money"])
async def test_what_no_second_attempt_can_mend_fails_at_once(alice, model, behaviour):
    model.behaves(behaviour)
    outcome, _, row = await asked(alice)
    assert_failed(outcome, row, code="llm_unavailable", attempts=1)


async def test_attempts_are_made_after_growing_delays(alice, model, settings):
    settings.DURATIONS = replace(settings.DURATIONS, retry=0.2)
    model.behaves("500")
    await asked(alice)
    first, second, third = model.requests
    assert second.started - first.ended > 0.19
    assert third.started - second.ended > 0.39


async def test_a_server_that_is_not_there(alice, settings):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and never listening: nobody else gets the port, nobody answers
        settings.TUTOR_PROVIDER = "openai"
        settings.OPENAI_BASE_URL = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        outcome, _, row = await asked(alice)
    assert_failed(outcome, row, code="llm_unavailable", attempts=3)


async def test_an_address_that_is_none(alice, settings):
    settings.TUTOR_PROVIDER, settings.OPENAI_BASE_URL = "openai", "nonsense://"
    outcome, _, row = await asked(alice)
    assert_failed(outcome, row, code="llm_unavailable", attempts=3)


async def test_too_many_requests_with_a_short_wait_is_waited_out(alice, model):
    model.behaves("429", times=1, retry_after=0.5)
    outcome, _, row = await asked(alice)
    assert (row.state, row.attempt, outcome["responseText"]) == ("answered", 2, WHOLE)
    assert model.requests[1].started - model.requests[0].ended > 0.49


async def test_too_many_requests_with_a_wait_past_the_deadline_fails_at_once(alice, model):
    model.behaves("429", retry_after=600)
    outcome, _, row = await asked(alice)
    assert_failed(outcome, row, code="busy", attempts=1)


async def test_too_many_requests_to_the_end(alice, model):
    model.behaves("429")
    outcome, _, row = await asked(alice)
    assert_failed(outcome, row, code="busy", attempts=3)


@pytest.mark.parametrize("behaviour", ["silent", "stall", "comments", "endless_line"])
async def test_a_server_that_goes_quiet_is_given_up(alice, model, settings, behaviour):
    settings.DURATIONS = replace(settings.DURATIONS, first_token=0.2, idle_token=0.2)
    model.behaves(behaviour)
    outcome, _, row = await asked(alice)
    code = "llm_unavailable" if row.error_code == "llm_unavailable" and behaviour == "endless_line" else "timeout"
    assert_failed(outcome, row, code=code, attempts=3)
    await model.ended(3)
    assert model.current == 0


async def test_a_drip_without_end_fails_by_its_deadline_and_frees_its_slot(alice, bob, model, settings):
    settings.LIMITS = replace(settings.LIMITS, llm_concurrent=1)
    # The deadline ends the first attempt: how many more would fit before it is the machine's to say, not the table's.
    settings.DURATIONS = replace(settings.DURATIONS, attempt=30, deadline=4)
    model.behaves("drip", question="burrow")
    burrow, pangram = await stored(queued, alice), await stored(queued, bob, "What is a pangram?")
    async with ear(alice, bob) as told, engines():
        await told.outcomes(2)
    dripped = await row_of(burrow)
    outcome = next(outcome for outcome in told.told("INTERRUPTION_ERROR"))
    assert_failed(outcome, dripped, code="timeout", attempts=1)
    # The engine counts by its own clock, the row by the database's.
    assert dripped.finished_at > dripped.deadline - timedelta(seconds=0.1)
    assert (await row_of(pangram)).state == "answered"
    assert {request.outcome for request in model.requests if "burrow" in request.question} == {"disconnected"}


async def test_a_drip_is_no_answer_even_when_the_attempt_ends_it(alice, model, settings):
    settings.DURATIONS = replace(settings.DURATIONS, attempt=2)
    model.behaves("drip", times=1)
    outcome, _, row = await asked(alice)
    assert row.attempt >= 2 and outcome["responseText"] == WHOLE  # a busy machine may need the third


async def test_a_megabyte_is_cut_off(alice, model):
    model.behaves("huge")
    outcome, _, row = await asked(alice)
    assert outcome["truncated"] is True and row.truncated and row.state == "answered"
    assert MAX_REPLY_BYTES - 4 < len(row.response_text.encode()) <= MAX_REPLY_BYTES
    assert len(model.requests) == 1


async def test_an_odd_name_and_a_nul_cost_nobody_the_answer(alice, model):
    """PostgreSQL takes neither: the outcome could not be stored, over and over, until the question was overdue."""
    model.behaves("odd_name")
    model.says("A burrow\x00 is a home.")
    outcome, _, row = await asked(alice)
    assert (outcome["responseText"], row.attempt, len(row.model)) == ("A burrow is a home.", 1, MAX_MODEL_NAME)


async def test_the_models_own_limit_marks_the_answer(alice, model):
    model.behaves("length")
    outcome, _, _ = await asked(alice)
    assert outcome["truncated"] is True and outcome["responseText"] == WHOLE


async def test_characters_split_over_chunks_stay_whole(alice, model):
    text = "Ein Bau – 巣穴 – 🐇🏳️‍🌈 é"
    model.says(text)
    model.behaves("split_utf8")
    outcome, deltas, row = await asked(alice)
    assert outcome["responseText"] == row.response_text == text
    assert text.startswith(deltas[-1]["text"])


@pytest.mark.parametrize("behaviour", ["refusal", "content_filter"])
async def test_a_refusal_sends_the_student_to_the_teacher(alice, model, behaviour):
    model.behaves(behaviour)
    outcome, _, row = await asked(alice)
    assert (row.state, row.attempt) == ("answered", 1)
    assert outcome["responseText"] == "This is a good question for your teacher. Please ask them."


async def test_markup_is_kept_as_the_text_it_is(alice, model):
    text = '<script>alert(1)</script> [here](javascript:alert(1)) ![x](http://evil.example/x.png) <img src=x onerror=y>'
    model.says(text)
    outcome, deltas, row = await asked(alice)
    assert outcome["responseText"] == row.response_text == deltas[-1]["text"] == text
