"""Who may open a socket at all: origins, and the one-use tickets of programs."""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.test import Client

from classrooms import database
from classrooms.models import User
from classrooms.services.roster import remove_student
from sessions.models import ReadingSession, Ticket
from sessions.services.access import issue_ticket
from tests.people import Conversation, browser, stored


def path_of(person) -> str:
    if person.reading_session:
        return f"/ws/sessions/{person.reading_session.pk}/"
    return f"/ws/classrooms/{person.classroom.pk}/"


def headers_of(person, *, origin, host="testserver", **more):
    headers = [(b"cookie", f"{django_settings.SESSION_COOKIE_NAME}={person.cookie}".encode()), (b"host", host.encode())]
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    return headers + ([(b"origin", origin.encode())] if origin is not None else [])


async def is_let_in(person, **headers) -> bool:
    """True when the socket opens and speaks; a refused one must be refused before it was accepted."""
    conversation = Conversation(person, path_of(person), headers=headers_of(person, **headers))
    accepted = await conversation.open()
    if accepted:
        await conversation.hears("SESSION_RESTORED", "CLASSROOM_STATE")
    await conversation.leave()
    return accepted


@pytest.mark.parametrize("origin", [
    None, "null", "http://evil.example", "http://testserver.evil.example", "http://eviltestserver",
    "http://testserver:8001", "https://testserver", "ws://testserver", "testserver", "http://testserver/",
    "http://testserver@evil.example", "http://TESTSERVER.", "http://testserver http://evil.example", "file://",
    "\xe9\xff",
])
async def test_a_foreign_origin_is_refused_before_accepting(serving_without_engine, alice, carol, origin):
    for person in (alice, carol):
        assert not await is_let_in(person, origin=origin)


async def test_the_very_origin_of_the_page_is_let_in(serving_without_engine, alice, carol):
    for person in (alice, carol):
        assert await is_let_in(person, origin="http://testserver")
    assert await is_let_in(alice, origin="http://testserver:8000", host="testserver:8000")
    assert not await is_let_in(alice, origin="http://testserver", host="testserver:8000")


async def test_where_public_origins_are_set_only_they_are_let_in(serving_without_engine, settings, alice):
    settings.PUBLIC_ORIGINS = ["https://read.school.example", "https://lesen.school.example"]
    for origin in settings.PUBLIC_ORIGINS:
        assert await is_let_in(alice, origin=origin, host="10.0.0.7:8000")
    assert not await is_let_in(alice, origin="http://testserver")
    assert not await is_let_in(alice, origin="http://read.school.example", host="read.school.example")


async def test_a_forwarded_https_counts_behind_a_declared_proxy_only(serving_without_engine, settings, alice):
    forwarded = dict(origin="https://testserver", x_forwarded_proto="https")
    assert not await is_let_in(alice, **forwarded)
    settings.BEHIND_PROXY = True
    assert await is_let_in(alice, **forwarded)
    assert not await is_let_in(alice, origin="http://testserver", x_forwarded_proto="https")
    assert await is_let_in(alice, origin="http://testserver", x_forwarded_proto="http")


# ---- Tickets


async def post(person, url, data=None, **client) -> tuple[int, dict]:
    response = await stored(
        browser(person).post if person else Client(**client).post, url, data or {}, content_type="application/json")
    return response.status_code, response.json() if response.content else {}


async def ticket_path(person, story) -> str:
    """Return path and query of a fresh ticket's socket, as the API gives it to a program."""
    if person.reading_session:
        status, body = await post(person, "/api/sessions/", {"text": story.pk})
        assert body["id"] == str(person.reading_session.pk)
    else:
        status, body = await post(person, f"/api/classrooms/{person.classroom.pk}/ticket/")
    url = urlsplit(body["websocket_url"])
    assert (status, url.scheme, url.netloc, url.path) == (201, "ws", "testserver", path_of(person))
    return f"{url.path}?{url.query}"


async def opens(path, *, headers=()) -> Conversation:
    """Try a socket without cookie and origin; `closed_with` is None when it was let in."""
    program = Conversation(None, path, headers=[(b"host", b"testserver"), *headers])
    if await program.open():
        await program.hears("SESSION_RESTORED", "CLASSROOM_STATE")
    await program.leave()
    return program


@pytest.mark.parametrize("who", ["alice", "carol"])
async def test_a_ticket_opens_one_socket_once(serving_without_engine, school, story, who):
    path = await ticket_path(school[who], story)
    assert (await opens(path)).closed_with is None
    assert (await opens(path)).closed_with is not None
    assert await stored(Ticket.objects.count) == 0


