"""How programs come in and are put out: a teacher's token, and sockets that end with the log-in that opened them."""

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.db import connection
from rest_framework.authtoken.models import Token

from classrooms.api.tokens import AddressThrottle
from classrooms.models import User
from classrooms.services.tokens import issue_token, token_key
from sessions.models import Eviction
from sessions.pulse import pulse
from sessions.services import access
from tests.people import Conversation, beat, browser, stored
from tests.rest import Program, program

HERS = {"username": "carol", "password": "correct horse"}


@pytest.fixture(autouse=True)
def no_counts_of_others():
    cache.clear()


def token_of(username: str = "carol") -> str:
    said = program().post("token/", HERS | {"username": username})
    assert said.status == 201 and list(said.body) == ["token"] and "no-store" in said.headers["Cache-Control"]
    return said.body["token"]


def changed(user: User, *, password: str = "", **fields) -> None:
    """Change a user as a page or the admin would."""
    user = User.objects.get(pk=user.pk)
    for name, value in fields.items():
        setattr(user, name, value)
    if password:
        user.set_password(password)
    user.save()


def test_a_token_opens_what_its_teacher_may_see_and_needs_no_cookie(carol, trent):
    hers = program(token=token_of())
    assert [row["name"] for row in hers.get("classrooms/").body["results"]] == ["7B"]
    assert hers.get(f"classrooms/{trent.classroom.pk}/").status == 404
    said = hers.patch(f"classrooms/{carol.classroom.pk}/", {"name": "7B, mornings"})
    assert said.status == 200 and "no-store" in said.headers["Cache-Control"] and not hers.client.cookies


def test_what_the_table_holds_opens_nothing(carol):
    secret = token_of()
    [row] = Token.objects.all()
    assert row.user == carol.user and row.key not in secret and len(row.key) == 40
    assert program(token=row.key).get("classrooms/").status == 401
    assert program(token=secret).get("classrooms/").status == 200


def test_there_is_one_token_and_the_next_ends_it(carol, trent):
    first, others = token_of(), token_of("trent")
    second = token_of()
    assert first != second and Token.objects.count() == 2
    assert program(token=first).get("classrooms/").status == 401
    assert program(token=second).get("classrooms/").status == 200 == program(token=others).get("classrooms/").status


def test_of_tokens_asked_for_in_one_moment_one_is_left(carol):
    def issue(_) -> str:
        try:
            return issue_token(carol.user)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        secrets = list(threads.map(issue, range(16)))
    left = Token.objects.get()
    assert [secret for secret in secrets if token_key(secret) == left.key] and len(set(secrets)) == 16


def test_a_token_is_ended_by_its_owner(carol, trent):
    secret, others = token_of(), token_of("trent")
    assert program(token=secret).delete("token/").status == 204
    assert program(token=secret).get("classrooms/").status == 401
    assert program(token=others).get("classrooms/").status == 200
    assert program(carol).delete("token/").status == 204  # there is none any more, and that is as well


@pytest.mark.parametrize("change", [{"password": "battery staple"}, {"is_active": False}])
def test_another_password_or_a_closed_account_ends_the_token(carol, change):
    secret = token_of()
    changed(carol.user, **change)
    assert program(token=secret).get("classrooms/").status == 401
    assert not Token.objects.exists()


def test_who_is_no_teacher_gets_no_token(alice, bob, carol):
    alice.user.set_password("a student's own")
    alice.user.save()
    tries = [HERS | {"password": "wrong"}, HERS | {"username": "nobody"},
             {"username": alice.user.username, "password": "a student's own"}]
    said = [program().post("token/", credentials) for credentials in tries]
    assert {answer.status for answer in said} == {400} and len({str(answer.body) for answer in said}) == 1
    assert said[0].body["code"] == "WRONG_CREDENTIALS" and not Token.objects.exists()
    assert program(bob).delete("token/").status == 403
    assert program().delete("token/").status == 401


@pytest.mark.parametrize("body", [
    {}, [], "x", {"username": "carol"}, HERS | {"username": ["carol"]}, HERS | {"role": "teacher"},
    HERS | {"username": "x" * 151}, HERS | {"password": None}, HERS | {"username": "a\x00"}])
def test_credentials_are_said_plainly(carol, body):
    said = program().post("token/", body)
    assert (said.status, said.body["code"]) == (400, "INVALID_MESSAGE") and not Token.objects.exists()


def test_the_seventh_wrong_password_waits_at_this_door_and_the_page_s(carol):
    statuses = [program().post("token/", HERS | {"password": f"wrong {number}"}).status for number in range(6)]
    said = program().post("token/", HERS)
    assert statuses == [400] * 6 and (said.status, said.body["code"]) == (429, "THROTTLED")
    assert browser().post("/login/", HERS).status_code == 429
    token_of("trent")


