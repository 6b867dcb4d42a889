"""The teacher's room: what it shows at first, what it is told, and that it heals when the layer loses everything."""

import asyncio
import dataclasses
import time
from datetime import timedelta

from django.utils import timezone

from classrooms.models import Classroom, Enrollment
from classrooms.services.doors import join_classroom
from classrooms.services.roster import remove_student
from readerai_site.durations import Durations, Limits
from sessions import events
from sessions.models import Broadcast, ReadingSession
from sessions.pulse import pulse
from sessions.services import presence, snapshots
from tests.clients import RoomPage, numbered
from tests.people import PATIENCE, beat, reader, room, seat, stored


def state_of(classroom) -> dict:
    """What a snapshot would say now; asked of the service, for a room that opens makes all of them be told again."""
    return snapshots.classroom_state(Classroom.objects.get(pk=classroom.pk)).model_dump(
        mode="json", by_alias=True, exclude_none=True)


async def settles(page, classroom) -> dict:
    """Wait until a room shows what the database says, one pulse after another; return that."""
    started = time.monotonic()
    while True:
        await page.listen()
        truth = numbered(await stored(state_of, classroom))
        if numbered(page.state) == truth:
            return truth
        if time.monotonic() - started > PATIENCE:
            assert numbered(page.state) == truth


async def test_the_first_message_is_the_whole_class(swift, serving_without_engine, alice, bob, carol, story):
    async with room(carol) as c:
        shown = c.snapshot["payload"]
        assert shown.pop("tutorRunning") is False
        assert {name: value for name, value in shown.items() if name != "students"} == {
            "protocol": 1, "id": carol.classroom.pk, "name": "7B", "paused": False, "aiEnabled": True,
            "texts": [{"id": story.pk, "title": story.title, "words": story.word_count, "revision": 1,
                       "pageStarts": story.page_starts}], "interruptions": [],
            "paragraphCounts": [], "broadcasts": [], "classVersion": 0, "heartbeatSeconds": 25.0}
        assert [(row["nickname"], row["status"], row["words"]) for row in shown["students"]] == [
            ("alice", "new", story.word_count), ("bob", "new", story.word_count)]
    async with reader(alice) as a, room(carol) as c:
        await beat(a)
        await a.replied(await a.sends("READING_PROGRESS", {"wordIndex": 80, "rev": 1}), "PROGRESS_SAVED")
        asked = (await a.ask("What is a pangram?", context={"currentWordIndex": 38}))["payload"]
        await c.replied(await c.sends("FOCUS", {"textId": story.pk, "wordIndex": 38}), "DONE")
        async with room(carol) as fresh:
            shown = fresh.snapshot["payload"]
    her, him = shown["students"]
    assert her.pop("lastSeen") <= time.time()
    assert her == {
        "enrollmentId": alice.enrollment.pk, "nickname": "alice", "sessionId": str(alice.reading_session.pk),
        "textId": story.pk, "wordIndex": 80, "furthestWordIndex": 80, "words": story.word_count, "page": 2,
        "status": "asking", "lastQuestion": "What is a pangram?"}
    assert him["status"] == "new" and "lastSeen" not in him
    (question,) = shown["interruptions"]
    assert question == {
        "interruptionId": asked["interruptionId"], "state": "queued", "questionText": "What is a pangram?", "wordIndex": 38,
        "paragraph": 2, "askedAt": asked["askedAt"], "attempt": 0, "enrollmentId": alice.enrollment.pk, "nickname": "alice",
        "textId": story.pk, "sessionId": str(alice.reading_session.pk)}
    assert shown["paragraphCounts"] == [{"textId": story.pk, "paragraph": 2, "questions": 1}]
    assert shown["focus"] == {"textId": story.pk, "wordIndex": 38} and shown["classVersion"] == 1


async def test_a_student_who_joins_is_seen_at_once_in_the_room_of_that_class(swift, serving_without_engine, carol, trent):
    async with room(carol) as c, room(carol) as other, room(trent) as t:
        page = RoomPage(c)
        await beat(t)
        t.heard.clear()
        enrollment = await stored(join_classroom, code=carol.classroom.code, nickname="Zoë", pin="4321", address="10.0.0.9")
        for conversation in (c, other):
            joined = (await conversation.hears("STUDENT_JOINED"))["payload"]["student"]
            assert joined == {"enrollmentId": enrollment.pk, "nickname": "Zoë", "wordIndex": 0, "furthestWordIndex": 0,
                              "words": 0, "page": 0, "status": "new"}
        await settles(page, carol.classroom)
        # The same door again: coming back is not joining.
        await stored(join_classroom, code=carol.classroom.code, nickname="Zoë", pin="4321", address="10.0.0.9")
        await beat(c)
        await beat(t)
        for conversation in (c, t):
            assert "STUDENT_JOINED" not in {frame["type"] for frame in conversation.heard}
        assert not any("Zoë" in str(frame) for frame in t.heard)


