"""A student's socket from its opening on: the snapshot, heartbeats, presence, and which doors stay shut."""

import asyncio
import dataclasses
import re
import uuid
from datetime import timedelta

import pytest
from channels.layers import get_channel_layer

from classrooms import database
from classrooms.services.texts import create_text
from sessions.models import ConnectionLog, Interruption, ReadingSession
from sessions.pulse import pulse
from sessions.services import presence, reading
from tests.people import PATIENCE, Conversation, application, beat, reader, room, stored


async def test_the_first_message_is_the_whole_state_of_a_new_reading(serving_without_engine, alice, story):
    async with reader(alice) as a:
        assert a.snapshot["payload"] == {
            "protocol": 1, "restored": False,
            "session": {"id": str(alice.reading_session.pk), "nickname": "alice", "activeSeconds": 0},
            "text": {"id": story.pk, "title": story.title, "words": story.word_count, "revision": 1},
            "wordIndex": 0, "furthestWordIndex": 0, "rev": 0, "status": "reading", "preferences": {}, "interruptions": [],
            "classroom": {"id": alice.classroom.pk, "name": "7B", "paused": False, "aiEnabled": True, "broadcasts": []},
            "version": 0, "classVersion": 0, "heartbeatSeconds": 25.0}
        assert (a.snapshot["version"], a.snapshot["classVersion"]) == (0, 0)
        assert await a.hears_nothing()


async def test_a_second_connection_restores_what_the_first_left(swift, serving_without_engine, alice, carol, story):
    async with reader(alice) as a, room(carol) as c:
        await beat(a)
        await a.replied(await a.sends("READING_PROGRESS", {"wordIndex": 40, "rev": 3}), "PROGRESS_SAVED")
        await a.replied(await a.sends("READING_PROGRESS", {"wordIndex": 20, "rev": 4}), "PROGRESS_SAVED")
        await a.replied(await a.sends("SET_PREFERENCES", {"theme": "sepia", "fontScale": 1.5}), "PREFERENCES_SAVED")
        asked = (await a.ask("What is a burrow?"))["payload"]
        for type, payload in (("BROADCAST", {"text": "Good morning"}), ("PAUSE_CLASS", {}),
                              ("FOCUS", {"textId": story.pk, "wordIndex": 40})):
            await c.replied(await c.sends(type, payload), "DONE")
    async with reader(alice) as a:
        restored = a.snapshot["payload"]
        assert restored["restored"] is True
        assert [restored[name] for name in ("wordIndex", "furthestWordIndex", "rev")] == [20, 40, 4]
        assert restored["preferences"] == {"theme": "sepia", "fontScale": 1.5}
        (question,) = restored["interruptions"]
        assert question["interruptionId"] == asked["interruptionId"]
        assert (question["state"], question["questionText"], question["queuePosition"]) == ("queued", "What is a burrow?", 1)
        assert question["askedAt"] == asked["askedAt"]
        classroom = restored["classroom"]
        assert classroom["paused"] is True and classroom["focus"] == {"textId": story.pk, "wordIndex": 40}
        assert [broadcast["kind"] for broadcast in classroom["broadcasts"]] == ["announcement", "pause", "focus"]
        assert (restored["version"], restored["classVersion"]) == (2, 3)


async def test_every_opening_is_logged_with_whether_it_restored(swift, serving_without_engine, alice):
    for _ in range(3):
        async with reader(alice) as a:
            # The first may have noted who opened before this socket did; the next begins after it.
            await beat(a)
            await beat(a)
    rows = await stored(lambda: list(ConnectionLog.objects.order_by("opened_at").values_list("reading_session", "restored")))
    assert rows == [(alice.reading_session.pk, restored) for restored in (False, True, True)]


