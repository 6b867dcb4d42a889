"""The administration's lists ask the database as often for 35 rows as for one."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from classrooms.models import AttemptCount, Classroom, Text, User
from sessions.models import Broadcast, ConnectionLog, Eviction, Receipt
from tests.people import queued, seat

# Each page's queries: the log-in's 2, counting, the page's rows, what its filters and date links list.
STAFF = {
    "classrooms/classroom": 9, "classrooms/enrollment": 8, "classrooms/text": 10,
    "reading_sessions/readingsession": 8, "reading_sessions/interruption": 8, "reading_sessions/broadcast": 8,
    "reading_sessions/connectionlog": 7,
}
OFFICE = STAFF | {"classrooms/user": 8, "classrooms/attemptcount": 6, "reading_sessions/receipt": 7,
                  "reading_sessions/eviction": 10}


@pytest.fixture
def grow(carol, story):
    """Return a function that adds rows of every kind to carol's school until there are `number` more of each."""
    made = []

    def grow(number):
        while len(made) < number:
            place = len(made)
            student = seat(carol.classroom, f"student {place}", story)
            made.append(student)
            queued(student)
            ConnectionLog.objects.create(reading_session=student.reading_session, opened_at=timezone.now(), restored=False)
            Receipt.objects.create(reading_session=student.reading_session, message_id=uuid.uuid4(), type="MORE_HELP",
                                   body_hash=b"", reply={})
            Eviction.objects.create(user=student.user, classroom=carol.classroom, code=4403)
            AttemptCount.objects.create(key=f"{place:064}", kind="pin", count=1, since=timezone.now())
            Broadcast.objects.create(classroom=carol.classroom, teacher=carol.user, kind="focus", target=story,
                                     version=place + 1)
            classroom = Classroom.objects.create(name=f"class {place}")
            classroom.teachers.add(carol.user, User.objects.create(username=f"teacher {place}"))
            text = Text.objects.create(owner=carol.user, title=f"text {place}", word_count=1, page_starts=[0])
            classroom.texts.add(text, story)

    return grow


def queries_of(client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return [query["sql"] for query in captured]


@pytest.mark.parametrize("who", ["office", "staff"])
def test_lists_ask_as_often_for_many_rows_as_for_one(request, grow, who):
    client = request.getfixturevalue(who)
    expected = OFFICE if who == "office" else STAFF
    counts = {}
    for number in (1, 10, 35):
        grow(number)
        for name in expected:
            page = client.get(f"/admin/{name}/")  # what Django remembers of a process's first page is not counted
            assert page.context["cl"].result_count >= number
            counts.setdefault(name, []).append(len(queries_of(client, f"/admin/{name}/")))
    assert {name: set(found) for name, found in counts.items()} == {name: {count} for name, count in expected.items()}


@pytest.mark.parametrize("who", ["office", "staff"])
def test_one_row_s_page_asks_as_often_in_a_large_school(request, grow, who, carol, alice, story):
    client = request.getfixturevalue(who)
    paths = [f"classrooms/classroom/{carol.classroom.pk}", f"classrooms/enrollment/{alice.enrollment.pk}",
             f"classrooms/text/{story.pk}", f"reading_sessions/readingsession/{alice.reading_session.pk}"]
    counts = {}
    for number in (1, 10):
        grow(number)
        for path in paths:
            client.get(f"/admin/{path}/change/")
            counts.setdefault(path, []).append(len(queries_of(client, f"/admin/{path}/change/")))
    assert all(len(set(found)) == 1 and found[0] <= 12 for found in counts.values()), counts
