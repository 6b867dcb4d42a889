"""The teacher's pages: opening a class, its code, its students, and who else may touch any of it."""

import re
from urllib.parse import urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from classrooms import panels
from classrooms.models import Classroom, Enrollment, Passage, Text, User
from classrooms.services.classes import create_classroom
from classrooms.services.roster import remove_student
from classrooms.services.texts import create_text
from classrooms.views import classes
from sessions.models import Eviction, Interruption, ReadingSession
from tests.people import browser, seat, without_token

pytestmark = pytest.mark.usefixtures("quick_hashing")


def asked(person, question, **fields) -> Interruption:
    """Store a question as the services would leave it."""
    now = timezone.now()
    return Interruption.objects.create(
        reading_session=person.reading_session, enrollment=person.enrollment, classroom=person.classroom,
        text=person.reading_session.text, paragraph=1, word_index=0, question_text=question, created_at=now,
        changed_at=now, **fields)


def test_a_class_opens_in_one_step(carol):
    client = browser(carol)
    response = client.post("/classes/new/", {"name": "8C", "code": "AAAABBBB", "teachers": "1", "is_open": "0"}, follow=True)
    made = Classroom.objects.get(name="8C")
    assert response.redirect_chain == [(f"/classes/{made.pk}/", 302)]
    assert re.fullmatch(r"[23456789ABCDEFGHJKMNPQRSTUVWXYZ]{8}", made.code) and made.code != "AAAABBBB"
    assert made.is_open and list(made.teachers.all()) == [carol.user]
    assert made.code_display in response.content.decode()


@pytest.mark.parametrize("name", ["", "   ", "a\x07b", "x" * 101])
def test_a_class_needs_a_name(carol, name):
    assert browser(carol).post("/classes/new/", {"name": name}).status_code == 400
    assert Classroom.objects.count() == 2


def test_what_students_type_is_shown_as_text(carol, story):
    mean = "<script>alert(1)</script>"
    carol.classroom.name = mean
    carol.classroom.save()
    person = seat(carol.classroom, "<b onmouseover=x>", story)
    asked(person, "<img src=x onerror=alert(1)>", state="answered", response_text="[x](javascript:alert(1)) <svg/onload=y>",
          citations=[{"paragraph": 1, "quote": "<i>quoted</i>", "verified": True}], provider="openai")
    client = browser(carol)
    for path in ("/classes/", f"/classes/{carol.classroom.pk}/",
                 f"/classes/{carol.classroom.pk}/students/{person.enrollment.pk}/"):
        body = client.get(path).content.decode()
        assert not re.search(r"<script>alert|<b onmouse|<img src=x|<svg/onload|<i>quoted", body), path
        assert "alert(1)" in body, path


def test_the_cards_tell_how_the_class_is(carol, alice, bob, story):
    ReadingSession.objects.filter(pk=alice.reading_session.pk).update(last_seen="2026-01-01T00:00Z")
    for number in range(3):
        asked(alice, f"question {number}", state=["queued", "answering", "answered"][number])
    remove_student(seat(carol.classroom, "Jun", story).enrollment)
    create_text(owner=carol.user, raw="Another\n\nIt was a dark night.", classrooms=[carol.classroom])
    [card] = browser(carol).get("/classes/").context["classrooms"]
    assert {name: card[name] for name in ("students", "reading_now", "open_questions", "texts")} == {
        "students": 2, "reading_now": 1, "open_questions": 2, "texts": 2}


def test_the_list_of_classes_costs_the_same_for_ten(carol, django_assert_max_num_queries):
    client = browser(carol)
    for number in range(9):
        create_classroom(teacher=carol.user, name=f"Class {number}")
    with django_assert_max_num_queries(3):
        assert len(client.get("/classes/").context["classrooms"]) == 10


def test_the_room_of_35_students_costs_at_most_12_queries(carol, alice, story, django_assert_max_num_queries):
    for number in range(33):
        asked(seat(carol.classroom, f"student {number}", story), "What is a burrow?", state="answered")
    client = browser(carol)
    with django_assert_max_num_queries(12):
        response = client.get(f"/classes/{carol.classroom.pk}/")
    state = response.context["config"]["state"]
    assert len(state["students"]) == 35 and len(state["interruptions"]) == 33


