"""What ends a socket: removal, log-out, another password, a disabled account. The row in the database is enough,
for the channel layer is deaf in all of these."""

import contextlib
import dataclasses
import time
from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from classrooms.database import transaction
from classrooms.models import Classroom, User
from classrooms.services.doors import enroll
from classrooms.services.roster import remove_student
from readerai_site.durations import Durations
from sessions.models import Eviction, Interruption
from sessions.pulse import pulse
from sessions.services import access
from tests.people import Closed, Conversation, beat, browser, log_in, reader, room, stored


@pytest.fixture
def serving_deaf(swift, deaf, serving_without_engine):
    """A web process whose layer is deaf. Its pulse, once a second when not swift, is what closes sockets."""
    assert Durations().pulse <= 1


async def opens_and_is_closed(person, path, *, code):
    """Open a socket that must be closed with `code` before it says anything."""
    refused = Conversation(person, path)
    assert await refused.open()
    assert await refused.closes() == code
    assert refused.heard == []
    await refused.leave()


async def test_a_removed_student_is_put_out_and_kept_out_and_nothing_more_is_stored(
        serving_deaf, alice, bob, mallory, carol):
    async with reader(alice) as a, reader(alice) as tab, reader(bob) as b, reader(mallory) as m, room(carol) as c:
        await stored(remove_student, alice.enrollment)
        with contextlib.suppress(Closed):  # the pulse may be faster than the question
            refused = await a.ask("May I still ask?")
            assert (refused["type"], refused["payload"]["code"]) == ("ERROR", "NOT_FOUND")
        assert (await a.closes(), await tab.closes()) == (4403, 4403)
        for conversation in (b, m, c):
            await beat(conversation)
    await opens_and_is_closed(alice, f"/ws/sessions/{alice.reading_session.pk}/", code=4403)
    await opens_and_is_closed(alice, f"/ws/sessions/{bob.reading_session.pk}/", code=4404)
    assert await stored(Interruption.objects.count) == 0


async def test_a_removed_student_hears_no_more_of_an_answer(swift, serving, alice, carol, model):
    model.says("A burrow ", "is a home.")
    model.holds()
    async with reader(alice) as a, room(carol) as c:
        await a.ask("What is a burrow?")
        await a.hears("INTERRUPTION_RESPONSE_DELTA")
        await stored(remove_student, alice.enrollment)
        assert await a.closes() == 4403
        a.heard.clear()
        model.releases()
        await c.hears("INTERRUPTION_ANSWERED")
        assert a.heard == [] and await a.socket.receive_nothing()


async def test_logging_out_closes_that_log_in_s_sockets_and_no_other(serving_deaf, alice, bob, carol):
    elsewhere = dataclasses.replace(alice, cookie=await stored(log_in, alice.user))
    async with reader(alice) as a, reader(elsewhere) as other, reader(bob) as b, room(carol) as c:
        assert (await stored(browser(alice).post, "/logout/")).status_code == 302
        assert await a.closes() == 4401
        await stored(browser(carol).post, "/logout/")
        assert await c.closes() == 4401
        for conversation in (other, b):
            await beat(conversation)
    await opens_and_is_closed(alice, f"/ws/sessions/{alice.reading_session.pk}/", code=4401)


async def test_another_password_closes_all_sockets_but_those_of_the_new_log_in(serving_deaf, carol, trent, alice):
    def change_password():
        user = User.objects.get(pk=carol.user.pk)
        user.set_password("battery staple")
        user.save()
        return dataclasses.replace(carol, user=user, cookie=log_in(user))

    async with room(carol) as c, room(trent) as t, reader(alice) as a:
        back = await stored(change_password)
        async with room(back) as again:
            assert await c.closes() == 4401
            for conversation in (again, t, a):
                await beat(conversation)
    await opens_and_is_closed(carol, f"/ws/classrooms/{carol.classroom.pk}/", code=4401)


@pytest.mark.parametrize("who", ["alice", "carol"])
async def test_a_disabled_account_is_closed_everywhere(serving_deaf, school, bob, who):
    person = school[who]
    person = dataclasses.replace(person, cookie=await stored(log_in, person.user))

    def disable():
        user = User.objects.get(pk=person.user.pk)
        user.is_active = False
        user.save()

    opens = reader if who == "alice" else room
    async with opens(school[who]) as one, opens(person) as two, reader(bob) as b:
        await stored(disable)
        assert (await one.closes(), await two.closes()) == (4401, 4401)
        await beat(b)
    path = one.socket.scope["path"]
    await opens_and_is_closed(person, path, code=4401)