async def test_a_joining_that_the_layer_lost_is_told_by_the_pulse(swift, deaf, serving_without_engine, carol):
    async with room(carol) as c:
        page = RoomPage(c)
        enrollment = await stored(join_classroom, code=carol.classroom.code, nickname="Zoë", pin="4321", address="10.0.0.9")
        told = await c.hears("STUDENT_PROGRESS", where=lambda frame: any(
            row["enrollmentId"] == enrollment.pk for row in frame["payload"]["students"]))
        assert [row["status"] for row in told["payload"]["students"] if row["enrollmentId"] == enrollment.pk] == ["new"]
        await settles(page, carol.classroom)


async def test_a_removed_student_leaves_the_room_with_all_their_questions(swift, serving_without_engine, alice, bob, carol):
    async with reader(alice) as a, reader(bob) as b, room(carol) as c:
        page = RoomPage(c)
        await a.ask("What is a burrow?")
        await b.ask("What is a fox?")
        await c.hears("HEATMAP_UPDATED", where=lambda frame: sum(
            row["questions"] for row in frame["payload"]["paragraphCounts"]) == 2)
        await stored(remove_student, alice.enrollment)
        gone = (await c.hears("STUDENT_PRESENCE"))["payload"]
        assert gone == {"students": [], "removed": [alice.enrollment.pk]}
        truth = await settles(page, carol.classroom)
        assert [row["nickname"] for row in truth["students"]] == ["bob"]
        assert [row["nickname"] for row in truth["interruptions"]] == ["bob"]
        assert sum(row["questions"] for row in page.state["paragraphCounts"]) == 1


async def test_a_process_that_stood_still_tells_what_it_slept_through(swift, deaf, serving_without_engine, alice, carol):
    """Stopped, or without its database, for longer than a change counts as new."""
    def moved_a_minute_ago():
        ReadingSession.objects.filter(pk=alice.reading_session.pk).update(
            word_index=33, changed_at=timezone.now() - timedelta(minutes=1))

    async with room(carol) as c:
        page = RoomPage(c)
        await beat(c)
        await stored(moved_a_minute_ago)
        pulse()._changes_read_at -= 90
        await settles(page, carol.classroom)
        assert {row["nickname"]: row["wordIndex"] for row in page.state["students"]} == {"alice": 33, "bob": 0}


async def test_all_students_changes_come_together_once_a_pulse(
        monkeypatch, settings, serving_without_engine, alice, bob, carol):
    settings.DURATIONS = dataclasses.replace(Durations(), pulse=0.2)
    pulses = []
    changes = presence.changes
    monkeypatch.setattr(presence, "changes", lambda watched, **more: pulses.append(watched) or changes(watched, **more))
    assert Durations().pulse == 1.0, "at most one a second"
    async with reader(alice) as a, reader(bob) as b, room(carol) as c:
        page = RoomPage(c)
        for rev in range(1, 16):
            for conversation in (a, b):
                await conversation.sends("READING_PROGRESS", {"wordIndex": rev, "rev": rev})
        for conversation in (a, b):
            await conversation.hears("PROGRESS_SAVED", where=lambda frame: frame["payload"]["rev"] == 15)
        await settles(page, carol.classroom)
        told = [frame for frame in c.heard if frame["type"] == "STUDENT_PROGRESS"]
        assert 1 <= len(told) <= len(pulses)
        assert {row["nickname"]: row["wordIndex"] for row in page.state["students"]} == {"alice": 15, "bob": 15}


