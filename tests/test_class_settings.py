"""What teachers set about a class: its name, door, AI and budget; who else teaches it; whether it is put away."""

import re
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from classrooms.models import Classroom, User
from classrooms.services.classes import LastTeacher, archive_classroom, remove_teacher, unarchive_classroom
from classrooms.services.roster import remove_student
from sessions.errors import NotFound, SessionGone
from sessions.messages.client import StudentInterruption
from sessions.models import Broadcast, Eviction, Interruption
from sessions.services import questions
from sessions.services.classes import tell_class
from sessions.writes import ReceiptKey, run_batch
from tests.people import Conversation, beat, browser, queued, reader, room, seat, stored

pytestmark = pytest.mark.usefixtures("quick_hashing")
ALL = {"name": "7B", "is_open": "on", "ai_enabled": "on", "daily_questions": ""}


def settings_of(person) -> str:
    return f"/classes/{person.classroom.pk}/settings/"


def add(person, name, client=None):
    return (client or browser(person)).post(f"/classes/{person.classroom.pk}/teachers/", {"name": name})


def join(classroom, nickname="alice", pin="1234") -> int:
    return Client().post("/join/", {"code": classroom.code, "nickname": nickname, "pin": pin}).status_code


@pytest.fixture
def dan(school):
    """Another teacher, whose address is confirmed."""
    return User.objects.create(username="dan", email="dan@school.example", email_confirmed=True)


def test_all_is_set_on_one_page(carol):
    client = browser(carol)
    form = {"name": "7B reads", "daily_questions": "200"}  # boxes that are not ticked are not sent
    assert client.post(settings_of(carol), form)["Location"] == settings_of(carol)
    classroom = Classroom.objects.get(pk=carol.classroom.pk)
    assert (classroom.name, classroom.is_open, classroom.ai_enabled, classroom.daily_questions) == (
        "7B reads", False, False, 200)
    assert b"7B reads" in client.get(settings_of(carol)).content
    client.post(settings_of(carol), ALL)
    classroom.refresh_from_db()
    assert (classroom.name, classroom.is_open, classroom.ai_enabled, classroom.daily_questions) == ("7B", True, True, None)


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "a\x07"}, {"name": "x" * 101}, {"daily_questions": "0"},
                                   {"daily_questions": "-3"}, {"daily_questions": "many"}, {"daily_questions": "1" * 20}])
def test_what_cannot_be_set_changes_nothing(carol, wrong):
    before = Classroom.objects.filter(pk=carol.classroom.pk).values().get()
    response = browser(carol).post(settings_of(carol), ALL | {"is_open": ""} | wrong)
    assert response.status_code == 400 and set(response.context["form"].errors) == set(wrong)
    assert Classroom.objects.filter(pk=carol.classroom.pk).values().get() == before


def test_nothing_else_of_a_class_is_set_by_form(carol):
    code = carol.classroom.code
    browser(carol).post(settings_of(carol), ALL | {"code": "AAAABBBB", "version": "99", "archived_at": "2026-01-01"})
    classroom = Classroom.objects.get(pk=carol.classroom.pk)
    assert (classroom.code, classroom.version, classroom.archived_at) == (code, 0, None)


def shown_on(page) -> dict:
    """Return what a browser would send of a page on which nothing was touched."""
    form = page.context["form"]
    html = page.content.decode()
    sent = {field.html_initial_name: re.search(
        rf'type="hidden" name="{field.html_initial_name}"(?: value="([^"]*)")?', html)[1] or "" for field in form}
    return sent | {field.html_name: field.value() or "" for field in form}


def settings_now(classroom) -> tuple:
    return Classroom.objects.values_list("name", "is_open", "ai_enabled", "daily_questions", "version").get(pk=classroom.pk)


def test_a_page_that_was_opened_earlier_saves_what_was_changed_on_it(carol, trent):
    add(carol, "trent")
    earlier = shown_on(browser(carol).get(settings_of(carol)))
    colleague = browser(trent)
    colleague.post(settings_of(carol), shown_on(colleague.get(settings_of(carol))) | {
        "name": "7B reads", "ai_enabled": "", "daily_questions": "50"})
    assert browser(carol).post(settings_of(carol), earlier | {"is_open": ""}).status_code == 302
    assert settings_now(carol.classroom) == ("7B reads", False, False, 50, 2)
    assert browser(carol).post(settings_of(carol), earlier).status_code == 302
    assert settings_now(carol.classroom) == ("7B reads", False, False, 50, 2)


