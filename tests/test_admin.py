"""The administrator's pages: what they show, what they leave alone, who does not get there."""

import pytest
from django.test import Client

from classrooms.models import User
from sessions.models import Interruption, ReadingSession
from tests.people import browser, without_token

pytestmark = pytest.mark.usefixtures("quick_hashing")
LISTS = ["classrooms/user", "classrooms/classroom", "classrooms/text", "reading_sessions/readingsession",
         "reading_sessions/interruption"]


@pytest.fixture
def office(school):
    """A browser in which the school's administrator is logged in, through the one door."""
    User.objects.create_superuser("office", password="correct horse")
    client = Client()
    response = client.post("/login/?next=/admin/", {"username": "office", "password": "correct horse"})
    assert response["Location"] == "/admin/"
    return client


@pytest.mark.parametrize("name", LISTS)
def test_every_list_opens_and_can_be_searched(office, name, alice):
    assert office.get(f"/admin/{name}/").status_code == 200
    assert office.get(f"/admin/{name}/?q=alice").status_code in (200, 302)


def test_one_of_each_opens(office, carol, alice, story):
    for path in (f"classrooms/user/{carol.user.pk}", f"classrooms/classroom/{carol.classroom.pk}",
                 f"classrooms/text/{story.pk}", f"reading_sessions/readingsession/{alice.reading_session.pk}"):
        response = office.get(f"/admin/{path}/change/")
        assert response.status_code == 200
        assert alice.enrollment.pin not in response.content.decode()


def test_history_is_looked_at_and_not_edited(office, alice):
    path = f"/admin/reading_sessions/readingsession/{alice.reading_session.pk}"
    assert office.post(f"{path}/change/", {"word_index": 5}).status_code == 403
    assert office.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
    assert office.get("/admin/reading_sessions/interruption/add/").status_code == 403
    assert ReadingSession.objects.get(pk=alice.reading_session.pk).word_index == 0
    assert not Interruption.objects.exists()


def test_a_class_made_here_has_a_code_of_its_own(office, carol, story):
    rows = {f"enrollments-{name}": value for name, value in
            {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0, "MIN_NUM_FORMS": 0, "MAX_NUM_FORMS": 0}.items()}
    response = office.post("/admin/classrooms/classroom/add/", {
        "name": "9C", "code": "AAAAAAAA", "is_open": "on", "ai_enabled": "on", "teachers": [carol.user.pk],
        "texts": [story.pk], **rows})
    assert response.status_code == 302
    made = carol.user.classrooms.get(name="9C")
    assert made.code != "AAAAAAAA" and len(made.code) == 8


def test_nobody_else_gets_there(school):
    for person in (school["carol"], school["alice"], None):
        for path in ("/admin/", *(f"/admin/{name}/" for name in LISTS)):
            response = browser(person).get(path, follow=True)
            assert response.redirect_chain[-1][0].startswith("/login/"), path
            assert b"7B" not in without_token(response)


def test_an_account_disabled_here_is_out_at_once(office, carol):
    form = office.get(f"/admin/classrooms/user/{carol.user.pk}/change/").context["adminform"].form
    fields = {name: value for name, value in form.initial.items() if value not in (None, "", False)
              and name not in ("password", "is_active", "last_login", "date_joined", "groups", "user_permissions")}
    response = office.post(f"/admin/classrooms/user/{carol.user.pk}/change/", {
        **fields, "date_joined_0": "2026-01-01", "date_joined_1": "10:00:00"})
    assert response.status_code == 302
    assert browser(carol).get("/classes/")["Location"].startswith("/login/")