async def test_a_new_book_opens_in_the_letters_of_the_last_one(swift, serving_without_engine, alice, carol):
    async with reader(alice) as a:
        await a.replied(await a.sends("SET_PREFERENCES", {"font": "readable"}), "PREFERENCES_SAVED")
        await a.replied(await a.sends("SET_PREFERENCES", {"theme": "dark"}), "PREFERENCES_SAVED")
        await a.replied(await a.sends("SET_PREFERENCES", {"font": None}), "PREFERENCES_SAVED")  # not chosen any more
    other = await stored(
        create_text, owner=carol.user, raw="Another\n\nA short tale of a hen.", classrooms=[alice.classroom])
    alice.reading_session = await stored(reading.start_reading, alice.enrollment, text_id=other.pk)
    async with reader(alice) as a:
        assert a.snapshot["payload"]["preferences"] == {"theme": "dark"}


async def test_pong_tells_both_counters_as_the_database_has_them(swift, serving_without_engine, alice, carol):
    async with reader(alice) as a, room(carol) as c:
        assert await beat(a) == {"version": 0, "classVersion": 0}
        # Changed behind every socket's back: only the database knows.
        await stored(ReadingSession.objects.filter(pk=alice.reading_session.pk).update, version=7)
        await stored(type(carol.classroom).objects.filter(pk=carol.classroom.pk).update, version=5)
        assert await beat(a) == {"version": 7, "classVersion": 5}
        assert await beat(c) == {"classVersion": 5}
        a.heard.clear()
        pong = await a.replied(await a.sends("PING", {"version": 7, "classVersion": 5}), "PONG")
        assert pong["payload"] == {"version": 7, "classVersion": 5}


async def test_restore_answers_with_a_snapshot_as_fresh_as_a_new_socket_s(swift, serving_without_engine, alice, carol):
    async with reader(alice) as a, room(carol) as c:
        await a.ask("What is a burrow?")
        await a.replied(await a.sends("READING_PROGRESS", {"wordIndex": 5, "rev": 1}), "PROGRESS_SAVED")
        await c.replied(await c.sends("PAUSE_CLASS"), "DONE")
        again = await a.replied(await a.sends("RESTORE"), "SESSION_RESTORED")
        room_again = await c.replied(await c.sends("RESTORE"), "CLASSROOM_STATE")
        async with reader(alice) as fresh, room(carol) as fresh_room:
            assert again["payload"] | {"restored": True} == fresh.snapshot["payload"] | {"restored": True}
            assert again["version"] == fresh.snapshot["version"] == 1
            assert [room_again["payload"][key] for key in ("interruptions", "broadcasts", "paused", "classVersion")] == [
                fresh_room.snapshot["payload"][key] for key in ("interruptions", "broadcasts", "paused", "classVersion")]


async def test_the_seed_s_address_opens_the_same_session(serving_without_engine, alice):
    async with reader(alice, path=f"/ws/{alice.reading_session.pk}") as a:
        assert a.snapshot["payload"]["session"]["id"] == str(alice.reading_session.pk)


ABSENT = uuid.UUID(int=7)


@pytest.mark.parametrize("who, path", [
    ("bob", "/ws/sessions/{alice}/"), ("mallory", "/ws/sessions/{alice}/"), ("carol", "/ws/sessions/{alice}/"),
    ("bob", "/ws/{alice}"), ("alice", f"/ws/sessions/{ABSENT}/"), ("alice", "/ws/classrooms/{7B}/"),
    ("trent", "/ws/classrooms/{7B}/"), ("carol", "/ws/classrooms/{8A}/"), ("carol", "/ws/classrooms/999999/"),
    ("carol", f"/ws/classrooms/{10**30}/"), ("carol", f"/ws/classrooms/{10**300}/"),
])
async def test_anothers_and_an_absent_one_are_closed_alike_without_a_word(serving_without_engine, school, who, path):
    path = path.replace("{alice}", str(school["alice"].reading_session.pk)).replace(
        "{7B}", str(school["carol"].classroom.pk)).replace("{8A}", str(school["trent"].classroom.pk))
    stranger = Conversation(school[who], path)
    assert await stranger.open()
    assert await stranger.closes() == 4404
    assert stranger.heard == []
    await stranger.leave()


