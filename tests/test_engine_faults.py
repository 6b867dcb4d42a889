"""The engine when something beside the model fails: leases, the database, the channel layer, a provider's close."""

import asyncio
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from channels.layers import get_channel_layer
from django.db import OperationalError
from django.utils import timezone

from readerai_site.durations import Durations
from sessions import events, tutor
from sessions.background import Background
from sessions.models import Interruption
from sessions.services import queue
from tests.engines import ear, engines, eventually, row_of
from tests.people import queued, reader, stored

ANSWER = "A burrow is a home dug in the ground."
SHORT = replace(Durations().scaled(0.1), lease=1.5, lease_renewal=0.1, lease_margin=0.5, deadline=60, attempt=60)


@pytest.fixture
def short(settings):
    """Leases of 1.5 s, renewed every 0.1 s."""
    settings.DURATIONS = SHORT


def fails(times):
    """Return a function that raises as often as this, as a database that is away does."""
    left = [times]

    def fail():
        if left[0]:
            left[0] -= 1
            raise OperationalError("the database is away")
    return fail


# ---------------------------------------------------------------- leases


async def test_a_long_answer_keeps_its_lease(short, alice, model):
    model.holds()
    row = await stored(queued, alice)
    async with ear(alice) as told, engines(2):
        await told.hears("INTERRUPTION_RESPONSE_DELTA")
        first = (await row_of(row)).lease_until
        await eventually(row, lambda row: row.lease_until > first + timedelta(seconds=SHORT.lease))
        model.releases()
        await told.outcomes()
    row = await row_of(row)
    assert (row.state, row.attempt, len(model.requests)) == ("answered", 1, 1)


async def test_an_engine_that_holds_two_claims_of_one_question_keeps_the_newer(short, alice, model, monkeypatch):
    model.holds()
    row = await stored(queued, alice)
    # Nothing tells the engine that its first claim is gone, until it has claimed the question again.
    monkeypatch.setattr(queue, "renew", lambda claims: {claim.token for claim in claims})
    monkeypatch.setattr(queue, "store_drafts", lambda drafts: {claim.token for claim, _ in drafts})
    async with ear(alice) as told, engines() as (engine,):
        await told.hears("INTERRUPTION_RESPONSE_DELTA")
        await stored(lambda: Interruption.objects.update(lease_until=timezone.now() - timedelta(seconds=1)))
        engine.wake()
        await model.asked(2)
        assert len(engine._running) == 2
        monkeypatch.undo()
        await model.ended(1)  # a renewal found the first claim gone
        assert (model.requests[0].outcome, model.requests[1].ended) == ("disconnected", None)
        model.releases()
        (outcome,) = await told.outcomes()
        assert outcome["responseText"] == ANSWER
    assert (await row_of(row)).attempt == 2 and len(model.requests) == 2


async def test_an_engine_that_cannot_renew_stops_before_its_lease_ends(short, alice, model, monkeypatch):
    """Also when the database does not fail but says nothing at all."""
    model.holds()
    row = await stored(queued, alice)
    silent, renew = threading.Event(), queue.renew

    def hang(claims):
        silent.wait(10)
        return renew(claims)

    monkeypatch.setattr(queue, "renew", hang)
    async with ear(alice) as told, engines():
        await told.hears("INTERRUPTION_RESPONSE_DELTA")
        await model.ended(1)
        assert model.requests[0].outcome == "disconnected"
        assert model.requests[0].ended < (await row_of(row)).lease_until.timestamp()
        model.releases()
        silent.set()
        (outcome,) = await told.outcomes()
        assert outcome["responseText"] == ANSWER
    assert (await row_of(row)).attempt == 2


# ---------------------------------------------------------------- the database


async def test_an_outcome_is_stored_when_the_database_is_back(quick, alice, model, monkeypatch):
    row = await stored(queued, alice)
    fail, finish = fails(3), queue.finish
    monkeypatch.setattr(queue, "finish", lambda *args: fail() or finish(*args))
    async with ear(alice) as told, engines():
        await told.outcomes()
    row = await row_of(row)
    assert (row.state, row.attempt, len(model.requests)) == ("answered", 1, 1)