@pytest.mark.parametrize(("field", "theirs", "mine", "stored"), [
    ("name", "7B reads", "7B of 2026", "7B reads"), ("daily_questions", "50", "80", 50),
    ("daily_questions", "", "80", None)])
def test_what_two_change_at_once_is_said_and_the_second_may_insist(carol, field, theirs, mine, stored):
    client = browser(carol)
    if not theirs:
        client.post(settings_of(carol), ALL | {"daily_questions": "20"})
    earlier = shown_on(client.get(settings_of(carol)))
    client.post(settings_of(carol), earlier | {field: theirs})
    page = client.post(settings_of(carol), earlier | {field: mine})
    assert page.status_code == 409 and getattr(Classroom.objects.get(pk=carol.classroom.pk), field) == stored
    assert (theirs or "empty") in page.context["form"].errors[field][0] and mine in page.content.decode()
    assert client.post(settings_of(carol), shown_on(page)).status_code == 302
    assert str(getattr(Classroom.objects.get(pk=carol.classroom.pk), field)) == mine
    # Who means the same is not troubled.
    assert client.post(settings_of(carol), earlier | {field: mine}).status_code == 302


@pytest.mark.parametrize("nonsense", ["many", "1" * 400, "\x00", "-1"])
def test_what_the_page_says_that_it_showed_is_not_trusted(carol, nonsense):
    response = browser(carol).post(settings_of(carol), ALL | {"initial-daily_questions": nonsense, "daily_questions": "9"})
    assert response.status_code in (302, 409)
    assert Classroom.objects.get(pk=carol.classroom.pk).daily_questions in (None, 9)


async def test_open_pages_find_that_they_are_behind(swift, serving_without_engine, alice, carol):
    async with reader(alice) as a, room(carol) as c:
        await stored(browser(carol).post, settings_of(carol), {**ALL, "name": "7B reads", "ai_enabled": ""})
        before = a.snapshot["payload"]["classVersion"], c.snapshot["payload"]["classVersion"]
        assert ((await beat(a))["classVersion"], (await beat(c))["classVersion"]) == (before[0] + 1, before[1] + 1)
        for conversation, snapshot in ((a, "SESSION_RESTORED"), (c, "CLASSROOM_STATE")):
            payload = (await conversation.replied(await conversation.sends("RESTORE"), snapshot))["payload"]
            state = payload.get("classroom", payload)
            assert (state["name"], state["aiEnabled"]) == ("7B reads", False)


def test_a_new_code_leads_back_to_the_settings(carol):
    response = browser(carol).post(f"/classes/{carol.classroom.pk}/code/", {"back": "classroom_settings"})
    assert response["Location"] == settings_of(carol)
    response = browser(carol).post(f"/classes/{carol.classroom.pk}/code/", {"back": "https://evil.example/"})
    assert response["Location"] == f"/classes/{carol.classroom.pk}/"


@pytest.mark.parametrize("name", ["dan", "DAN", "dan@school.example", "Dan@School.example"])
def test_a_colleague_teaches_too(carol, dan, name):
    assert add(carol, name)["Location"] == settings_of(carol)
    client = Client()
    client.force_login(dan, backend="django.contrib.auth.backends.ModelBackend")
    for path in (f"/classes/{carol.classroom.pk}/", settings_of(carol), f"/classes/{carol.classroom.pk}/roster/"):
        assert client.get(path).status_code == 200
    assert add(carol, name).status_code == 302 and carol.classroom.teachers.count() == 2


def test_who_is_no_colleague_is_not_added(carol, alice, dan):
    User.objects.create(username="false dan", email="eve@school.example")  # signed up with another's address
    User.objects.create(username="off", email="off@school.example", email_confirmed=True, is_active=False)
    User.objects.create(username="two", email="two@school.example", email_confirmed=True)
    User.objects.create(username="too", email="TWO@school.example", email_confirmed=True)
    bodies = set()
    for name in ("nobody", "eve@school.example", "off", "off@school.example", "two@school.example", alice.user.username):
        response = add(carol, name)
        assert response.status_code == 400
        bodies.add(str(response.context["co_teacher_form"].errors))
    assert len(bodies) == 1 and carol.classroom.teachers.get() == carol.user


