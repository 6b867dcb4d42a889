"""How often pages and sockets ask the database, and that every question of theirs has an index to find its rows by.

The counts are the budgets of docs/performance.md. Plans are asked of the database that the suite runs on: what would read
a whole table that grows with the school is found here, with two rows in it, and not in June.
"""

import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from classrooms import log_ins
from sessions import arrivals, messages, statements
from sessions.consumers import ReadingSessionConsumer
from sessions.models import Interruption, ReadingSession
from sessions.services import presence, questions, queue, reading, snapshots
from sessions.sockets import receipt_key
from sessions.writes import run_batch
from tests.people import browser, queued, seat

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quick_hashing")]

GROWING = ("reading_sessions_interruption", "reading_sessions_readingsession", "reading_sessions_receipt",
           "reading_sessions_broadcast", "reading_sessions_eviction", "reading_sessions_connectionlog",
           "classrooms_enrollment", "classrooms_passage", "classrooms_user", "django_session")


def asked_of(do) -> list[str]:
    """Return the SELECTs and UPDATEs that something makes the database do."""
    with CaptureQueriesContext(connection) as captured:
        do()
    return [query["sql"] for query in captured if query["sql"].lstrip().upper().startswith(("SELECT", "UPDATE"))]


def whole_tables_read(sql: str) -> set[str]:
    """Return the growing tables that the database would read from end to end for want of an index."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            # The plan names a table by its alias.
            names = dict((alias or table, table) for table, alias in re.findall(
                r'(?:FROM|JOIN|UPDATE)\s+"?(\w+)"?(?:\s+(?!ON\b|WHERE\b|INNER\b|LEFT\b|JOIN\b|SET\b|ORDER\b|GROUP\b)"?(\w+)"?)?',
                sql))
            scanned = {found[1] for row in cursor.fetchall() if (found := re.match(r"SCAN (\w+)$", row[3]))}
            return {names.get(name, name) for name in scanned} & set(GROWING)
        # With few rows PostgreSQL rightly prefers to read them all; without that way it shows whether there is another.
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
        return set(re.findall(r"Seq Scan on (\w+)", plan)) & set(GROWING)


def look_up(person):
    consumer = ReadingSessionConsumer()
    consumer.reading_session_id = person.reading_session.pk
    return consumer._look_up(person.cookie)


def the_batch(*people):
    def written(type, payload, write, person):
        parsed = messages.parse(
            f'{{"type":"{type}","id":"{uuid.uuid4()}","payload":{payload}}}', known=messages.STUDENT_MESSAGES)
        return write(person.reading_session.pk, parsed.payload, receipt=receipt_key(parsed))

    writes = [written("STUDENT_INTERRUPTION", '{"questionText":"Why?"}', questions.interruption, person)
              for person in people]
    writes += [written("SET_PREFERENCES", '{"theme":"dark"}', reading.preferences, person) for person in people]
    outcomes, _ = run_batch(writes)
    assert not any(isinstance(outcome, Exception) for outcome in outcomes), outcomes


def test_a_socket_opens_with_five_queries_and_six_where_a_question_waits(alice):
    assert len(asked_of(lambda: look_up(alice))) == 5
    first, second = queued(alice, "One?"), queued(alice, "Two?")
    queries = asked_of(lambda: look_up(alice))
    assert len(queries) == 6, queries
    views = look_up(alice).interruptions
    assert [(view.interruption_id, view.queue_position) for view in views] == [(first.pk, 1), (second.pk, 2)]


def test_a_batch_asks_as_often_for_many_as_for_one(alice, bob):
    the_batch(alice)  # the text's outline is kept from now on
    one, many = (asked_of(lambda people=people: the_batch(*people)) for people in ([alice], [alice, bob]))
    # Each changed session is an UPDATE of one prepared statement; what is asked is asked once for all.
    assert [sql.split()[0] for sql in one].count("SELECT") == [sql.split()[0] for sql in many].count("SELECT") <= 6


@pytest.mark.parametrize("waiting", [0, 12])
def test_a_reading_page_costs_at_most_8_queries(alice, waiting, django_assert_max_num_queries):
    for number in range(waiting):
        queued(alice, f"question {number}")
    client = browser(alice)
    client.get("/read/")  # notes the activity of this minute
    with django_assert_max_num_queries(8):
        assert client.get(f"/read/{alice.reading_session.pk}/page/1/").status_code == 200


def test_a_room_asks_as_often_for_300_students_as_for_35(carol, alice, story):
    client, counts = browser(carol), []
    for size in (35, 60, 300):
        for number in range(ReadingSession.objects.filter(enrollment__classroom=carol.classroom).count(), size):
            queued(seat(carol.classroom, f"student {number}", story), "What is a burrow?")
        with CaptureQueriesContext(connection) as captured:
            state = client.get(f"/classes/{carol.classroom.pk}/").context["config"]["state"]
        assert len(state["students"]) == size
        counts.append(len(captured))
    # From 50 questions on it asks once more: an older one may be flagged.
    assert counts[0] <= 12 and counts[1:] == [counts[0] + 1] * 2


def test_nothing_that_happens_all_day_reads_a_whole_table(carol, alice, bob, story):
    queued(alice)
    queued(bob, state="answered", response_text="A home.", finished_at=timezone.now())
    everything = {
        "an arrival": lambda: look_up(alice),
        "a batch": lambda: the_batch(alice, bob),
        "a claim": queue.claim,
        "the sweep": queue.overdue,
        "places": snapshots.queue_positions,
        "signs of life": lambda: presence.record(
            opened=[presence.Opened(alice.reading_session.pk, True)], seen={bob.reading_session.pk},
            active={bob.reading_session.pk}),
        "heartbeats": lambda: presence.session_versions([alice.reading_session.pk]),
        "evictions": presence.evictions,
        "what changed in a room": lambda: presence.changes({carol.classroom.pk}),
        "who came and went": lambda: presence.roster_changes({carol.classroom.pk}),
        "a room": lambda: browser(carol).get(f"/classes/{carol.classroom.pk}/"),
        "a reading page": lambda: browser(alice).get(f"/read/{alice.reading_session.pk}/page/1/"),
        "a shelf": lambda: browser(alice).get("/read/"),
        "a student's page": lambda: browser(carol).get(f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/"),
        "when a log-in ends": lambda: log_ins.last_activity({"_auth_user_id": str(alice.user.pk), "auth_at": 0}),
    }
    slow = {}
    for name, do in everything.items():
        for sql in asked_of(do):
            if read := whole_tables_read(sql):
                slow.setdefault(name, []).append((read, sql))
    assert not slow


def test_the_columns_of_the_hot_path_are_those_of_the_models(alice):
    """What is written by hand must say what the models say."""
    the_batch(alice)
    row = Interruption.objects.get()
    expected = statements.NewInterruption(
        id=row.pk, reading_session_id=row.reading_session_id, enrollment_id=row.enrollment_id,
        classroom_id=row.classroom_id, text_id=row.text_id, paragraph=row.paragraph, word_index=row.word_index,
        question_text="Why?", created_at=row.created_at, changed_at=row.changed_at, message_id=row.message_id)
    fields = [field.attname for field in Interruption._meta.concrete_fields]
    assert [getattr(row, name) for name in fields] == [getattr(expected, name) for name in fields]
    [read] = arrivals.read_questions(row.reading_session_id, others=20)
    assert {name: read.__dict__[name] for name in fields if name in read.__dict__} == {
        name: getattr(row, name) for name in fields if name in read.__dict__}
    session = arrivals.read_session(alice.reading_session.pk)
    stored = ReadingSession.objects.select_related("enrollment__classroom", "text").get(pk=session.pk)
    for mine, theirs in ((session, stored), (session.enrollment, stored.enrollment), (session.text, stored.text),
                         (session.enrollment.classroom, stored.enrollment.classroom)):
        assert all(value == getattr(theirs, name) for name, value in mine.__dict__.items() if not name.startswith("_"))
