"""A log-in from its first moment to its last, and what every page sends with it."""

import time
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from classrooms.services.roster import set_pin
from sessions.models import Eviction, ReadingSession
from sessions.pulse import pulse
from sessions.services import access
from tests.people import browser, reader

pytestmark = pytest.mark.usefixtures("quick_hashing")
CSP = {"default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"}


def join(client, classroom, nickname="alice", pin="1234", query=""):
    return client.post(f"/join/{query}", {"code": classroom.code, "nickname": nickname, "pin": pin})


def change_session(client, **values):
    session = client.session
    session.update(values)
    session.save()


def test_the_session_id_changes_at_the_log_in(client, alice):
    client.get("/join/")
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    planted = session.session_key
    client.cookies["sessionid"] = planted
    join(client, alice.classroom)
    assert client.cookies["sessionid"].value != planted
    assert not Session.objects.filter(pk=planted).exists()


def test_the_next_child_at_a_shared_tablet_ends_the_first_ones_log_in(client, alice, bob):
    join(client, alice.classroom)
    first = client.cookies["sessionid"].value
    join(client, bob.classroom, "bob")
    assert client.get("/read/").context["enrollment"] == bob.enrollment
    assert not Session.objects.filter(pk=first).exists()
    assert Eviction.objects.get(user=alice.user).code == 4401


@pytest.mark.parametrize("wanted", [
    "https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "///evil.example", "evil", "",
    "logout"])
def test_the_door_leads_only_to_our_own_pages(alice, wanted):
    assert join(Client(), alice.classroom, query="?next=" + wanted)["Location"] == "/read/"
    carol = Client().post("/login/?next=" + wanted, {"username": "carol", "password": "correct horse"})
    assert carol["Location"] == "/classes/"


def test_the_door_leads_to_the_page_that_was_wanted(client, alice):
    wanted = f"/read/{alice.reading_session.pk}/page/1/"
    door = client.get(wanted)["Location"]
    assert door.startswith("/join/?next=")
    assert f'action="/join/?next={wanted}"' in client.get(door).content.decode()
    assert join(client, alice.classroom, query=door.partition("/join/")[2])["Location"] == wanted


def test_cookies_are_kept_from_scripts_and_strangers(client, carol):
    client.get("/login/")
    client.post("/login/", {"username": "carol", "password": "correct horse"})
    for name in ("sessionid", "csrftoken"):
        cookie = client.cookies[name]
        assert cookie["httponly"] and cookie["samesite"] == "Lax"


@pytest.mark.parametrize("path", ["/join/", "/login/", "/logout/", "/classes/new/"])
def test_a_form_without_its_token_is_refused(carol, path):
    client = Client(enforce_csrf_checks=True)
    client.cookies["sessionid"] = carol.cookie
    response = client.post(path, {"name": "8C"})
    assert response.status_code == 403
    assert b"grown too old" in response.content and b"<style" not in response.content
    assert carol.user.classrooms.count() == 1


def test_log_out_ends_it(alice):
    client = browser(alice)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/")["Location"] == "/"
    assert not Session.objects.filter(pk=alice.cookie).exists()
    assert browser(alice).get("/read/")["Location"].startswith("/join/")
    assert Eviction.objects.get().user == alice.user


def test_twelve_hours_end_every_log_in(alice, carol):
    for person, page, door in ((alice, "/read/", "/join/"), (carol, "/classes/", "/login/")):
        client = browser(person)
        change_session(client, auth_at=time.time() - 12 * 3600 - 1, last_activity=time.time())
        assert client.get(page)["Location"].startswith(door)
        assert not Session.objects.filter(pk=person.cookie).exists()


def test_every_door_notes_when_a_log_in_began(school, carol, alice, settings):
    """Without it a log-in would have no end of its own: whoever is active would stay for ever."""
    settings.SIGN_UP = True
    before, password = time.time(), "battery staple 9"
    for path, form in (("/login/", {"username": "carol", "password": "correct horse"}),
                       ("/join/", {"code": alice.classroom.code, "nickname": "alice", "pin": "1234"}),
                       ("/signup/", {"username": "ines", "password1": password, "password2": password})):
        client = Client()
        assert client.post(path, form).status_code == 302, path
        assert before <= client.session["auth_at"] <= time.time(), path


def test_half_an_hour_away_ends_a_students_log_in_but_no_teachers(alice, carol):
    away = time.time() - 30 * 60 - 1
    for person in (alice, carol):
        change_session(browser(person), auth_at=away, last_activity=away)
    assert browser(alice).get("/read/")["Location"].startswith("/join/")
    assert browser(carol).get("/classes/").status_code == 200


