"""Reading over REST: sessions, places and questions, kept by the same services as over the socket."""

import uuid

import pytest
from django.conf import settings as django_settings
from django.test import Client

from classrooms.services.roster import remove_student
from classrooms.services.texts import create_text
from sessions.models import Interruption, ReadingSession
from tests.people import queued, reader, room, stored
from tests.rest import Program, program

NOT_FOUND = {"code": "NOT_FOUND", "message": "There is no such thing here."}


def of(person, below: str = "") -> str:
    return f"sessions/{person.reading_session.pk}/{below}"


def question(text: str = "What is a burrow?", **more) -> dict:
    return {"id": str(uuid.uuid4()), "questionText": text} | more


def place(person) -> tuple[int, int, int]:
    return ReadingSession.objects.values_list("word_index", "furthest_word_index", "rev").get(pk=person.reading_session.pk)


# ---- Reading sessions


def test_a_reading_is_begun_once_and_looked_up(alice, carol):
    other = create_text(owner=carol.user, raw="Another\n\nIt was a dark night.", classrooms=[carol.classroom])
    her = program(alice)
    begun = her.post("sessions/", {"text": other.pk})
    again = her.post("sessions/", {"text": other.pk})
    assert (begun.status, again.status) == (201, 201) and begun.body["id"] == again.body["id"]
    assert begun.body["websocket_url"].startswith(f"ws://testserver/ws/sessions/{begun.body['id']}/?ticket=")
    seen = her.get(f"sessions/{begun.body['id']}/")
    assert seen.status == 200 and "no-store" in seen.headers["Cache-Control"]
    assert seen.body == {name: value for name, value in begun.body.items() if name != "websocket_url"}
    assert seen.body | {"createdAt": 0} == {
        "id": begun.body["id"], "classroomId": alice.classroom.pk,
        "text": {"id": other.pk, "title": "Another", "words": other.word_count, "revision": 1},
        "wordIndex": 0, "furthestWordIndex": 0, "rev": 0, "page": 1, "pageCount": 1, "percent": 0, "status": "reading",
        "activeSeconds": 0, "createdAt": 0}
    assert her.get("sessions/").body == {"results": [seen.body, her.get(of(alice)).body], "next": None}


@pytest.mark.parametrize("body", [
    {}, {"text": "1"}, {"text": True}, {"text": 1.0}, {"text": 0}, {"text": None}, [], "x", None,
    {"text": 1, "enrollment": 2}])
def test_what_to_read_must_be_said_plainly(alice, body):
    before = ReadingSession.objects.count()
    said = program(alice).post("sessions/", body)
    assert (said.status, said.body["code"]) == (400, "INVALID_MESSAGE")
    assert ReadingSession.objects.count() == before


GETS = ["", "progress/", "interruptions/", "interruptions/{question}/"]
CHANGES = [("PUT", "progress/"), ("POST", "interruptions/"), ("POST", "ticket/")]


@pytest.mark.parametrize(("method", "below"), [*(("GET", below) for below in GETS), *CHANGES])
def test_anothers_reading_is_as_absent_as_none(school, alice, method, below):
    below = below.format(question=queued(alice).pk)
    body = {"PUT": {"wordIndex": 3, "rev": 1}, "POST": question()}.get(method)
    for name in ("bob", "mallory", "carol", "trent"):
        others = program(school[name])(method, of(alice, below), body)
        absent = program(school[name])(method, f"sessions/{uuid.uuid4()}/{below}", body)
        assert (others.status, others.body) == (absent.status, absent.body) == (404, NOT_FOUND), name
    stranger = program()(method, of(alice, below), body)
    assert (stranger.status, stranger.headers["WWW-Authenticate"]) == (401, "Token")
    assert program(alice)(method, of(alice, below), body).status in (200, 201)
    before = Interruption.objects.count(), place(alice)
    remove_student(alice.enrollment)
    assert program(alice)(method, of(alice, below), body).body == NOT_FOUND
    assert program(alice).get("sessions/").body == {"results": [], "next": None}
    assert (Interruption.objects.count(), place(alice)) == before


def test_everyone_lists_their_own_readings_only(school):
    for name in ("alice", "bob", "mallory"):
        listed = program(school[name]).get("sessions/").body["results"]
        assert [row["id"] for row in listed] == [str(school[name].reading_session.pk)]
    for name in ("carol", "trent"):
        assert program(school[name]).get("sessions/").body["results"] == []
        assert program(school[name]).post("sessions/", {"text": school["story"].pk}).body == NOT_FOUND


