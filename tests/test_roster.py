"""The list of a class's students: who stands in it, what can be done from it."""

from datetime import UTC, datetime

import pytest

from classrooms.models import Enrollment
from classrooms.services.roster import remove_student
from sessions.models import ReadingSession
from tests.people import browser, seat

pytestmark = pytest.mark.usefixtures("quick_hashing")


def roster_of(person) -> str:
    return f"/classes/{person.classroom.pk}/roster/"


def test_it_lists_who_is_there_and_when_they_were(carol, alice, bob, mallory, story):
    seat(carol.classroom, "Jun", story)
    remove_student(Enrollment.objects.get(nickname="Jun"))
    Enrollment.objects.filter(pk=alice.enrollment.pk).update(created_at=datetime(2026, 9, 1, tzinfo=UTC))
    ReadingSession.objects.filter(pk=alice.reading_session.pk).update(last_seen=datetime(2026, 10, 3, 8, 30, tzinfo=UTC))
    response = browser(carol).get(roster_of(carol))
    seen = [(row.nickname, row.last_seen) for row in response.context["students"]]
    assert seen == [("alice", datetime(2026, 10, 3, 8, 30, tzinfo=UTC)), ("bob", None)]
    body = response.content.decode()
    for shown in ("Sept. 1, 2026", "10/03/2026", "not yet", carol.classroom.code_display,
                  f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/"):
        assert shown in body
    assert "mallory" not in body and "Jun" not in body and alice.user.username not in body
    assert response["Cache-Control"].count("no-store")


def test_an_empty_class_says_how_students_come(carol):
    Enrollment.objects.filter(classroom=carol.classroom).delete()
    body = browser(carol).get(roster_of(carol)).content.decode()
    assert "No one has joined yet" in body and carol.classroom.code_display in body and "<table" not in body


def test_a_pin_and_a_removal_lead_back_to_it(carol, alice):
    client = browser(carol)
    student = f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/"
    assert client.post(student + "pin/", {"pin": "98765", "back": "roster"})["Location"] == roster_of(carol)
    door = {"code": carol.classroom.code, "nickname": "alice", "pin": "98765"}
    assert browser().post("/join/", door).status_code == 302
    assert client.post(student + "pin/", {"pin": "no", "back": "roster"})["Location"] == roster_of(carol)
    response = client.post(student + "remove/", {"back": "roster"}, follow=True)
    assert response.redirect_chain == [(roster_of(carol), 302)]
    assert "alice is no longer in this class" in response.content.decode()
    assert [row.nickname for row in response.context["students"]] == ["bob"]


def test_names_are_shown_as_text(carol, story):
    seat(carol.classroom, "<b onmouseover=x>", story)
    assert b"<b onmouse" not in browser(carol).get(roster_of(carol)).content


def test_thirty_five_students_cost_as_many_queries_as_two(carol, story, django_assert_max_num_queries):
    for number in range(33):
        seat(carol.classroom, f"student {number}", story)
    client = browser(carol)
    with django_assert_max_num_queries(5):
        assert len(client.get(roster_of(carol)).context["students"]) == 35
