"""The demo class that a first visitor meets: made once, true to its texts, offered only where it is."""

from io import StringIO

import pytest
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from classrooms import demo
from classrooms.models import Classroom, Enrollment, Passage, Text, User
from sessions.management.commands.demo import HISTORIES
from sessions.models import Interruption, ReadingSession
from sessions.services import texts

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashing")]


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    return tmp_path


def run_demo() -> str:
    out = StringIO()
    call_command("demo", stdout=out)
    return out.getvalue()


def counts() -> list[int]:
    return [model.objects.count() for model in (User, Enrollment, Text, ReadingSession, Interruption)]


def test_a_second_run_changes_nothing():
    first = run_demo()
    made = counts()
    assert made == [9, 8, 4, len(HISTORIES), sum(len(questions) for _, _, questions in HISTORIES.values())]
    assert run_demo() == first
    assert counts() == made


def test_it_keeps_away_from_people_who_are_here_already():
    User.objects.create_user("trent")
    assert "has people already" in run_demo()
    assert counts() == [1, 0, 0, 0, 0] and demo.accounts() is None


def test_a_run_that_broke_leaves_room_for_the_next(monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(demo, "raw_text", lambda slug: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_demo()
    assert counts() == [0] * 5
    run_demo()
    assert counts()[0] == 9


def test_a_door_that_is_closed_is_not_offered():
    run_demo()
    for closed in ({"is_open": False}, {"is_open": True, "archived_at": timezone.now()}):
        Classroom.objects.update(**closed)
        assert demo.accounts() is None and "lamp-oil" not in Client().get("/").content.decode()


def test_every_log_in_on_the_landing_page_opens_its_door():
    assert Client().get("/").context["demo_accounts"] is None
    assert "lamp-oil" not in Client().get("/").content.decode()
    run_demo()
    landing = Client().get("/")
    accounts = landing.context["demo_accounts"]
    assert accounts["teacher"]["password"] in landing.content.decode()
    assert len(accounts["students"]) == 8
    for student in accounts["students"]:
        assert Client().post("/join/", student)["Location"] == "/read/"
    assert Client().post("/login/", accounts["teacher"])["Location"] == "/classes/"
    assert Enrollment.objects.count() == 8


@pytest.mark.parametrize("made_for_others", [True, False])
def test_where_nobody_signs_up_the_teacher_s_log_in_is_for_who_runs_the_site(settings, made_for_others, data_dir):
    """On a classroom's network pupils read the first page too, and this repository."""
    settings.SIGN_UP = not made_for_others
    run_demo()
    settings.SIGN_UP = False
    said = run_demo()
    teacher = demo.accounts()["teacher"]
    assert f"carol / {teacher['password']}\n" in said == run_demo() and "lamp-oil" not in said
    assert (data_dir / "demo.json").stat().st_mode & 0o077 == 0
    landing = Client().get("/").content.decode()
    assert teacher["password"] not in landing and "lamp-oil" not in landing and "nickname <code>alice</code>" in landing
    assert Client().post("/login/", demo.TEACHER).status_code == 400
    assert Client().post("/login/", teacher)["Location"] == "/classes/"
    settings.SIGN_UP = True
    assert teacher["password"] in Client().get("/").content.decode()


def test_a_password_that_the_demo_s_teacher_chose_stays(settings):
    run_demo()
    User.objects.filter(username="carol").update(password=make_password("chosen by carol"))
    settings.SIGN_UP = False
    run_demo()
    assert User.objects.get(username="carol").check_password("chosen by carol")


def test_answers_quote_what_their_reader_has_read():
    run_demo()
    for row in Interruption.objects.select_related("text", "reading_session"):
        assert row.state == "answered" and row.provider == "passage_helper"
        assert "can't find" not in row.response_text and "does not explain" not in row.response_text, row.question_text
        assert row.citations, row.question_text
        for citation in row.citations:
            assert citation["verified"]
            passage = Passage.objects.get(text=row.text, number=citation["paragraph"])
            quoted = passage.body.split()[
                citation["fromWordIndex"] - passage.first_word:citation["toWordIndex"] - passage.first_word + 1]
            assert letters(citation["quote"]) in letters(" ".join(quoted))
            assert citation["toWordIndex"] < texts.end_of_page(row.text, row.word_index)
        asked_about = row.question_text.rstrip("?").split()[-1]
        assert asked_about.lower()[:5] in row.response_text.lower()


def letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def test_each_history_shows_on_the_students_page():
    run_demo()
    carol = Client()
    carol.post("/login/", demo.TEACHER)
    for enrollment in Enrollment.objects.all():
        body = carol.get(f"/classes/{enrollment.classroom_id}/students/{enrollment.pk}/").content.decode()
        _, share, questions = HISTORIES.get(enrollment.nickname, (None, 0, []))
        assert all(question in body for _, question in questions)
        assert body.count('class="history-question"') == len(questions)
        assert ("No text opened yet" in body) == (enrollment.nickname not in HISTORIES)
        assert ("100 %" in body) == (share == 1)
    assert carol.get(f"/classes/{enrollment.classroom_id}/").status_code == 200


def test_students_go_on_where_their_history_stopped():
    run_demo()
    for student in demo.accounts()["students"]:
        if student["nickname"] in HISTORIES:
            client = Client()
            client.post("/join/", student)
            slug, share, _ = HISTORIES[student["nickname"]]
            [book] = [book for book in client.get("/read/").context["books"] if book["reading_session"]]
            assert abs(book["percent"] - 100 * share) <= 1
            assert client.get(f"/read/{book['reading_session'].pk}/", follow=True).status_code == 200
