"""Lists of the API: each row once, newest first, at the price of one, whatever comes meanwhile."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from classrooms import database
from classrooms.services.classes import create_classroom
from classrooms.services.texts import create_text
from sessions.models import Interruption, ReadingSession
from tests.people import queued, seat
from tests.rest import program

pytestmark = pytest.mark.usefixtures("quick_hashing")


def finished(person, number: int) -> None:
    now = database.now()
    Interruption.objects.bulk_create(Interruption(
        reading_session=person.reading_session, enrollment=person.enrollment, classroom=person.classroom,
        text=person.reading_session.text, paragraph=1, word_index=5, question_text="Why?", state="answered",
        response_text="An answer.", response_type="text", provider="passage_helper", citations=[],
        created_at=now - timedelta(minutes=place // 3), changed_at=now, finished_at=now) for place in range(number))


def texts(person, number: int) -> None:
    for place in range(number):
        create_text(owner=person.user, raw=f"Text {place}\n\nIt was a dark night.", classrooms=[person.classroom])


def readings(alice, carol, number: int) -> None:
    texts(carol, number)
    ReadingSession.objects.bulk_create(
        ReadingSession(enrollment=alice.enrollment, text=text)
        for text in alice.classroom.texts.exclude(reading_sessions__enrollment=alice.enrollment))


def lists(school) -> dict:
    """Return of every list: who reads it, its path, how to make rows, what names a row, and how many there are already."""
    alice, carol, story = school["alice"], school["carol"], school["story"]
    here = f"classrooms/{carol.classroom.pk}/"
    return {
        "sessions": (alice, "sessions/", lambda n: readings(alice, carol, n), "id", 1),
        "interruptions": (alice, f"sessions/{alice.reading_session.pk}/interruptions/", lambda n: finished(alice, n),
                          "interruptionId", 0),
        "class's interruptions": (carol, f"{here}interruptions/", lambda n: finished(alice, n), "interruptionId", 0),
        "texts": (carol, "texts/", lambda n: texts(carol, n), "id", 1),
        "student's texts": (alice, "texts/", lambda n: texts(carol, n), "id", 1),
        "classrooms": (carol, "classrooms/", lambda n: [create_classroom(teacher=carol.user, name=f"{place}")
                                                        for place in range(n)], "id", 1),
        "enrollments": (carol, f"{here}enrollments/", lambda n: [seat(carol.classroom, uuid.uuid4().hex, story)
                                                                 for _ in range(n)], "id", 2),
    }


# Log-in 2 (a student's class 1), rights 1 where a class or reading is named, and the rows.
QUERIES = {"sessions": 3, "interruptions": 4, "class's interruptions": 4, "texts": 3, "student's texts": 4, "classrooms": 3,
           "enrollments": 4}


@pytest.mark.parametrize("name", QUERIES)
def test_a_list_costs_the_same_for_1_10_and_35_rows(school, name):
    person, path, make, _, present = lists(school)[name]
    their = program(person)
    their.get(path)  # notes the activity of this minute
    if not present:
        make(1)
        present = 1
    for rows in (present, 10, 35):
        make(rows - present)
        present = rows
        with CaptureQueriesContext(connection) as queries:
            said = their.get(path)
        assert len(said.body["results"]) == min(rows, 20)
        assert len(queries) == QUERIES[name], [query["sql"] for query in queries]


@pytest.mark.parametrize("name", QUERIES)
def test_every_row_comes_once_even_when_newer_ones_come_meanwhile(school, name):
    person, path, make, key, present = lists(school)[name]
    make(45 - present)
    their = program(person)
    pages = their.all_of(path)
    assert [len(page) for page in pages] == [20, 20, 5]
    ids = [row[key] for page in pages for row in page]
    assert len(set(ids)) == 45
    first = their.get(path).body
    if name == "class's interruptions":
        queued(school["bob"])
    elif name == "interruptions":
        queued(school["alice"])
    elif name == "enrollments":
        seat(person.classroom, "newcomer", school["story"])
    elif name == "classrooms":
        create_classroom(teacher=person.user, name="new")
    else:
        text = create_text(owner=school["carol"].user, raw="New\n\nIt is day.", classrooms=[school["carol"].classroom])
        if name == "sessions":
            ReadingSession.objects.create(enrollment=person.enrollment, text=text)
    second = their.get(first["next"]).body
    assert [row[key] for row in first["results"] + second["results"]] == ids[:40]
    assert their.get(path).body["results"][1][key] == ids[0]


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "%00", "1" * 40, "\u0661", "00000000-0000-0000-0000-000000000000"])
def test_a_place_in_a_list_that_is_none_is_absent(school, before):
    for person, path, *_ in lists(school).values():
        said = program(person).get(f"{path}?before={before}")
        assert (said.status, said.body["code"]) == (404, "NOT_FOUND"), path


def test_the_place_of_anothers_row_is_absent(alice, bob):
    path = f"sessions/{alice.reading_session.pk}/interruptions/?before={queued(bob).pk}"
    assert program(alice).get(path).status == 404
    assert program(alice).get(f"sessions/?before={bob.reading_session.pk}").status == 404


def test_a_teacher_pages_through_the_questions_of_their_class(alice, bob, mallory, carol):
    ours = [queued(alice, "Hers?"), queued(bob, "His?")]
    queued(mallory, "Elsewhere?")
    [page] = program(carol).all_of(f"classrooms/{carol.classroom.pk}/interruptions/")
    assert [(row["interruptionId"], row["nickname"]) for row in page] == [
        (str(ours[1].pk), "bob"), (str(ours[0].pk), "alice")]
