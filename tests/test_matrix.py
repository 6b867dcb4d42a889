"""Who gets what at every address of the site, by page, program, socket and administration: the table is tests/matrix.py.

Each cell is asked for in a transaction that is taken back. Who is refused changes nothing, and nobody is shown a word
of a class that is not theirs.
"""

import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from django.db import connection, transaction
from django.urls import URLResolver, get_resolver

from classrooms.models import AttemptCount, Classroom, Enrollment, Passage, Text, TextSource, User
from classrooms.services.attempts import count_attempt
from classrooms.services.roster import remove_student
from classrooms.services.texts import create_text
from sessions.models import Broadcast, ConnectionLog, Eviction, Interruption, ReadingSession, Receipt
from sessions.routing import websocket_application
from tests.matrix import DOOR, ROLES, ROWS, SOCKETS, THINGS, Row
from tests.people import Conversation, Person, browser, log_in, queued, seat, stored

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ADDRESS = "203.0.113.77"  # guesses and throttles count by it, and other tests have theirs
TABLES = (Classroom, Classroom.teachers.through, Classroom.texts.through, Enrollment, Text, TextSource, Passage, User,
          ReadingSession, Interruption, Receipt, Broadcast, Eviction)
SECRETS = {  # what only people of that class may read, and who they are
    "of alice": ({"alice", "carol", "staff"}, ["alicia-7b", "asked-by-alicia"]),
    "of bob": ({"carol", "staff"}, ["bobby-7b", "asked-by-bobby"]),
    "of 7B": ({"alice", "carol", "staff"}, ["class-7b", "text-of-7b"]),
    "of 8A": ({"trent"}, ["mally-8a", "asked-by-mally", "class-8a", "text-of-8a"]),
}


def walk(resolver=None, prefix: str = ""):
    """Yield every address of the site as it is written in the tables of addresses."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern).strip("^$")
        if isinstance(entry, URLResolver):
            yield from walk(entry, route)
        else:
            yield route


@dataclass
class Cast:
    """The people, by role, and what an address needs to name the things of each."""

    people: dict[str, Person | None]
    ids: dict[str, dict]


@pytest.fixture
def cast(school, settings):
    settings.SIGN_UP = settings.SENDS_EMAIL = True
    carol, trent = school["carol"], school["trent"]
    for teacher, name in ((carol, "7b"), (trent, "8a")):
        Classroom.objects.filter(pk=teacher.classroom.pk).update(name=f"class-{name}")
    texts = {teacher.classroom.pk: create_text(
        owner=teacher.user, raw=f"text-of-{name} is what it says.", title=f"text-of-{name}", classrooms=[teacher.classroom])
        for teacher, name in ((carol, "7b"), (trent, "8a"))}
    for person, nickname in ((school["alice"], "alicia-7b"), (school["bob"], "bobby-7b"), (school["mallory"], "mally-8a")):
        Enrollment.objects.filter(pk=person.enrollment.pk).update(nickname=nickname)
    removed = seat(carol.classroom, "eve", school["story"])
    remove_student(removed.enrollment)
    staff = User.objects.create(username="dora", role=User.Role.TEACHER, is_staff=True)
    carol.classroom.teachers.add(staff)
    chief = User.objects.create(username="superuser", role=User.Role.TEACHER, is_staff=True, is_superuser=True)
    count_attempt("password", "carol@192.0.2.1", limit=6)
    return Cast(
        {"anonymous": None, "alice": school["alice"], "removed": removed, "carol": carol, "trent": trent,
         "staff": Person(staff, carol.classroom, log_in(staff)), "superuser": Person(chief, None, log_in(chief))},
        {name: ids_of(school[name], school["trent" if name == "mallory" else "carol"], texts) for name in THINGS})


def ids_of(person: Person, teacher: Person, texts: dict[int, Text]) -> dict:
    """Return what stands for `<…>` in an address that names this student's things, and the rows of the administration."""
    nickname = Enrollment.objects.get(pk=person.enrollment.pk).nickname
    asked = queued(person, f"asked-by-{nickname.partition('-')[0]}")
    text = texts[person.classroom.pk]
    said, _ = Broadcast.objects.get_or_create(classroom=person.classroom, version=1, defaults={
        "kind": "announcement", "teacher": teacher.user, "text": "Well read."})
    rows = {
        "classroom": person.classroom, "enrollment": person.enrollment, "user": person.user, "text": text,
        "attemptcount": AttemptCount.objects.get(), "readingsession": person.reading_session, "interruption": asked,
        "broadcast": said, "connectionlog": ConnectionLog.objects.create(
            reading_session=person.reading_session, opened_at=asked.created_at, restored=False),
        "receipt": Receipt.objects.create(reading_session=person.reading_session, message_id=asked.pk, type="x",
                                          body_hash=bytes(32), reply={}),
        "eviction": Eviction.objects.create(user=person.user, code=4401),
    }
    return {
        "classroom_id": person.classroom.pk, "enrollment_id": person.enrollment.pk, "text_id": text.pk, "page": 1,
        "reading_session_id": person.reading_session.pk, "interruption_id": asked.pk, "teacher_id": teacher.user.pk,
        "code": "AAAA2222", "uidb64": "MQ", "token": "set-it", "content_type_id": 999, "app_label": "classrooms",
        "url": "nowhere/", "id": person.user.pk, "rows": {name: row.pk for name, row in rows.items()}}