def test_who_reads_on_a_socket_is_not_away(alice):
    away = time.time() - 40 * 60
    change_session(browser(alice), auth_at=away, last_activity=away)
    ReadingSession.objects.update(last_activity=timezone.now() - timedelta(minutes=29))
    client = browser(alice)
    assert client.get("/read/").status_code == 200
    assert client.session["last_activity"] > time.time() - 60


def test_activity_is_stored_once_a_minute(alice):
    client = browser(alice)
    client.get("/read/")
    noted = client.session["last_activity"]
    client.get("/read/")
    assert client.session["last_activity"] == noted
    change_session(client, last_activity=noted - 61)
    client.get("/read/")
    assert client.session["last_activity"] > noted - 1


def test_an_idle_cookie_opens_no_socket(alice):
    assert access.access_by_cookie(alice.cookie).user == alice.user
    away = time.time() - 30 * 60 - 1
    change_session(browser(alice), auth_at=away, last_activity=away)
    with pytest.raises(access.NotLoggedIn):
        access.access_by_cookie(alice.cookie)


def test_a_new_pin_ends_the_log_ins_of_the_old_one(alice):
    set_pin(alice.enrollment, pin="4321")
    assert browser(alice).get("/read/")["Location"].startswith("/join/")
    assert Eviction.objects.filter(user=alice.user).exists()


def test_a_disabled_account_reads_nothing(alice, carol):
    for person, page in ((alice, "/read/"), (carol, "/classes/")):
        person.user.is_active = False
        person.user.save()
        assert browser(person).get(page).status_code == 302
    assert join(Client(), alice.classroom).status_code == 400


def pages_of(alice, carol):
    """Return each person (None: nobody) with the pages they ask for, errors among them."""
    reading, room = alice.reading_session.pk, carol.classroom.pk
    return [
        (None, ["/", "/join/", "/j/ABCD2345/", "/login/", "/nowhere/", "/jsi18n/"]),
        (alice, ["/read/", f"/read/{reading}/", f"/read/{reading}/page/1/", f"/read/{reading}/page/99/", "/classes/",
                 f"/api/sessions/{reading}/interruptions/"]),
        (carol, ["/classes/", "/classes/new/", f"/classes/{room}/", f"/classes/{room}/texts/new/",
                 f"/classes/{room}/students/{alice.enrollment.pk}/", f"/classes/{room}/qr.svg", "/classes/0/", "/read/"]),
    ]


def test_every_page_says_what_it_may_load(alice, carol):
    for person, paths in pages_of(alice, carol):
        client = browser(person)
        for path in paths:
            response = client.get(path)
            assert set(response["Content-Security-Policy"].split("; ")) == CSP, path
            assert response["X-Frame-Options"] == "DENY"
            assert response["X-Content-Type-Options"] == "nosniff"
            if person:
                assert "no-store" in response["Cache-Control"], path


def test_no_page_holds_a_script_or_style_of_its_own(alice, carol):
    for person, paths in pages_of(alice, carol):
        client = browser(person)
        for path in paths:
            body = client.get(path).content.decode()
            assert "<style" not in body and " style=" not in body and "javascript:" not in body, path
            assert " onclick=" not in body and "http://" not in body.replace("http://www.w3.org/", "").replace(
                "http://testserver/", ""), path


async def test_a_student_away_from_every_tab_is_logged_out(serving_without_engine, quick, alice, bob):
    async with reader(alice) as a, reader(alice) as tab, reader(bob) as b:
        for socket in pulse().readers:
            if socket.access.user == alice.user:
                socket.activity.at -= quick.session_idle + 1  # as long ago as that
        pulse().look_at_all()
        await tab.sends("PING")  # a page says this by itself
        assert await a.closes() == await tab.closes() == 4401
        assert (await b.replied(await b.sends("PING"), "PONG"))["type"] == "PONG"


async def test_one_active_tab_keeps_the_others_open(serving_without_engine, alice, settings):
    async with reader(alice) as a, reader(alice):
        await a.replied(await a.sends("READING_PROGRESS", {"wordIndex": 3, "rev": 1}), "PROGRESS_SAVED")
        sockets = list(pulse().readers)
        assert len(sockets) == 2 and sockets[0].activity is sockets[1].activity
        later = sockets[0].activity.at + settings.DURATIONS.session_idle
        for socket in sockets:
            socket.last_heard = later  # their heartbeats go on
        assert [socket.overdue(later) for socket in sockets] == [0, 0]
        assert [socket.overdue(later + 1) for socket in sockets] == [4401, 4401]