async def test_of_two_programs_with_one_ticket_one_gets_in(serving_without_engine, alice, story):
    path = await ticket_path(alice, story)
    let_in = [program.closed_with is None for program in await asyncio.gather(opens(path), opens(path), opens(path))]
    assert sorted(let_in) == [False, False, True]


async def test_a_ticket_is_good_for_its_own_path_and_minute_only(serving_without_engine, alice, bob, carol, story):
    path = await ticket_path(alice, story)
    query = urlsplit(path).query
    for elsewhere in (path_of(bob), path_of(carol), f"/ws/{alice.reading_session.pk}"):
        assert (await opens(f"{elsewhere}?{query}")).closed_with is not None
    row = await stored(Ticket.objects.get)
    assert row.token_hash not in path, "only the hash may be kept"
    assert timedelta(seconds=55) < row.expires_at - await stored(database.now) < timedelta(seconds=61)
    await stored(Ticket.objects.update, expires_at=await stored(database.now))
    assert (await opens(path)).closed_with is not None


@pytest.mark.parametrize("query", ["ticket=", "ticket=x", "ticket=%00", "ticket", "", "ticket=" + "x" * 5_000])
async def test_a_made_up_ticket_opens_nothing(serving_without_engine, alice, query):
    assert (await opens(f"{path_of(alice)}?{query}")).closed_with is not None


async def test_a_page_with_a_bad_ticket_is_told_to_log_in_again(serving_without_engine, alice):
    page = Conversation(alice, f"{path_of(alice)}?ticket=x")
    assert await page.open()
    assert await page.closes() == 4401 and page.heard == []
    await page.leave()


async def test_a_foreign_page_can_neither_use_nor_spoil_a_ticket(serving_without_engine, alice, story):
    path = await ticket_path(alice, story)
    assert (await opens(path, headers=[(b"origin", b"http://evil.example")])).closed_with is not None
    assert (await opens(path)).closed_with is None


async def test_tickets_die_with_what_they_stood_for(serving_without_engine, alice, carol, story):
    hers, theirs = await ticket_path(alice, story), await ticket_path(carol, story)

    def another_password():
        user = User.objects.get(pk=carol.user.pk)
        user.set_password("battery staple")
        user.save()

    await stored(remove_student, alice.enrollment)
    await stored(another_password)
    assert (await opens(hers)).closed_with is not None
    assert (await opens(theirs)).closed_with is not None


async def test_a_disabled_account_s_ticket_opens_nothing(serving_without_engine, alice):
    """Not even one written in the moment in which the others were taken away."""
    path = path_of(alice)
    await stored(User.objects.filter(pk=alice.user.pk).update, is_active=False)
    ticket = await stored(issue_ticket, alice.user, path=path)
    assert (await opens(f"{path}?ticket={ticket}")).closed_with is not None


async def test_only_those_with_the_right_are_given_tickets(serving_without_engine, school, alice, carol, trent, bob, story):
    classroom = f"/api/classrooms/{carol.classroom.pk}/ticket/"
    for person, url, data, expected in (
            (None, "/api/sessions/", {"text": story.pk}, 401), (None, classroom, {}, 401),
            (carol, "/api/sessions/", {"text": story.pk}, 404), (alice, "/api/sessions/", {"text": 10**6}, 404),
            (alice, "/api/sessions/", {"text": 10**30}, 404), (alice, "/api/sessions/", {"text": "x"}, 400),
            (alice, "/api/sessions/", {}, 400), (alice, classroom, {}, 404), (trent, classroom, {}, 404),
            (carol, "/api/classrooms/999999/ticket/", {}, 404)):
        status, body = await post(person, url, data)
        assert status == expected, (person and person.user.username, url, data, body)
        assert "websocket_url" not in body
    await stored(remove_student, bob.enrollment)
    assert (await post(bob, "/api/sessions/", {"text": story.pk}))[0] == 404
    assert await stored(Ticket.objects.count) == 0


async def test_a_ticket_is_not_given_to_a_forged_form(serving_without_engine, alice, story):
    client = Client(enforce_csrf_checks=True)
    client.cookies[django_settings.SESSION_COOKIE_NAME] = alice.cookie
    response = await stored(client.post, "/api/sessions/", {"text": story.pk}, content_type="application/json")
    assert response.status_code == 403 and not await stored(Ticket.objects.exists)


async def test_asking_for_a_ticket_twice_starts_one_reading(serving_without_engine, alice, story):
    first, second = await ticket_path(alice, story), await ticket_path(alice, story)
    assert urlsplit(first).path == urlsplit(second).path and first != second
    assert await stored(ReadingSession.objects.filter(enrollment=alice.enrollment).count) == 1