def test_a_new_code_kills_the_old_one(carol):
    old = carol.classroom.code
    browser(carol).post(f"/classes/{carol.classroom.pk}/code/")
    carol.classroom.refresh_from_db()
    assert carol.classroom.code != old
    mia = {"nickname": "Mia", "pin": "3456"}
    assert browser().post("/join/", mia | {"code": old}).status_code == 400
    assert browser().post("/join/", mia | {"code": carol.classroom.code}).status_code == 302


def test_the_card_leads_to_the_class_door(carol, monkeypatch):
    made = []
    real = classes.segno.make
    monkeypatch.setattr(classes.segno, "make", lambda url, **options: made.append(url) or real(url, **options))
    response = browser(carol).get(f"/classes/{carol.classroom.pk}/qr.svg")
    assert response["Content-Type"] == "image/svg+xml"
    assert response.content.startswith(b"<svg xmlns=") and b"<script" not in response.content
    assert made == [f"http://testserver/j/{carol.classroom.code}/"]
    assert browser().get(urlsplit(made[0]).path).context["form"].initial["code"] == carol.classroom.code


def test_removing_a_student_ends_what_they_had_open(carol, alice, bob):
    page = f"/read/{alice.reading_session.pk}/page/1/"
    assert browser(alice).get(page).status_code == 200
    response = browser(carol).post(f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/remove/", follow=True)
    assert "alice is no longer in this class" in response.content.decode()
    assert Eviction.objects.get().code == 4403
    client = browser(alice)
    for path in ("/read/", page, f"/read/{alice.reading_session.pk}/"):
        assert client.get(path)["Location"] == "/join/"
    assert client.post(f"/read/{alice.reading_session.pk}/progress/", {"word_index": 3})["Location"] == "/join/"
    assert client.get(f"/api/sessions/{alice.reading_session.pk}/interruptions/").status_code == 404
    assert client.post("/api/sessions/", {"text": alice.reading_session.text_id}).status_code == 404
    assert browser(bob).get("/read/").status_code == 200
    assert browser(carol).get(f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/").status_code == 404


def test_a_new_pin_opens_and_the_old_one_does_not(carol, alice):
    path = f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/pin/"
    browser(carol).post(path, {"pin": "no"})
    door = {"code": carol.classroom.code, "nickname": "alice"}
    assert browser().post("/join/", door | {"pin": "1234"}).status_code == 302
    browser(carol).post(path, {"pin": "98765"})
    assert browser().post("/join/", door | {"pin": "1234"}).status_code == 400
    assert browser().post("/join/", door | {"pin": "98765"}).status_code == 302


def test_a_students_page_shows_their_reading_and_questions(carol, alice):
    asked(alice, "What is a burrow?", state="answered", provider="passage_helper", response_text="A home.",
          citations=[{"paragraph": 1, "quote": "A burrow is a home", "verified": True}])
    asked(alice, "Why?", state="failed", error_code="timeout")
    body = browser(carol).get(f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/").content.decode()
    for shown in ("The Keeper of Words", "What is a burrow?", "A home.", "A burrow is a home", "Passage helper, not AI",
                  "The tutor took too long."):
        assert shown in body


def test_a_students_page_says_when_it_shows_the_newest_questions_only(carol, alice, monkeypatch):
    monkeypatch.setattr(panels, "MAX_QUESTIONS", 2)
    path = f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/"
    for number, says_so in ((1, False), (2, False), (3, True)):
        asked(alice, f"Question {number}?")
        body = browser(carol).get(path).content.decode()
        assert ("These are the newest 2; older ones are kept" in body) == says_so
    assert [f"Question {number}?" in body for number in (1, 2, 3)] == [False, True, True]


# name of the page: (method, address with {class}, {student}, {text}, form)
TEACHERS_PAGES = {
    "room": ("get", "/classes/{class}/", None),
    "paragraphs": ("get", "/classes/{class}/texts/{text}/paragraphs/", None),
    "text_new": ("get", "/classes/{class}/texts/new/", None),
    "text_add": ("post", "/classes/{class}/texts/new/", {"title": "Mine", "body": "A short text."}),
    "student": ("get", "/classes/{class}/students/{student}/", None),
    "remove": ("post", "/classes/{class}/students/{student}/remove/", {}),
    "pin": ("post", "/classes/{class}/students/{student}/pin/", {"pin": "0000"}),
    "code": ("post", "/classes/{class}/code/", {}),
    "qr": ("get", "/classes/{class}/qr.svg", None),
    "settings": ("get", "/classes/{class}/settings/", None),
    "settings_save": ("post", "/classes/{class}/settings/", {"name": "Mine"}),
    "teacher_add": ("post", "/classes/{class}/teachers/", {"name": "trent"}),
    "archive": ("post", "/classes/{class}/archive/", {}),
    "unarchive": ("post", "/classes/{class}/unarchive/", {}),
    "roster": ("get", "/classes/{class}/roster/", None),
    "ticket": ("post", "/api/classrooms/{class}/ticket/", {}),
}


@pytest.mark.parametrize("page", TEACHERS_PAGES)
def test_only_the_classs_own_teacher_may(school, page):
    method, address, form = TEACHERS_PAGES[page]
    alice, carol = school["alice"], school["carol"]
    path = address.format(**{"class": carol.classroom.pk, "student": alice.enrollment.pk, "text": school["story"].pk})

    def state():
        return (sorted(Classroom.objects.values_list("code", "name", "archived_at", "teachers")), Text.objects.count(),
                Passage.objects.count(), sorted(Enrollment.objects.values_list("pin", "removed_at", "nickname_key")))

    before = state()
    other_teacher = getattr(browser(school["trent"]), method)(path, form)
    absent = getattr(browser(school["trent"]), method)(path.replace(f"/{carol.classroom.pk}/", "/987654/"), form)
    assert other_teacher.status_code == absent.status_code == 404
    assert without_token(other_teacher) == without_token(absent)
    for student in ("alice", "mallory"):
        assert getattr(browser(school[student]), method)(path, form).status_code in (403, 404)
    anonymous = getattr(browser(), method)(path, form)
    if page == "ticket":
        assert anonymous.status_code == 401
    else:
        assert anonymous.status_code == 302 and anonymous["Location"].startswith("/login/?next=")
    assert state() == before
    assert getattr(browser(carol), method)(path, form).status_code in (200, 201, 302)


@pytest.mark.parametrize("page", [name for name in TEACHERS_PAGES if "{student}" in TEACHERS_PAGES[name][1]])
def test_a_student_of_another_class_is_not_reached_through_ones_own(school, page):
    method, address, form = TEACHERS_PAGES[page]
    path = address.format(**{"class": school["trent"].classroom.pk, "student": school["alice"].enrollment.pk})
    assert getattr(browser(school["trent"]), method)(path, form).status_code == 404
    assert Enrollment.objects.get(pk=school["alice"].enrollment.pk).removed_at is None


@pytest.mark.parametrize("path", ["/classes/{beyond}/", "/classes/{own}/students/{beyond}/", "/classes/{beyond}/students/1/",
                                  "/classes/{own}/texts/{beyond}/paragraphs/"])
def test_numbers_beyond_every_row_are_absent(carol, path):
    assert browser(carol).get(path.format(own=carol.classroom.pk, beyond=10**20)).status_code == 404


@pytest.mark.parametrize("path", ["/classes/{}/code/", "/classes/{}/students/1/remove/", "/classes/{}/students/1/pin/"])
def test_a_link_changes_nothing(carol, path):
    assert browser(carol).get(path.format(carol.classroom.pk)).status_code == 405


def test_a_teacher_does_not_become_a_student_or_another_by_form(carol):
    browser(carol).post("/classes/new/", {"name": "8C", "role": "student", "is_superuser": "1"})
    user = User.objects.get(pk=carol.user.pk)
    assert user.role == "teacher" and not user.is_superuser


def test_uploads_are_only_for_ones_own_class(school):
    file = SimpleUploadedFile("a.txt", b"A short text.")
    path = f"/classes/{school['carol'].classroom.pk}/texts/new/"
    assert browser(school["trent"]).post(path, {"title": "x", "file": file}).status_code == 404
    assert Text.objects.count() == 1
