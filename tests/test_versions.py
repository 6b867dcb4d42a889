"""Nothing missed stays missed: an old snapshot and the messages heard since are a fresh snapshot."""

import asyncio
import dataclasses

import pytest

from readerai_site.durations import Limits
from sessions import events
from sessions.models import Broadcast, ReadingSession
from sessions.services import presence
from tests.clients import RoomPage, StudentPage, numbered
from tests.people import browser, reader, room, stored


async def agrees(person, *pages):
    """Hold pages against the snapshot of a socket that opens now."""
    opens = reader if person.reading_session else room
    for page in pages:
        await page.listen()
    async with opens(person) as fresh:
        for page in pages:
            assert numbered(page.state) == numbered(fresh.snapshot["payload"])
            assert not page.waiting
    return fresh.snapshot


async def test_after_every_kind_of_change_both_tabs_show_what_a_fresh_one_does(
        swift, settings, serving, alice, carol, story, model):
    settings.LIMITS = dataclasses.replace(Limits(), questions_per_minute=1_000)
    model.says("A burrow is “a home that an animal digs in the ground” [¶1].")
    async with reader(alice) as a, reader(alice) as tab, room(carol) as c:
        pages = StudentPage(a), StudentPage(tab)

        async def told(type, payload, *replies, by=a):
            return await by.replied(await by.sends(type, payload), *replies)

        async def same():
            return await agrees(alice, *pages)

        # The page's own: place and letters
        await told("READING_PROGRESS", {"wordIndex": 40, "rev": 1}, "PROGRESS_SAVED")
        await same()
        await told("READING_PROGRESS", {"wordIndex": 20, "rev": 2}, "PROGRESS_SAVED", by=tab)
        await same()
        await stored(browser(alice).post, f"/read/{alice.reading_session.pk}/progress/", {"word_index": 30})
        await same()
        await told("SET_PREFERENCES", {"theme": "dark", "fontScale": 1.5, "voice": "Anna"}, "PREFERENCES_SAVED")
        await same()
        await told("SET_PREFERENCES", {"theme": None, "fontScale": 1}, "PREFERENCES_SAVED", by=tab)
        snapshot = await same()
        assert snapshot["payload"]["preferences"] == {"fontScale": 1, "voice": "Anna"} and snapshot["version"] == 2

        # A question: asked, answered, judged, judged again
        model.holds()
        question = {"interruptionId": (await a.ask("What is a burrow?"))["payload"]["interruptionId"]}
        await same()
        model.releases()
        await a.hears("INTERRUPTION_RESPONSE")
        await same()
        await told("RESUME_READING", question | {"understood": True, "helpful": True}, "RESUME_AUDIO")
        snapshot = await same()
        await told("RESUME_READING", question | {"understood": True}, "RESUME_AUDIO", by=tab)  # nothing new in that
        assert (await same())["version"] == snapshot["version"]
        await told("RESUME_READING", question | {"understood": False}, "RESUME_AUDIO", by=tab)
        snapshot = await same()
        assert snapshot["payload"]["interruptions"][0]["understood"] is False
        assert snapshot["payload"]["interruptions"][0]["helpful"] is True

        # A question taken back; one that fails, with the helper's answer beside it
        model.holds()
        question = {"interruptionId": (await a.ask("What is a fox?"))["payload"]["interruptionId"]}
        await told("CANCEL_INTERRUPTION", question, "INTERRUPTION_ERROR", by=tab)
        snapshot = await same()
        assert snapshot["payload"]["interruptions"][1]["state"] == "cancelled"
        model.releases()
        model.behaves("401")
        await tab.ask("What is a lamp?")
        await a.hears("INTERRUPTION_ERROR", where=lambda frame: frame["payload"]["errorCode"] != "cancelled")
        snapshot = await same()
        assert [view["state"] for view in snapshot["payload"]["interruptions"]] == ["answered", "cancelled", "failed"]
        assert snapshot["payload"]["interruptions"][2]["fallback"]["provider"] == "passage_helper"

        # What the teacher says to all
        for type, payload in (("BROADCAST", {"text": "Good morning"}), ("PAUSE_CLASS", {}), ("RESUME_CLASS", {}),
                              ("FOCUS", {"textId": story.pk, "wordIndex": 40}), ("PAUSE_CLASS", {})):
            await told(type, payload, "DONE", by=c)
            await same()
    assert model.count("burrow") == 1


async def test_more_than_a_snapshot_holds_is_dropped_from_the_same_end(swift, settings, serving, alice, carol):
    settings.LIMITS = dataclasses.replace(Limits(), questions_per_minute=1_000)
    async with reader(alice) as a, room(carol) as c:
        page = StudentPage(a)
        for number in range(23):
            await a.ask(f"What is a burrow, number {number}?")
            await a.hears("INTERRUPTION_RESPONSE")
            await c.replied(await c.sends("BROADCAST", {"text": f"Number {number}"}), "DONE")
        snapshot = await agrees(alice, page)
        assert len(snapshot["payload"]["interruptions"]) == len(snapshot["payload"]["classroom"]["broadcasts"]) == 20