async def test_the_engine_outlives_a_database_that_is_away(quick, alice, model, monkeypatch):
    """Every statement of it fails for a while, and none of its loops ends."""
    failing = {name: fails(3) for name in ("claim", "renew", "store_drafts", "overdue")}
    for name, fail in failing.items():
        function = getattr(queue, name)
        monkeypatch.setattr(queue, name, lambda *args, f=function, fail=fail: fail() or f(*args))
    model.holds()
    row = await stored(queued, alice)
    async with ear(alice) as told, engines():
        await told.hears("INTERRUPTION_RESPONSE_DELTA")
        await eventually(row, lambda row: row.draft_text)
        model.releases()
        await told.outcomes()
    assert (await row_of(row)).state == "answered"


async def test_one_overdue_question_that_cannot_be_failed_keeps_no_other_waiting(quick, alice, bob, model, monkeypatch):
    old = timezone.now() - timedelta(hours=1)
    poisoned = await stored(queued, alice, created_at=old)
    await stored(queued, bob, created_at=old + timedelta(minutes=1))
    fail_overdue = queue.fail_overdue

    def fail(interruption, **kwargs):
        if interruption.pk == poisoned.pk:
            raise ValueError("this row is odd")
        return fail_overdue(interruption, **kwargs)

    monkeypatch.setattr(queue, "fail_overdue", fail)
    monkeypatch.setattr(queue, "claim", lambda: None)
    async with ear(bob) as told, engines():
        (outcome,) = await told.outcomes()
    assert outcome["errorCode"] == "busy"
    assert outcome["fallback"]["provider"] == "passage_helper" and outcome["fallback"]["responseText"]


# ---------------------------------------------------------------- the channel layer


async def test_answers_are_stored_while_the_layer_is_down(quick, alice, model, monkeypatch):
    async def refuse(*args):
        raise ConnectionError("Redis is away")

    monkeypatch.setattr(get_channel_layer(), "group_send", refuse)
    monkeypatch.setattr(get_channel_layer(), "send", refuse)
    row = await stored(queued, alice)
    async with engines():
        await eventually(row, lambda row: row.state == "answered")


async def test_a_layer_that_hangs_holds_up_neither_acknowledgements_nor_answers(
        quick, settings, serving, alice, model, monkeypatch):
    settings.DURATIONS = replace(quick, layer=0.1, healing=60)

    async def hang(*args):
        await asyncio.Event().wait()

    async with reader(alice) as a:
        monkeypatch.setattr(get_channel_layer(), "group_send", hang)
        for number in range(3):
            acknowledged = await a.ask(f"What is burrow {number}?")
            assert acknowledged["type"] == "INTERRUPTION_ACKNOWLEDGED"
        for row in await stored(lambda: list(alice.reading_session.interruptions.all())):
            await eventually(row, lambda row: row.state == "answered")
        monkeypatch.undo()
        events._silent_until.clear()
        await a.ask("And a pangram?")
        assert await a.answer()  # the layer is believed again


async def test_a_silent_layer_is_passed_over_for_a_while(settings, monkeypatch):
    settings.DURATIONS = replace(Durations(), layer=0.05, healing=60)
    asked = []

    async def hang(*args):
        asked.append(args)
        await asyncio.Event().wait()

    monkeypatch.setattr(get_channel_layer(), "group_send", hang)
    begun = time.monotonic()
    for _ in range(100):
        await events.push("class.1", ["{}"])
    assert len(asked) == 1 and time.monotonic() - begun < 4


# ---------------------------------------------------------------- ends


async def test_a_provider_that_does_not_close_keeps_nothing_else_open(serving_without_engine, alice, monkeypatch):
    class Provider:
        name = "passage_helper"

        def stream(self, request):
            raise RuntimeError("it is broken altogether")

        def answer(self, request):
            return "It may be here.", "text"

        async def close(self):
            raise RuntimeError("and does not close")

    monkeypatch.setattr(tutor, "make_provider", lambda name: Provider())
    background = Background(embedded_engine=True, sockets=False)
    row = await stored(queued, alice)
    await background.start()
    await eventually(row, lambda row: row.state == "queued" and row.attempt == 1)
    await background.stop(drain=0.1)
    for thread in threading.enumerate():
        if thread.name.startswith("tutor"):
            thread.join(5)
            assert not thread.is_alive()