# ---- Progress


async def test_a_place_is_kept_as_the_socket_keeps_it(serving_without_engine, alice):
    her = program(alice)
    async with reader(alice) as a:
        moved = await stored(her.put, of(alice, "progress/"), {"wordIndex": 30, "rev": 1, "activeSeconds": 4, "revision": 1})
        assert (moved.status, moved.body) == (200, {"rev": 1, "wordIndex": 30, "furthestWordIndex": 30})
        assert (await a.hears("PROGRESS_SAVED"))["payload"] == moved.body
        back = await stored(her.put, of(alice, "progress/"), {"wordIndex": 10, "rev": 5})
        assert back.body == {"rev": 5, "wordIndex": 10, "furthestWordIndex": 30}
        for rev in (1, 5):
            late = await stored(her.put, of(alice, "progress/"), {"wordIndex": 40, "rev": rev})
            assert (late.status, late.body) == (200, back.body | {"stale": True})
        assert (await stored(her.get, of(alice, "progress/"))).body == back.body
    assert await stored(place, alice) == (10, 30, 5)


@pytest.mark.parametrize(("body", "status", "code"), [
    ({"wordIndex": -1, "rev": 2}, 400, "INVALID_POSITION"), ({"wordIndex": 10**6, "rev": 2}, 400, "INVALID_POSITION"),
    ({"wordIndex": 3, "rev": 2, "revision": 7}, 409, "STALE_TEXT"), ({"wordIndex": 3}, 400, "INVALID_MESSAGE"),
    ({"wordIndex": "3", "rev": 2}, 400, "INVALID_MESSAGE"), ({"wordIndex": True, "rev": 2}, 400, "INVALID_MESSAGE"),
    ({"word_index": 3, "rev": 2}, 400, "INVALID_MESSAGE"), ({"wordIndex": 3, "rev": 0}, 400, "INVALID_MESSAGE"),
    *(({"wordIndex": 3, "rev": 2, name: 1}, 400, "INVALID_MESSAGE")
      for name in ("role", "student", "classroom", "enrollment", "status", "furthestWordIndex"))])
def test_a_place_that_cannot_be_leaves_the_old_one(alice, body, status, code):
    her = program(alice)
    her.put(of(alice, "progress/"), {"wordIndex": 20, "rev": 1})
    said = her.put(of(alice, "progress/"), body)
    assert (said.status, said.body["code"]) == (status, code) and said.body["message"]
    assert place(alice) == (20, 20, 1)


# ---- Questions


async def test_a_question_is_answered_and_can_be_looked_up(serving, alice, carol, model):
    model.says("A burrow ", "is a home.")
    async with reader(alice) as a, room(carol) as c:
        asked = await stored(program(alice).post, of(alice, "interruptions/"), question(context={"currentWordIndex": 12}))
        assert asked.status == 201 and asked.body["wordIndex"] == 12
        assert (await a.hears("INTERRUPTION_ACKNOWLEDGED"))["payload"] == asked.body
        assert (await c.hears("INTERRUPTION_OPENED"))["payload"]["interruption"]["nickname"] == "alice"
        assert await a.answer() == "A burrow is a home."
    seen = await stored(program(alice).get, of(alice, f"interruptions/{asked.body['interruptionId']}/"))
    assert (seen.body["state"], seen.body["responseText"]) == ("answered", "A burrow is a home.")


async def test_a_question_sent_again_is_one_question_whichever_way_it_came(serving_without_engine, alice):
    her, body = program(alice), question()
    first = await stored(her.post, of(alice, "interruptions/"), body)
    again = await stored(her.post, of(alice, "interruptions/"), body)
    assert (first.status, again.status) == (201, 200) and first.body == again.body
    other = await stored(her.post, of(alice, "interruptions/"), body | {"questionText": "Why?"})
    assert (other.status, other.body["code"]) == (409, "CONFLICT")
    async with reader(alice) as a:
        assert (await a.ask(body["questionText"], id=body["id"]))["payload"] == first.body
    assert await stored(Interruption.objects.count) == 1