def address(route: str, ids: dict) -> str:
    """Return the path of a route with these ids in it."""
    if match := re.match(r"admin/\w+/(\w+)/<path:object_id>", route):
        ids = ids | {"object_id": ids["rows"][match[1]]}
    ids = {"object_id": 1} | ids
    route = re.sub(r"\(\?P<(\w+)>.*?\)", r"<\1>", route)
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(ids[match[1]]), route)


def ask(client, row: Row, ids: dict):
    """Return the response to a row's request."""
    data = {name: ids[value[1:-1]] if isinstance(value, str) and value.startswith("{") else value
            for name, value in row.data.items()}
    path = address(row.route, ids)
    if row.is_json:
        body = json.dumps(data) if row.method != "GET" else ""
        return client.generic(row.method, path, body, content_type="application/json", REMOTE_ADDR=ADDRESS)
    return getattr(client, row.method.lower())(path, data or None, REMOTE_ADDR=ADDRESS)


def outcome(response) -> int | str:
    """Return the status; DOOR where a person is sent to log in."""
    if response.status_code == 302 and urlsplit(response["Location"]).path in ("/login/", "/join/", "/admin/login/"):
        return DOOR
    return response.status_code


def everything() -> list:
    """Return what stands in the tables that a refused request could have changed.

    Asked without the ORM: this happens thousands of times, and was a third of what the matrix took.
    """
    with connection.cursor() as cursor:
        found = []
        for table in TABLES:
            cursor.execute(f"SELECT * FROM {table._meta.db_table} ORDER BY {table._meta.pk.column}")
            found.append(cursor.fetchall())
        return found


