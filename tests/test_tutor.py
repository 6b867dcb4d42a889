"""The engine: how many at once, what it tells on the way, how it stops. Its misfortunes are test_engine_faults.py."""

import asyncio
import random
import threading
from dataclasses import replace

import pytest

from readerai_site.durations import Durations
from sessions.services import queue
from tests.engines import delta_applied, ear, engines, eventually, is_delta, row_of
from tests.people import queued, reader, seat, stored

ANSWER = "A burrow is a home dug in the ground."


async def class_of(number, carol, story):
    return [await stored(seat, carol.classroom, f"reader {n}", story) for n in range(number)]


# ---------------------------------------------------------------- how many at once


async def test_two_engines_together_keep_to_the_limit_and_use_all_of_it(carol, story, model, settings):
    settings.LIMITS = replace(settings.LIMITS, llm_concurrent=3)
    people = await class_of(4, carol, story)
    for person in people:
        for number in range(5):
            await stored(queued, person, f"Question {number}?")
    model.holds()
    async with ear(*people) as told, engines(2):
        await model.asked(3)
        assert model.current == 3  # three really run side by side
        model.releases()
        outcomes = await told.outcomes(20)
        assert {outcome["responseText"] for outcome in outcomes} == {ANSWER}
        assert len({outcome["interruptionId"] for outcome in outcomes}) == 20
    assert len(model.requests) == 20 and model.peak == 3


async def test_a_waiting_question_is_taken_as_soon_as_a_slot_is_free(alice, model, settings):
    settings.LIMITS = replace(settings.LIMITS, llm_concurrent=1)
    settings.DURATIONS = replace(Durations(), sweep=60)
    for number in range(5):
        await stored(queued, alice, f"Question {number}?")
    async with ear(alice) as told, engines():
        await told.outcomes(5)
    assert model.peak == 1


# ---------------------------------------------------------------- what it tells on the way


def a_page_with(snapshot, told, lost=()):
    """Follow the deltas from a snapshot, without some; whenever the page has text it is the answer so far."""
    text = snapshot
    for place, delta in enumerate(told):
        if place in lost:
            continue
        text = delta_applied(text, delta)
        if text is None:
            return None
        assert text == delta["whole"], "a page would show a wrong text"
    return text


async def test_deltas_join_any_snapshot_and_heal_what_was_lost(alice, model, settings):
    settings.DURATIONS = replace(Durations(), draft=0.04, delta=0.01)
    words = [f"word{number} " for number in range(60)]
    model.says(*words)
    model.pace = 0.01
    row = await stored(queued, alice)
    snapshots, deltas = [], []
    async with ear(alice) as told, engines():
        while True:
            # As a page does: the group is joined first, then the snapshot is read.
            snapshots.append((len(deltas), (await row_of(row)).draft_text))
            frames = await told.next()
            deltas += [frame["payload"] for frame in frames if is_delta(frame)]
            if any(frame["type"] == "INTERRUPTION_RESPONSE" for frame in frames):
                break
    whole = "".join(words)
    for delta in deltas:
        delta["whole"] = whole[:delta["fromChar"] + len(delta["text"])]
    assert len(deltas) > 10 and deltas[-1]["fromChar"] > 0
    assert frames[0]["payload"]["responseText"] == whole
    for place, draft in snapshots[:-1]:
        assert a_page_with(draft, deltas[place:]) is not None, "a snapshot did not join"
    # Single losses heal with the next delta; more of them at worst make the page ask RESTORE.
    for lost in range(len(deltas) - 1):
        assert a_page_with("", deltas, {lost}) is not None
    chance = random.Random(7)
    for _ in range(50):
        a_page_with("", deltas, {place for place in range(len(deltas)) if chance.random() < 0.5})


async def test_at_most_one_delta_in_its_time(alice, model, settings):
    settings.DURATIONS = replace(Durations(), delta=0.1)
    model.says(*[f"word{number} " for number in range(100)])
    model.pace = 0.005
    await stored(queued, alice)
    async with ear(alice) as told, engines():
        await told.outcomes()
    at = [frame["timestamp"] for frame in told.frames if is_delta(frame)]
    assert len(at) >= 3
    assert min(later - earlier for earlier, later in zip(at, at[1:], strict=False)) > 0.095


async def test_a_second_attempt_starts_its_text_anew(alice, model, quick):
    model.says("A burrow ", "is a home.")
    model.behaves("cut", times=1)
    row = await stored(queued, alice)
    async with ear(alice) as told, engines():
        (outcome,) = await told.outcomes()
    attempts = [delta["attempt"] for delta in told.told("INTERRUPTION_RESPONSE_DELTA")]
    assert attempts == sorted(attempts) and set(attempts) == {1, 2}
    first_of_second = told.told("INTERRUPTION_RESPONSE_DELTA")[attempts.index(2)]
    assert first_of_second["fromChar"] == 0 and first_of_second["text"].startswith("A burrow ")
    assert outcome["responseText"] == "A burrow is a home."
    assert (await row_of(row)).attempt == 2