@pytest.mark.parametrize(("body", "code"), [
    (question("  \u200b "), "EMPTY_QUESTION"), (question("x" * 2001), "TOO_LONG"), (question("a\x00b"), "INVALID_TEXT"),
    ({"questionText": "Why?"}, "INVALID_MESSAGE"), (question() | {"id": "1"}, "INVALID_MESSAGE"), ([], "INVALID_MESSAGE"),
    (question(context={"currentWordIndex": 10**6}), "INVALID_POSITION"), (None, "INVALID_MESSAGE"),
    *((question(**{name: 1}), "INVALID_MESSAGE") for name in ("role", "student", "classroom", "state", "responseText"))])
def test_a_question_that_cannot_be_asked_is_not_stored(alice, body, code):
    said = program(alice).post(of(alice, "interruptions/"), body)
    assert (said.status, said.body["code"]) == (400, code)
    assert not Interruption.objects.exists()


def test_the_seventh_question_of_a_minute_waits(alice):
    her = program(alice)
    said = [her.post(of(alice, "interruptions/"), question(f"Why {number}?")) for number in range(7)]
    assert [answer.status for answer in said] == [201] * 6 + [429]
    assert said[-1].body["code"] == "RATE_LIMITED" and Interruption.objects.count() == 6


def test_a_waiting_question_tells_its_place_and_a_stale_one_its_reason(alice, bob):
    queued(bob, "Before hers?")
    hers, failed = queued(alice), queued(alice, "Why?", state="failed", error_code="timeout")
    her = program(alice)
    assert her.get(of(alice, f"interruptions/{hers.pk}/")).body["queuePosition"] == 2
    assert her.get(of(alice, f"interruptions/{failed.pk}/")).body["userMessage"] == "The tutor took too long."
    assert [row.get("queuePosition") for row in her.get(of(alice, "interruptions/")).body["results"]] == [None, 2]
    for id in (queued(bob).pk, uuid.uuid4()):
        assert her.get(of(alice, f"interruptions/{id}/")).body == NOT_FOUND


# ---- What is refused before anything is read


@pytest.mark.parametrize("raw", [
    b"", b"{", b"[" * 60_000, b'{"wordIndex": 3, "wordIndex": 4, "rev": 1}', b'{"wordIndex": NaN, "rev": 1}', b"\xff\xfe",
    b'{"wordIndex": ' + b"9" * 5_000 + b', "rev": 1}', b'{"wordIndex": 1e400, "rev": 1}', b'"\\ud800"'])
def test_a_body_that_is_not_json_changes_nothing(alice, raw):
    said = program(alice)("PUT", of(alice, "progress/"), raw=raw)
    assert said.status == 400 and said.body["code"] in ("INVALID_JSON", "INVALID_MESSAGE")
    assert place(alice) == (0, 0, 0)


def test_a_body_beyond_what_a_socket_takes_is_too_large(alice):
    said = program(alice)("PUT", of(alice, "progress/"), raw=b'{"wordIndex": 3, "rev": 1}' + b" " * 65_536)
    assert (said.status, said.body["code"], place(alice)) == (413, "TOO_LONG", (0, 0, 0))


def test_a_form_is_no_json_and_says_so(alice):
    client = program(alice).client
    response = client.post(f"/api/v1/{of(alice, 'interruptions/')}", {"questionText": "Why?"})
    assert (response.status_code, response.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(("method", "below"), CHANGES)
def test_a_forged_page_changes_nothing(alice, method, below):
    forged = Program(Client(enforce_csrf_checks=True))
    forged.client.cookies[django_settings.SESSION_COOKIE_NAME] = alice.cookie
    said = forged(method, of(alice, below), {"wordIndex": 3, "rev": 1} if method == "PUT" else question())
    assert (said.status, said.body["code"]) == (403, "PERMISSION_DENIED")
    assert place(alice) == (0, 0, 0) and not Interruption.objects.exists()


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "PUT"])
def test_a_reading_is_not_edited(alice, method):
    said = program(alice)(method, of(alice), {"student": 1})
    assert (said.status, said.body["code"]) == (405, "METHOD_NOT_ALLOWED")


def test_the_newest_version_is_found_without_its_number(alice, carol):
    for path in (of(alice), of(alice, "interruptions/"), "texts/", "classrooms/", ""):
        newest, named = program(alice).get(f"/api/{path}"), program(alice).get(f"/api/v1/{path}")
        assert newest.status == named.status == 200 and newest.body == named.body