async def test_thirty_changes_at_once_leave_no_gap_on_any_socket(swift, settings, serving_without_engine, alice, bob):
    settings.LIMITS = dataclasses.replace(Limits(), questions_per_minute=1_000, burst=1_000, flood_burst=1_000)
    async with reader(alice) as a, reader(alice) as tab, reader(alice) as phone, reader(bob) as b:
        sockets = [a, tab, phone]
        pages = [StudentPage(conversation) for conversation in sockets]
        his = StudentPage(b)
        for number in range(30):
            conversation = sockets[number % 3]
            if number % 2:
                await conversation.sends("SET_PREFERENCES", {"fontScale": 1 + number / 100})
            else:
                await conversation.sends("STUDENT_INTERRUPTION", {"questionText": f"Question {number}?"})
        for page in pages:
            while page.numbers["version"] < 30:
                await page.listen()
            assert page.applied == [("version", number) for number in range(1, 31)]
        snapshot = await agrees(alice, *pages)
        assert snapshot["version"] == 30 and len(snapshot["payload"]["interruptions"]) == 15
        await his.listen()
        assert his.numbers["version"] == 0 and his.applied == []


async def test_thirty_acts_of_two_teachers_at_once_reach_every_student_in_one_order(
        swift, settings, serving_without_engine, alice, bob, mallory, carol, trent):
    settings.LIMITS = dataclasses.replace(Limits(), burst=1_000, flood_burst=1_000)
    await stored(carol.classroom.teachers.add, trent.user)
    helper = dataclasses.replace(trent, classroom=carol.classroom)
    async with reader(alice) as a, reader(bob) as b, reader(mallory) as m, room(carol) as c, room(helper) as h:
        pages = hers, his, first, second = StudentPage(a), StudentPage(b), RoomPage(c), RoomPage(h)
        acts = [("BROADCAST", {"text": "Good morning"}), ("PAUSE_CLASS", {}), ("RESUME_CLASS", {})]
        await asyncio.gather(*((c, h)[number % 2].sends(*acts[number % 3]) for number in range(30)))
        for page in pages:
            while page.numbers["classVersion"] < 30:
                await page.listen()
            assert page.applied == [("classVersion", number) for number in range(1, 31)]
        assert hers.state["classroom"]["broadcasts"] == his.state["classroom"]["broadcasts"]
        assert first.state["broadcasts"] == second.state["broadcasts"] == hers.state["classroom"]["broadcasts"]
        await agrees(alice, hers)
        assert await m.hears_nothing()
    versions = await stored(lambda: list(Broadcast.objects.order_by("version").values_list("version", flat=True)))
    assert versions == list(range(1, 31))


class Losing:
    """A channel layer that loses the pushes for which `loses(group, frames)` is true."""

    def __init__(self, monkeypatch, loses):
        self.lost = 0
        push = events.push

        async def maybe(group, frames, *, exclude=""):
            frames = list(frames)
            if loses(group, frames):
                self.lost += 1
            else:
                await push(group, frames, exclude=exclude)

        monkeypatch.setattr(events, "push", maybe)


@pytest.mark.parametrize("loses", ["every", "first"])
async def test_a_page_that_missed_something_learns_so_from_pong_and_restores(
        monkeypatch, swift, serving_without_engine, alice, bob, carol, loses):
    async with reader(alice) as a, reader(alice) as tab, reader(bob) as b, room(carol) as c:
        page, his = StudentPage(tab), StudentPage(b)
        layer = Losing(monkeypatch, lambda group, frames: loses == "every" or layer.lost < 2)
        await a.replied(await a.sends("SET_PREFERENCES", {"theme": "dark"}), "PREFERENCES_SAVED")
        await c.replied(await c.sends("PAUSE_CLASS"), "DONE")
        await a.ask("What is a burrow?")
        assert layer.lost >= 2
        for person, watched, conversation in ((alice, page, tab), (bob, his, b)):
            await conversation.replied(await conversation.sends("PING", {"version": 0, "classVersion": 0}), "PONG")
            assert watched.is_behind()
            await watched.restores()
            await agrees(person, watched)
        assert page.state["preferences"] == {"theme": "dark"} and his.state["classroom"]["paused"] is True


async def test_a_page_that_is_behind_its_own_snapshot_is_told_without_asking(
        swift, serving_without_engine, alice, carol, monkeypatch):
    """What was said to the class between the snapshot's reading and the joining of the class's group."""
    look_up = presence.session_versions

    def look_up_late(ids):
        # Behind the layer's back, before the pulse compares the counters for the first time.
        ReadingSession.objects.filter(pk=alice.reading_session.pk).update(version=3)
        return look_up(ids)

    monkeypatch.setattr(presence, "session_versions", look_up_late)
    async with reader(alice) as a:
        assert (await a.hears("PONG"))["payload"] == {"version": 3, "classVersion": 0}