@pytest.fixture
def joining(monkeypatch):
    """The groups that sockets join, in order; and what is said in each of them at that very moment."""
    joined, said = [], []
    layers = type(get_channel_layer())
    join = layers.group_add

    async def noting(layer, group, channel):
        joined.append(group)
        await join(layer, group, channel)
        if said:
            await layer.group_send(group, {"type": "push", "frames": said})

    monkeypatch.setattr(layers, "group_add", noting)
    return joined, said


async def test_groups_are_named_by_numbers_alone(serving_without_engine, joining, alice, carol):
    """Nothing that a client sends, in its address, its messages or their ids, stands in a name as it was sent."""
    async with reader(alice) as a, room(carol) as c:
        await a.ask("room.1 class.1 session.1")
        await c.sends("BROADCAST", {"kind": "announcement", "text": "class.99"})
        for conversation in (a, c):
            await conversation.sends("JOIN", {"group": "class.99"})
            await beat(conversation)
    joined, _ = joining
    assert set(joined) == {f"session.{alice.reading_session.pk.hex}", f"class.{alice.classroom.pk}",
                           f"room.{carol.classroom.pk}"}
    for path in (f"/ws/sessions/{alice.reading_session.pk}/", "/ws/classrooms/000042/", f"/ws/classrooms/{'9' * 300}/"):
        stranger = Conversation(carol, path)
        await stranger.open()
        assert await stranger.closes() == 4404
        await stranger.leave()
    assert all(re.fullmatch(r"session\.[0-9a-f]{32}|(class|room)\.[1-9][0-9]{0,18}", group) for group in joined)


async def test_a_stranger_hears_nothing_of_a_group_that_is_joined_before_rights_are_known(
        serving_without_engine, joining, school, alice, bob, carol):
    joined, said = joining
    said.append('{"type": "INTERRUPTION_RESPONSE", "payload": {}}')
    for person, path in ((carol, f"/ws/classrooms/{school['trent'].classroom.pk}/"),
                         (bob, f"/ws/sessions/{alice.reading_session.pk}/")):
        stranger = Conversation(person, path)
        assert await stranger.open()
        assert await stranger.closes() == 4404
        assert stranger.heard == []
        await stranger.leave()
    assert len(joined) == 2  # it was said to them


@pytest.mark.parametrize("path", ["/ws/sessions/not-a-uuid/", "/ws/classrooms/seven/", "/ws/", "/elsewhere/"])
async def test_an_address_of_no_socket_is_refused(serving_without_engine, alice, path):
    assert not await Conversation(alice, path).open()


@pytest.mark.parametrize("cookie", [None, "", "sessionid=", "sessionid=gone0gone0gone0gone0gone0gone0", "sessionid=\"'\\"])
async def test_a_stranger_is_told_to_log_in_and_nothing_else(serving_without_engine, alice, carol, cookie):
    headers = [header for header in alice.headers if header[0] != b"cookie"]
    headers += [(b"cookie", cookie.encode())] if cookie is not None else []
    for path in (f"/ws/sessions/{alice.reading_session.pk}/", f"/ws/classrooms/{carol.classroom.pk}/"):
        stranger = Conversation(alice, path, headers=headers)
        assert await stranger.open()
        assert await stranger.closes() == 4401
        assert stranger.heard == []
        await stranger.leave()


async def test_sockets_that_were_not_heard_of_for_a_minute_are_closed_while_others_stay(
        swift, serving_without_engine, alice, bob, carol):
    async with reader(alice) as a, reader(bob) as b, room(carol) as c:
        for conversation in (a, b, c):
            await beat(conversation)
        for consumer in (*pulse().readers, *pulse().rooms):
            if getattr(consumer, "reading_session_id", None) != bob.reading_session.pk:
                consumer.last_heard -= swift.heartbeat_timeout
        pulse().look_at_all()
        assert (await a.closes(), await c.closes()) == (4408, 4408)
        await beat(b)
    assert swift.heartbeat_timeout == 60