async def test_a_question_is_opened_told_piece_by_piece_and_answered(swift, serving, alice, carol, trent, model):
    model.says("A burrow ", "is a home.")
    model.holds()
    async with reader(alice) as a, room(carol) as c, room(trent) as t:
        page = RoomPage(c)
        asked = (await a.ask("What is a burrow?", context={"currentWordIndex": 12}))["payload"]
        opened = (await c.hears("INTERRUPTION_OPENED"))["payload"]["interruption"]
        assert (opened["interruptionId"], opened["nickname"], opened["questionText"]) == (
            asked["interruptionId"], "alice", "What is a burrow?")
        delta = (await c.hears("INTERRUPTION_RESPONSE_DELTA"))["payload"]
        assert delta == {"interruptionId": asked["interruptionId"], "attempt": 1, "fromChar": 0, "text": "A burrow "}
        model.releases()
        answered = (await c.hears("INTERRUPTION_ANSWERED"))["payload"]["interruption"]
        assert (answered["responseText"], answered["state"]) == ("A burrow is a home.", "answered")
        model.behaves("401")
        await a.ask("What is a fox?")
        failed = (await c.hears("INTERRUPTION_FAILED"))["payload"]["interruption"]
        assert (failed["state"], failed["errorCode"]) == ("failed", "llm_unavailable") and failed["fallback"]["responseText"]
        await a.replied(await a.sends("RESUME_READING", {
            "interruptionId": asked["interruptionId"], "understood": False}), "RESUME_AUDIO")
        judged = (await c.hears("INTERRUPTION_ANSWERED", where=lambda frame: "understood" in str(frame)))["payload"]
        assert judged["interruption"]["understood"] is False
        await settles(page, carol.classroom)
        await beat(t)
        assert not any("burrow" in str(frame) or "alice" in str(frame) for frame in t.heard)


async def test_a_deaf_room_sees_every_question_and_its_outcome_all_the_same(
        swift, deaf, serving, alice, bob, carol):
    """Nothing of the layer arrives; what the pulse reads from the database is enough."""
    async with reader(alice) as a, reader(bob) as b, room(carol) as c:
        page = RoomPage(c)
        await a.ask("What is a pangram?", context={"currentWordIndex": 38})
        question = {"interruptionId": (await b.ask("What is a burrow?"))["payload"]["interruptionId"]}
        await b.replied(await b.sends("CANCEL_INTERRUPTION", question), "INTERRUPTION_ERROR", "INTERRUPTION_RESPONSE")
        await b.replied(await b.sends("READING_PROGRESS", {"wordIndex": 60, "rev": 1}), "PROGRESS_SAVED")
        await c.hears("INTERRUPTION_ANSWERED", where=lambda frame: "pangram" in str(frame))
        truth = await settles(page, carol.classroom)
        assert {row["questionText"] for row in truth["interruptions"]} == {"What is a pangram?", "What is a burrow?"}
        assert page.state["paragraphCounts"] == truth["paragraphCounts"] != []


async def test_a_room_that_opens_is_told_again_what_changed_while_its_snapshot_was_read(
        swift, serving_without_engine, alice, carol):
    async with reader(alice) as a, room(carol) as c:
        await a.replied(await a.sends("READING_PROGRESS", {"wordIndex": 60, "rev": 1}), "PROGRESS_SAVED")
        await c.hears("STUDENT_PROGRESS", where=lambda frame: "'wordIndex': 60" in str(frame))
        for _ in range(3):
            await beat(c)
        assert "'wordIndex': 60" not in str(c.heard), "told once is enough for a room that was there"
        async with room(carol) as late:
            await late.hears("STUDENT_PROGRESS", where=lambda frame: "'wordIndex': 60" in str(frame))


ACTS = [("BROADCAST", {"text": "Good morning"}, "announcement"), ("FOCUS", {"wordIndex": 40}, "focus"),
        ("PAUSE_CLASS", {}, "pause"), ("RESUME_CLASS", {}, "resume")]