def test_a_user_name_does_not_pass_for_somebody_s_address(carol, dan):
    """Administrators may name accounts by addresses; the one who has confirmed an address is not shadowed by a name."""
    User.objects.create(username="dan@school.example")
    assert add(carol, "dan@school.example").status_code == 400 and carol.classroom.teachers.get() == carol.user
    named = User.objects.create(username="ines@school.example", email="ines@school.example", email_confirmed=True)
    assert add(carol, "ines@school.example").status_code == 302 and named in carol.classroom.teachers.all()


def test_colleagues_are_not_tried_without_end(carol, dan, settings):
    client = browser(carol)
    statuses = [add(carol, f"nobody {number}", client).status_code for number in range(settings.LIMITS.colleagues + 1)]
    assert statuses == [400] * settings.LIMITS.colleagues + [429]
    assert add(carol, "dan", client).status_code == 429 and carol.classroom.teachers.count() == 1


async def test_a_removed_colleague_is_put_out_of_the_room(swift, deaf, serving_without_engine, carol, trent):
    await stored(add, carol, "trent")
    path = f"/ws/classrooms/{carol.classroom.pk}/"
    visitor = Conversation(trent, path)
    assert await visitor.open()
    await visitor.hears("CLASSROOM_STATE")
    async with room(carol) as c, room(trent) as own:
        response = await stored(browser(carol).post, f"/classes/{carol.classroom.pk}/teachers/{trent.user.pk}/remove/")
        assert response["Location"] == settings_of(carol)
        assert await visitor.closes() == 4403
        await beat(c)
        await beat(own)
    await visitor.leave()
    assert (await stored(browser(trent).get, f"/classes/{carol.classroom.pk}/")).status_code == 404


def test_who_no_longer_teaches_a_class_says_nothing_in_it(carol, trent):
    """From a socket that is not closed yet: the look-up of the class is what refuses, not the closing."""
    def say(teacher):
        return tell_class(teacher.user, carol.classroom.pk, kind="announcement", text="Listen!",
                          receipt=ReceiptKey(uuid.uuid4(), "BROADCAST", bytes(32)))

    add(carol, "trent")
    say(trent)
    browser(carol).post(f"/classes/{carol.classroom.pk}/teachers/{trent.user.pk}/remove/")
    with pytest.raises(NotFound):
        say(trent)
    assert Broadcast.objects.count() == 1 == Classroom.objects.get(pk=carol.classroom.pk).version


async def test_a_colleague_who_is_added_again_at_once_stays_in_the_room(swift, serving_without_engine, carol, trent):
    """By mistake and back: the row that closed the room a moment ago must not close the one that opens now."""
    await stored(add, carol, "trent")
    await stored(browser(carol).post, f"/classes/{carol.classroom.pk}/teachers/{trent.user.pk}/remove/")
    await stored(add, carol, "trent")
    visitor = Conversation(trent, f"/ws/classrooms/{carol.classroom.pk}/")
    assert await visitor.open()
    await visitor.hears("CLASSROOM_STATE")
    for _ in range(3):
        await beat(visitor)
    await visitor.leave()


def test_one_may_leave_but_the_last_one_stays(carol, trent):
    remove = f"/classes/{carol.classroom.pk}/teachers/{{}}/remove/"
    client = browser(carol)
    page = client.post(remove.format(carol.user.pk), follow=True)
    assert b"Somebody must teach this class" in page.content and carol.classroom.teachers.get() == carol.user
    add(carol, "trent")
    assert client.post(remove.format(carol.user.pk))["Location"] == "/classes/"
    assert client.get(settings_of(carol)).status_code == 404
    assert carol.classroom.teachers.get() == trent.user
    assert browser(trent).post(remove.format(carol.user.pk)).status_code == 404  # teaches it no more


def test_a_disabled_colleague_does_not_count_as_one(carol, dan):
    add(carol, "dan")
    User.objects.filter(pk=dan.pk).update(is_active=False)
    with pytest.raises(LastTeacher):
        remove_teacher(carol.classroom, teacher_id=carol.user.pk)