async def test_who_takes_not_even_the_first_snapshot_is_given_up(
        settings, swift, serving_without_engine, alice, bob, caplog):
    async def to_a_peer_that_takes_nothing(scope, receive, send):
        async def offer(message):
            await (asyncio.Event().wait() if message["type"] == "websocket.send" else send(message))

        await application(scope, receive, offer)

    settings.DURATIONS = dataclasses.replace(swift, slow_reader=0.1)
    deaf = Conversation(alice, f"/ws/sessions/{alice.reading_session.pk}/", application=to_a_peer_that_takes_nothing)
    assert await deaf.open() and await deaf.closes() == 4409
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([deaf.socket.future])
    async with reader(bob) as b:
        await beat(b)
    assert not pulse().sending and not caplog.records


async def test_a_quiet_reader_with_a_heartbeat_is_reading_and_one_without_is_away(serving_without_engine, alice, bob):
    def quiet_for_ten_minutes():
        long_ago = database.now() - timedelta(minutes=10)
        ReadingSession.objects.update(last_seen=long_ago, last_activity=long_ago, connected_at=long_ago)
        presence.record(opened=(), seen={alice.reading_session.pk}, active=set())
        return dict(ReadingSession.objects.values_list("enrollment__nickname", "status"))

    assert await stored(quiet_for_ten_minutes) == {"alice": "reading", "bob": "away", "mallory": "away"}


async def test_a_reader_goes_away_in_silence_and_comes_back_with_the_first_sign_of_life(
        settings, swift, serving_without_engine, alice, carol):
    async with reader(alice) as a, room(carol) as c:
        await beat(a)
        settings.DURATIONS = dataclasses.replace(swift, away=0.2)
        await c.hears("STUDENT_PROGRESS", where=shows(alice, "away"))
        settings.DURATIONS = swift
        await a.sends("PING")
        await c.hears("STUDENT_PROGRESS", where=shows(alice, "reading"))


async def test_a_socket_that_dies_without_a_word_leaves_nothing_behind(
        settings, swift, serving_without_engine, alice, carol):
    async with room(carol) as c:
        a = Conversation(alice, f"/ws/sessions/{alice.reading_session.pk}/")
        await a.open()
        await a.hears("SESSION_RESTORED")
        await beat(a)
        a.socket.future.cancel()  # no disconnect() will run
        settings.DURATIONS = dataclasses.replace(swift, away=0.2)
        await c.hears("STUDENT_PROGRESS", where=shows(alice, "away"))
        settings.DURATIONS = swift
        (dead,) = pulse().readers
        dead.last_heard -= swift.heartbeat_timeout
        pulse().look_at_all()
        while pulse().readers:
            await beat(c)
    async with reader(alice) as a:
        assert a.snapshot["payload"]["restored"] is True


def shows(person, status):
    def seen(frame):
        return any(student["nickname"] == person.enrollment.nickname and student["status"] == status
                   for student in frame["payload"]["students"])
    return seen


async def test_a_session_deleted_under_an_open_socket_does_not_take_the_others_presence_with_it(
        swift, serving_without_engine, alice, bob):
    async with reader(alice) as a, reader(bob) as b:
        await stored(ReadingSession.objects.filter(pk=alice.reading_session.pk).delete)
        await beat(b)
        lost = await a.ask("Am I still here?")
        assert (lost["type"], lost["payload"]["code"]) == ("ERROR", "NOT_FOUND")
        assert (await a.replied(await a.sends("PING"), "PONG"))["payload"] == {}
    assert await stored(lambda: list(ConnectionLog.objects.values_list("reading_session", flat=True))) == [
        bob.reading_session.pk]
    assert await stored(Interruption.objects.count) == 0