async def test_the_draft_is_stored_and_a_new_page_shows_it(quick, serving, alice, model):
    model.says("A burrow ", "is a home.")
    model.holds()
    async with reader(alice) as a:
        await a.ask("What is a burrow?")
        row = (await a.hears("INTERRUPTION_RESPONSE_DELTA"))["payload"]["interruptionId"]
        await eventually(await stored(alice.reading_session.interruptions.get), lambda row: row.draft_text == "A burrow ")
        async with reader(alice) as second:
            (shown,) = second.snapshot["payload"]["interruptions"]
            assert (shown["interruptionId"], shown["state"], shown["draftText"], shown["attempt"]) == (
                row, "answering", "A burrow ", 1)
            model.releases()
            assert await second.answer() == await a.answer() == "A burrow is a home."


# ---------------------------------------------------------------- cancelling


async def test_cancelling_stops_the_model_and_frees_its_slot(quick, serving, alice, bob, model, settings):
    settings.LIMITS = replace(settings.LIMITS, llm_concurrent=1)
    model.holds("burrow")
    async with reader(alice) as a, reader(bob) as b:
        asked = (await a.ask("What is a burrow?"))["payload"]
        await a.hears("INTERRUPTION_RESPONSE_DELTA")
        await b.ask("What is a pangram?")
        id = await a.sends("CANCEL_INTERRUPTION", {"interruptionId": asked["interruptionId"]})
        assert (await a.replied(id, "INTERRUPTION_ERROR"))["payload"]["errorCode"] == "cancelled"
        await model.ended(1)
        assert model.requests[0].outcome == "disconnected"
        assert await b.answer()
        assert model.peak == 1
        assert not [frame for frame in a.heard if frame["type"] == "INTERRUPTION_RESPONSE"]
    row = await stored(alice.reading_session.interruptions.get)
    assert (row.state, row.response_text) == ("cancelled", "")


async def test_a_question_cancelled_before_its_turn_never_reaches_the_model(quick, serving, alice, bob, model, settings):
    settings.LIMITS = replace(settings.LIMITS, llm_concurrent=1)
    model.holds("burrow")
    async with reader(alice) as a, reader(bob) as b:
        await a.ask("What is a burrow?")
        await a.hears("INTERRUPTION_RESPONSE_DELTA")
        waiting = (await b.ask("What is a pangram?"))["payload"]
        id = await b.sends("CANCEL_INTERRUPTION", {"interruptionId": waiting["interruptionId"]})
        await b.replied(id, "INTERRUPTION_ERROR")
        model.releases()
        await a.answer()
    assert [request.question for request in model.requests] == ["What is a burrow?"]


# ---------------------------------------------------------------- stopping


async def test_stopping_lets_an_answer_finish(alice, model):
    model.holds()
    row = await stored(queued, alice)
    async with ear(alice) as told, engines(drain=5):
        await told.hears("INTERRUPTION_RESPONSE_DELTA")
        asyncio.get_running_loop().call_later(0.05, model.releases)
    assert (await row_of(row)).state == "answered"


async def test_what_does_not_finish_in_time_is_given_back_at_once(alice, model):
    model.holds()
    row = await stored(queued, alice)
    async with ear(alice) as told, engines(drain=0.05):
        await told.hears("INTERRUPTION_RESPONSE_DELTA")
    row = await row_of(row)
    assert (row.state, row.lease_token, row.attempt) == ("queued", None, 1)
    await model.ended(1)
    assert model.requests[0].outcome == "disconnected"
    model.releases()
    async with ear(alice) as told, engines():
        (outcome,) = await told.outcomes()
    assert outcome["responseText"] == ANSWER


@pytest.mark.parametrize("drain", [0.05, 5])
async def test_a_claim_under_way_when_it_stops_is_not_left_behind(alice, model, monkeypatch, drain):
    row = await stored(queued, alice)
    claiming, go_on = asyncio.Event(), threading.Event()
    loop, claim = asyncio.get_running_loop(), queue.claim

    def slow_claim():
        loop.call_soon_threadsafe(claiming.set)
        assert go_on.wait(10)
        return claim()

    monkeypatch.setattr(queue, "claim", slow_claim)
    if drain < 1:
        model.holds()
    async with engines(drain=drain):
        await claiming.wait()
        loop.call_later(0.05, go_on.set)  # after the engine was told to stop
    row = await row_of(row)
    assert row.state == ("queued" if drain < 1 else "answered")
    assert row.lease_token is None


# ---------------------------------------------------------------- what the model is told, and whether


async def test_the_model_is_told_of_no_person(serving, alice, carol, model):
    async with reader(alice) as a:
        await a.ask("What is a burrow?", studentThought="a hole?")
        await a.answer()
    (request,) = model.requests
    sent = str(request.body)
    assert "What is a burrow?" in sent and "a hole?" in sent
    for secret in (alice.user.username, "alice", "carol", "7B", carol.classroom.code, str(alice.reading_session.pk),
                   alice.reading_session.pk.hex, alice.cookie):
        assert secret not in sent
    assert not {"user", "tools", "metadata"} & set(request.body)


async def test_a_class_without_ai_is_answered_by_the_passage_helper(serving, alice, mallory, model):
    def switch_off():
        alice.classroom.ai_enabled = False
        alice.classroom.save(update_fields=["ai_enabled"])
    await stored(switch_off)
    async with reader(alice) as a, reader(mallory) as m:
        await a.ask("What is a pangram?", context={"currentWordIndex": 38})
        assert (await a.hears("INTERRUPTION_RESPONSE"))["payload"]["provider"] == "passage_helper"
        assert model.requests == []
        await m.ask("What is a pangram?")
        assert (await m.hears("INTERRUPTION_RESPONSE"))["payload"]["provider"] == "openai"