def test_of_two_who_remove_each_other_one_stays(carol, trent):
    add(carol, "trent")
    start = threading.Barrier(2)

    def remove(teacher):
        try:
            start.wait()
            remove_teacher(carol.classroom, teacher_id=teacher.pk)
            return "removed"
        except LastTeacher:
            return "last"
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(remove, [carol.user, trent.user])) == ["last", "removed"]
    assert carol.classroom.teachers.count() == 1


async def test_an_archived_class_is_closed_to_its_students_only(
        swift, deaf, serving_without_engine, alice, bob, mallory, carol):
    question = await stored(queued, alice)
    async with reader(alice) as a, reader(bob) as b, reader(mallory) as m, room(carol) as c:
        assert (await stored(browser(carol).post, f"/classes/{carol.classroom.pk}/archive/"))["Location"] == "/classes/"
        assert (await a.closes(), await b.closes()) == (4403, 4403)
        for conversation in (m, c):
            await beat(conversation)
    again = Conversation(alice, f"/ws/sessions/{alice.reading_session.pk}/")
    assert await again.open() and await again.closes() == 4403 and again.heard == []
    await again.leave()
    page = f"/read/{alice.reading_session.pk}/page/1/"
    for path in ("/read/", page, f"/read/{alice.reading_session.pk}/"):
        response = await stored(browser(alice).get, path)
        assert response.status_code == 403 and b"7B is over" in response.content
    assert (await stored(browser(alice).post, "/api/sessions/", {"text": alice.reading_session.text_id})).status_code == 404
    assert (await stored(browser(alice).get,
                         f"/api/sessions/{alice.reading_session.pk}/interruptions/")).status_code == 404
    assert await stored(join, carol.classroom) == await stored(join, carol.classroom, "Mia") == 400
    student = f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/"
    for path in (f"/classes/{carol.classroom.pk}/", student, settings_of(carol)):
        assert (await stored(browser(carol).get, path)).status_code == 200
    assert question.question_text.encode() in (await stored(browser(carol).get, student)).content


def test_what_comes_from_a_socket_that_is_not_closed_yet_is_not_stored(carol, alice):
    archive_classroom(carol.classroom)
    question = questions.interruption(
        alice.reading_session.pk, StudentInterruption(question_text="May I still ask?"),
        receipt=ReceiptKey(uuid.uuid4(), "STUDENT_INTERRUPTION", b"x" * 32))
    [outcome], _ = run_batch([question])
    assert isinstance(outcome, SessionGone) and not Interruption.objects.exists()


async def test_what_was_asked_before_still_gets_its_answer(swift, serving, alice, carol, model):
    model.says("A burrow ", "is a home.")
    model.holds()
    async with reader(alice) as a, room(carol) as c:
        await a.ask("What is a burrow?")
        await a.hears("INTERRUPTION_RESPONSE_DELTA")
        await stored(archive_classroom, carol.classroom)
        assert await a.closes() == 4403
        model.releases()
        await c.hears("INTERRUPTION_ANSWERED")
    assert (await stored(Interruption.objects.get)).response_text == "A burrow is a home."


def test_a_class_comes_back_as_it_was(carol, alice):
    archive_classroom(carol.classroom)
    cards = browser(carol).get("/classes/").context
    assert cards["classrooms"] == [] and [card["classroom"] for card in cards["archived"]] == [carol.classroom]
    response = browser(carol).post(f"/classes/{carol.classroom.pk}/unarchive/")
    assert response["Location"] == settings_of(carol)
    assert browser(alice).get("/read/").status_code == 200
    assert join(carol.classroom) == 302
    Classroom.objects.update(is_open=False)
    archive_classroom(carol.classroom)
    unarchive_classroom(carol.classroom)
    assert join(carol.classroom) == 400  # its door was closed before


def test_a_class_that_is_brought_back_at_once_is_open_at_once(carol, alice, bob):
    archive_classroom(carol.classroom)
    remove_student(bob.enrollment)
    assert Eviction.objects.filter(user=alice.user).exists()
    unarchive_classroom(carol.classroom)
    assert {eviction.user for eviction in Eviction.objects.select_related("user")} == {bob.user}


def test_a_full_class_is_put_away_in_as_many_statements_as_a_small_one(carol, alice, story):
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            archive_classroom(carol.classroom)
        return len(queries)

    few = statements()
    for number in range(30):
        seat(carol.classroom, f"student {number}", story)
    assert statements() == few <= 7