def test_an_address_is_listened_to_so_often(carol, trent, monkeypatch):
    monkeypatch.setattr(AddressThrottle, "THROTTLE_RATES", {"token": "3/hour"})
    for _ in range(3):
        token_of()
    for forwarded in ({}, {"X-Forwarded-For": "192.0.2.9"}):  # what a program says of itself is not believed
        said = Program(browser(), forwarded).post("token/", HERS)
        assert (said.status, said.body["code"]) == (429, "THROTTLED") and int(said.headers["Retry-After"]) > 3_000
    elsewhere = program()
    elsewhere.client.defaults["REMOTE_ADDR"] = "192.0.2.9"
    assert elsewhere.post("token/", HERS).status == 201


@pytest.mark.parametrize("header", ["Token", "Token x", "Token a b", "Token \xff", "Bearer x", "Basic Y2Fyb2w6eA=="])
def test_a_bad_token_is_a_stranger_s(carol, header):
    said = Program(browser(), {"Authorization": header}).get("classrooms/")
    assert (said.status, said.headers["WWW-Authenticate"]) == (401, "Token")
    assert Program(browser(), {"Authorization": header}).post("token/", HERS).status == 201


# ---- Sockets that end with what opened them


async def opened_by(their: Program, path: str, first: str) -> Conversation:
    """Open a socket by a ticket, with neither cookie nor origin."""
    said = await stored(their.post, path)
    assert said.status == 201
    url = urlsplit(said.body["websocket_url"])
    conversation = Conversation(None, f"{url.path}?{url.query}", headers=[(b"host", b"testserver")])
    assert await conversation.open()
    await conversation.hears(first)
    return conversation


async def test_a_ticket_of_ones_own_session_opens_its_socket(serving_without_engine, alice):
    a = await opened_by(program(alice), f"sessions/{alice.reading_session.pk}/ticket/", "SESSION_RESTORED")
    assert (await a.sends("PING")) and (await a.hears("PONG"))
    await a.leave()


async def test_a_token_s_sockets_close_with_it_and_no_others(swift, deaf, serving_without_engine, carol, trent):
    room = f"classrooms/{carol.classroom.pk}/ticket/"
    secret = await stored(token_of)
    by_token = await opened_by(program(token=secret), room, "CLASSROOM_STATE")
    by_cookie = await opened_by(program(carol), room, "CLASSROOM_STATE")
    waiting = await stored(program(token=secret).post, room)
    await stored(program(token=secret).delete, "token/")
    assert await by_token.closes() == 4401
    await beat(by_cookie)
    url = urlsplit(waiting.body["websocket_url"])
    late = Conversation(None, f"{url.path}?{url.query}", headers=[(b"host", b"testserver")])
    assert not await late.open()
    for conversation in (by_token, by_cookie, late):
        await conversation.leave()


async def test_logging_out_closes_the_sockets_of_its_tickets(swift, deaf, serving_without_engine, alice, carol):
    by_cookie = await opened_by(program(alice), f"sessions/{alice.reading_session.pk}/ticket/", "SESSION_RESTORED")
    secret = await stored(token_of)
    by_token = await opened_by(program(token=secret), f"classrooms/{carol.classroom.pk}/ticket/", "CLASSROOM_STATE")
    await stored(browser(alice).post, "/logout/")
    assert await by_cookie.closes() == 4401
    await stored(browser(carol).post, "/logout/")
    await beat(by_token)  # a program's log-in is another
    for conversation in (by_cookie, by_token):
        await conversation.leave()


async def test_a_ticket_prolongs_no_log_in(swift, serving_without_engine, alice, carol):
    """Asked for in the last hour of a log-in, it opens a socket for that hour and not for twelve more."""
    ends = time.time() - 12 * 3600 + 60

    def nearly_over(person):
        store = SessionStore(person.cookie)
        store.update({"auth_at": ends, "last_activity": time.time()})
        store.save()

    for person, path, first in ((alice, f"sessions/{alice.reading_session.pk}/ticket/", "SESSION_RESTORED"),
                                (carol, f"classrooms/{carol.classroom.pk}/ticket/", "CLASSROOM_STATE")):
        await stored(nearly_over, person)
        conversation = await opened_by(program(person), path, first)
        (consumer,) = (*pulse().readers, *pulse().rooms)
        assert consumer.access.until.timestamp() == pytest.approx(ends + 12 * 3600)
        await conversation.leave()


async def test_a_ticket_given_out_while_its_log_in_ended_opens_nothing(serving_without_engine, alice):
    """The request that asked was let in before the log-out, and its ticket was written after it."""
    path = f"/ws/sessions/{alice.reading_session.pk}/"
    await stored(browser(alice).post, "/logout/")
    ticket = await stored(access.issue_ticket, alice.user, path=path, log_in=alice.cookie)
    late = Conversation(None, f"{path}?ticket={ticket}", headers=[(b"host", b"testserver")])
    assert not await late.open()


def test_a_user_goes_with_their_token(carol, trent):
    token_of("trent")
    User.objects.get(pk=trent.user.pk).delete()
    assert not Token.objects.exists() and not Eviction.objects.exists()