def test_every_address_has_its_rows():
    routes = set(walk())
    rows = {row.route for row in ROWS}
    assert routes - rows == set(), "an address without a row in tests/matrix.py"
    assert rows - routes == set(), "a row for an address that is no more"
    assert len({(row.route, row.method) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} /{row.route}")
def test_who_gets_what(cast, row):
    is_named = "<" in row.route or any(isinstance(value, str) and value.startswith("{") for value in row.data.values())
    before = everything()
    for role in ROLES:
        client = browser(cast.people[role])
        for place, thing in enumerate(THINGS if is_named else THINGS[:1]):
            with transaction.atomic():
                response = ask(client, row, cast.ids[thing])
                got, wanted = outcome(response), row.expected(role, place)
                assert got == wanted, f"{role} at {thing}'s: {got}, not {wanted}"
                if got in (DOOR, 401, 403, 404, 405):
                    assert everything() == before, f"{role} was refused {thing}'s and changed it"
                shown = b"".join(response).decode() if response.streaming else response.content.decode()
                for people, words in SECRETS.values():
                    if role not in people and role != "superuser":
                        assert [word for word in words if word in shown.casefold()] == [], f"{role} reads of {thing}'s"
                transaction.set_rollback(True)


@pytest.mark.parametrize("route", sorted({row.route for row in ROWS if not row.route.startswith("admin/")}))
def test_methods_without_a_row_do_nothing(cast, route):
    """Asked by someone who gets past every log-in, and by a student for her own."""
    known = {row.method for row in ROWS if row.route == route}
    before = everything()
    for role in ("superuser", "alice"):
        client = browser(cast.people[role])
        for method in METHODS:
            if method not in known:
                response = ask(client, Row(route, {}, method, is_json=method != "GET"), cast.ids["alice"])
                assert response.status_code in (405, 403), f"{method} by {role}"
                assert everything() == before


@pytest.mark.parametrize("route", sorted({row.route for row in ROWS if row.route.startswith("admin/")}))
def test_no_form_of_the_administration_reaches_past_its_rows(cast, route):
    """Its pages are in the table, where they are only looked at. What staff may write of their own is in test_admin."""
    sent = {"post": "yes", "name": "x", "nickname": "x", "title": "x", "username": "xerxes", "role": "teacher",
            "is_superuser": "on", "index": "0", "password1": "battery staple 9",
            "password2": "battery staple 9"}
    is_list = re.fullmatch(r"admin/\w+/\w+/", route)  # only these know actions
    actions = ["delete_selected", "remove", "rotate_codes", "archive", "close_doors", "disable", "forget_guesses"]
    before = everything()
    for role in ROLES[:-1]:
        client = browser(cast.people[role])
        for thing in THINGS if role != "staff" else ["mallory"]:
            ids = cast.ids[thing]
            table = re.match(r"admin/\w+/(\w+)/", route)
            row = ids["rows"].get(table[1], 1) if table else 1
            for action in ["", *actions] if is_list else [""]:
                with transaction.atomic():
                    if route != "admin/logout/":
                        ask(client, Row(route, {}, "POST", data=sent | {"action": action, "_selected_action": row}), ids)
                    assert everything() == before, f"{role} at {thing}'s by {action or 'its form'}"
                    transaction.set_rollback(True)


def test_every_socket_has_its_row():
    assert {str(entry.pattern) for entry in websocket_application.routes} == SOCKETS.keys()


async def first_word(person: Person | None, path: str) -> int | str:
    """Return the type of the first message on a socket, or the code it is closed with."""
    headers = None if person else [(b"host", b"testserver"), (b"origin", b"http://testserver")]
    conversation = Conversation(person, path, headers=headers)
    if not await conversation.open():
        return "refused"
    try:
        return (await conversation.hears_any())["type"]
    except Exception:
        return await conversation.closes()
    finally:
        await conversation.leave()


@pytest.mark.parametrize("route", SOCKETS)
async def test_who_gets_which_socket(serving_without_engine, cast, route):
    for role in ROLES:
        for place, thing in enumerate(THINGS):
            path = address(route, cast.ids[thing]) if route else "/ws/nowhere/"
            wanted = SOCKETS[route][role]
            wanted = wanted[place] if isinstance(wanted, tuple) else wanted
            assert await first_word(cast.people[role], path) == wanted, f"{role} at {thing}'s"
    removed = cast.people["removed"]
    own = await first_word(removed, f"/ws/sessions/{removed.reading_session.pk}/")
    assert own == 4403


async def test_tickets_open_only_what_they_were_given_for(serving_without_engine, cast):
    from sessions.services.access import issue_ticket
    alice, ids = cast.people["alice"], cast.ids
    for thing, wanted in (("alice", "SESSION_RESTORED"), ("bob", 4404)):
        path = f"/ws/sessions/{ids[thing]['reading_session_id']}/"
        ticket = await stored(issue_ticket, alice.user, path=path)
        assert await first_word(None, f"{path}?ticket={ticket}") == wanted