async def test_an_act_on_the_class_reaches_all_in_it_and_nobody_else(
        swift, serving_without_engine, alice, bob, mallory, carol, trent, story):
    async with (reader(alice) as a, reader(bob) as b, reader(mallory) as m, room(carol) as c, room(carol) as other,
                room(trent) as t):
        page = RoomPage(other)
        for number, (type, payload, kind) in enumerate(ACTS, start=1):
            payload = payload | ({"textId": story.pk} if type == "FOCUS" else {})
            done = await c.replied(await c.sends(type, payload), "DONE")
            assert done["payload"] == {}
            frames = [await conversation.hears("CLASS_BROADCAST") for conversation in (a, b, c, other)]
            for frame in frames:
                assert (frame["payload"]["kind"], frame["classVersion"]) == (kind, number)
                assert frame["payload"] == frames[0]["payload"] and payload.items() <= frame["payload"].items()
        await beat(t)
        assert await m.hears_nothing()
        assert "CLASS_BROADCAST" not in {frame["type"] for frame in t.heard}
        await settles(page, carol.classroom)
    said = Broadcast.objects.order_by("version").values_list("kind", "teacher__username", "version")
    rows = await stored(lambda: list(said))
    assert rows == [(kind, "carol", number) for number, (_, _, kind) in enumerate(ACTS, start=1)]
    classroom = await stored(Classroom.objects.get, pk=carol.classroom.pk)
    assert (classroom.paused, classroom.focus_text_id, classroom.focus_word_index, classroom.version) == (
        False, story.pk, 40, 4)
    assert (await stored(Classroom.objects.get, pk=trent.classroom.pk)).version == 0


async def test_a_focus_on_a_text_of_another_class_is_not_found(swift, serving_without_engine, carol, trent, story):
    await stored(carol.classroom.texts.remove, story)  # trent's class still reads it
    async with room(carol) as c:
        refused = await c.replied(await c.sends("FOCUS", {"textId": story.pk, "wordIndex": 0}), "ERROR")
        absent = await c.replied(await c.sends("FOCUS", {"textId": 10**6, "wordIndex": 0}), "ERROR")
        assert refused["payload"] == absent["payload"] and refused["payload"]["code"] == "NOT_FOUND"
    assert (await stored(Classroom.objects.get, pk=carol.classroom.pk)).version == 0


async def test_the_map_of_questions_is_told_at_most_once_in_its_time(
        settings, swift, serving_without_engine, alice, carol, story):
    settings.LIMITS = dataclasses.replace(Limits(), questions_per_minute=1_000)
    settings.DURATIONS = dataclasses.replace(swift, heatmap=3_600.0)
    assert Durations().heatmap == 2.0
    async with reader(alice) as a, room(carol) as c:
        for place in (12, 38, 38):
            await a.ask("What is this?", context={"currentWordIndex": place})
            await beat(c)
            await beat(c)
        assert len([frame for frame in c.heard if frame["type"] == "HEATMAP_UPDATED"]) == 1
        settings.DURATIONS = swift
        counts = await c.hears("HEATMAP_UPDATED", where=lambda frame: sum(
            row["questions"] for row in frame["payload"]["paragraphCounts"]) == 3)
        assert counts["payload"]["paragraphCounts"] == [
            {"textId": story.pk, "paragraph": 1, "questions": 1}, {"textId": story.pk, "paragraph": 2, "questions": 2}]


async def test_a_whole_class_that_reads_at_once_is_shown_right(swift, serving_without_engine, carol, story):
    students = 35
    seats = await stored(lambda: [seat(carol.classroom, f"student {number}", story) for number in range(students)])
    async with room(carol) as c:
        page = RoomPage(c)
        opened = [reader(person) for person in seats]
        conversations = await asyncio.gather(*(opening.__aenter__() for opening in opened))
        for number, conversation in enumerate(conversations):
            await conversation.sends("READING_PROGRESS", {"wordIndex": number, "rev": 1})
        for conversation in conversations:
            await conversation.hears("PROGRESS_SAVED")
        truth = await settles(page, carol.classroom)
        assert sorted(row["wordIndex"] for row in truth["students"]) == sorted([0, 0, *range(students)])
        await asyncio.gather(*(opening.__aexit__(None, None, None) for opening in opened))
    assert await stored(Enrollment.objects.filter(classroom=carol.classroom).count) == students + 2


def test_group_names_hold_numbers_of_ours_and_nothing_a_client_said(alice, carol):
    assert events.session_group(alice.reading_session.pk) == f"session.{alice.reading_session.pk.hex}"
    assert (events.class_group(carol.classroom.pk), events.room_group(carol.classroom.pk)) == (
        f"class.{carol.classroom.pk}", f"room.{carol.classroom.pk}")


async def test_a_room_that_closes_while_pings_are_answered_costs_nobody_their_pong(
        monkeypatch, swift, serving_without_engine, alice, carol):
    beating, found = pulse(), presence.class_versions
    monkeypatch.setattr(presence, "class_versions", lambda ids: beating.rooms.clear() or found(ids))
    async with reader(alice) as a, room(carol) as c:
        for _ in range(3):
            await c.sends("PING")
            await beat(a)