@pytest.mark.parametrize("how", ["remove", "clear", "reverse"])
async def test_a_teacher_who_no_longer_teaches_the_class_is_put_out_of_its_room(serving_deaf, carol, trent, how):
    def leave_class():
        classroom = Classroom.objects.get(pk=carol.classroom.pk)
        if how == "remove":
            classroom.teachers.remove(carol.user)
        elif how == "clear":
            classroom.teachers.clear()
        else:
            carol.user.classrooms.remove(classroom)

    async with room(carol) as c, room(trent) as t:
        await stored(leave_class)
        assert await c.closes() == 4403
        await beat(t)
    await opens_and_is_closed(carol, f"/ws/classrooms/{carol.classroom.pk}/", code=4404)


async def test_a_room_that_asks_for_its_state_without_the_right_to_it_is_closed(swift, serving_without_engine, carol):
    async with room(carol) as c:
        # Behind the signals' back, so that only the look-up can tell.
        await stored(Classroom.teachers.through.objects.filter(user=carol.user).delete)
        await c.sends("RESTORE")
        assert await c.closes() == 4404


async def test_an_eviction_is_heeded_even_by_a_socket_that_looked_up_its_rights_just_before_it_was_committed(
        serving_deaf, alice, bob):
    """The row's time may lie before the look-up, when its transaction ended after it."""
    await stored(access.evict, alice.user, code=4403, classroom=alice.classroom)
    async with reader(alice) as a, reader(bob) as b:
        assert await a.closes() == 4403
        await beat(b)


async def test_a_process_that_stood_still_heeds_what_it_slept_through(serving_deaf, alice, bob):
    """Stopped, or without its database, for longer than an eviction counts as new."""
    def removed_a_minute_ago():
        with transaction():
            remove_student(alice.enrollment)
            Eviction.objects.update(created_at=timezone.now() - timedelta(minutes=1))

    async with reader(alice) as a, reader(bob) as b:
        await beat(b)
        await stored(removed_a_minute_ago)
        pulse()._evictions_read_at -= 90
        assert await a.closes() == 4403
        await beat(b)


async def test_old_evictions_concern_nobody(serving_deaf, alice):
    def evicted_a_minute_ago():
        access.evict(alice.user, code=4403, classroom=alice.classroom)
        Eviction.objects.update(created_at=Eviction.objects.get().created_at.replace(year=2020))

    await stored(evicted_a_minute_ago)
    async with reader(alice) as a:
        await beat(a)
        await beat(a)


@pytest.mark.parametrize("who", ["alice", "carol"])
async def test_a_log_in_ends_after_twelve_hours_whatever_the_heartbeat(serving_deaf, school, who):
    person = school[who]

    def logged_in_ago(seconds):
        store = SessionStore(person.cookie)
        store["auth_at"] = time.time() - seconds
        store["last_activity"] = time.time()
        store.save()

    path = (f"/ws/sessions/{person.reading_session.pk}/" if who == "alice" else f"/ws/classrooms/{person.classroom.pk}/")
    await stored(logged_in_ago, 12 * 3600 + 1)
    await opens_and_is_closed(person, path, code=4401)
    await stored(logged_in_ago, 12 * 3600 - 60)
    async with (reader if who == "alice" else room)(person) as conversation:
        await beat(conversation)
        (consumer,) = (*pulse().readers, *pulse().rooms)
        assert timedelta(seconds=50) < consumer.access.until - timezone.now() < timedelta(seconds=60)
        consumer.access = dataclasses.replace(consumer.access, until=timezone.now())
        pulse().look_at_all()
        await conversation.sends("PING")
        assert await conversation.closes() == 4401


async def test_a_nickname_may_come_back_under_another_enrollment(serving_deaf, alice, bob):
    async with reader(alice) as a, reader(bob) as b:
        await stored(remove_student, alice.enrollment)
        await stored(enroll, alice.classroom, nickname="alice", pin="4321")
        assert await a.closes() == 4403
        await beat(b)
