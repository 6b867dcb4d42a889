"""A new password: changed in one's account, or got by a letter. What ends with the old one, and what is never told."""

import dataclasses
import re
import threading
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.conf import settings as site
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import mail
from django.test import Client
from django.utils.http import urlsafe_base64_encode

from classrooms import letters
from classrooms.models import AttemptCount, User
from classrooms.services import accounts
from classrooms.services.attempts import count_attempt
from tests.people import beat, browser, log_in, room, stored, without_token

OLD, NEW = "correct horse", "battery staple 9"
pytestmark = pytest.mark.usefixtures("quick_hashing")


def change(client, old=OLD, new=NEW, again=None):
    return client.post("/account/password/", {
        "old_password": old, "new_password1": new, "new_password2": new if again is None else again})


def ask(client, email="carol@school.example", **extra):
    return client.post("/password/reset/", {"email": email}, **extra)


def sent() -> list:
    """Return the letters that left, once all are through."""
    letters.post.submit(int).result()
    return mail.outbox


def opened(client, letter) -> str:
    """Follow the link of a letter; return the address of the form, which holds no secret any more."""
    response = client.get(urlsplit(re.search(r"http\S+", letter.body)[0]).path, follow=True)
    return response.redirect_chain[-1][0] if response.redirect_chain else ""


def set_new(client, form, password=NEW):
    return client.post(form, {"new_password1": password, "new_password2": password})


@pytest.fixture(autouse=True)
def with_letters(settings):
    settings.SENDS_EMAIL = True
    yield
    sent()  # what is still on its way must not arrive in the next test's mailbox


@pytest.fixture
def mailbox(carol):
    """carol's address is known."""
    carol.user.email = "carol@school.example"
    carol.user.save()
    return carol.user.email


async def test_another_password_ends_every_other_log_in_and_socket_and_this_one_comes_back(
        swift, deaf, serving_without_engine, carol, trent):
    here, elsewhere = browser(carol), dataclasses.replace(carol, cookie=await stored(log_in, carol.user))
    async with room(carol) as c, room(elsewhere) as other, room(trent) as t:
        assert (await stored(change, here))["Location"] == "/account/"
        assert await other.closes() == 4401
        assert await c.closes() == 1012
        await beat(t)
        back = dataclasses.replace(carol, cookie=here.cookies[site.SESSION_COOKIE_NAME].value)
        assert back.cookie != carol.cookie
        async with room(back) as again:
            await beat(again)
            await beat(again)
    assert (await stored(here.get, "/classes/")).status_code == 200
    for gone in (carol, elsewhere):
        assert (await stored(browser(gone).get, "/classes/"))["Location"].startswith("/login/")


def test_the_new_password_opens_and_the_old_one_does_not(carol, mailbox):
    assert change(browser(carol)).status_code == 302
    door = {"username": "carol"}
    assert Client().post("/login/", door | {"password": OLD}).status_code == 400
    assert Client().post("/login/", door | {"password": NEW}).status_code == 302
    [told] = sent()
    assert told.to == [mailbox] and NEW not in told.body and "http" not in told.body


@pytest.mark.parametrize(("form", "field"), [
    ({"old": "wrong"}, "old_password"), ({"new": "short"}, "new_password2"), ({"again": "another one"}, "new_password2"),
    ({"new": "ab" * 501}, "new_password1"),
])
def test_a_refused_change_changes_nothing(carol, form, field):
    client = browser(carol)
    response = change(client, **form)
    assert response.status_code == 400 and field in response.context["form"].errors
    assert client.get("/classes/").status_code == 200
    assert User.objects.get(pk=carol.user.pk).check_password(OLD)


def test_the_old_password_is_not_guessed_without_end(carol, settings):
    limit = settings.LIMITS.password_attempts
    client = browser(carol)
    assert [change(client, old=f"wrong {number}").status_code for number in range(limit + 1)] == [400] * limit + [429]
    assert change(client).status_code == 429


def test_no_letter_is_written_while_somebody_waits(carol, mailbox, monkeypatch):
    """By the time that it takes, an address that is known would differ from one that is not."""
    threads = []

    def render(*args):
        threads.append(threading.current_thread().name)
        return "written"

    monkeypatch.setattr(letters, "render_to_string", render)
    assert ask(Client()).status_code == 302
    [letter] = sent()
    assert letter.body == "written" and [name.startswith("letters") for name in threads] == [True]


def test_a_letter_confirms_the_address_it_came_to_and_no_other(carol, mailbox):
    """Another address is set while the link is being used: it is somebody else's, for all that is known."""
    loaded = User.objects.get(pk=carol.user.pk)
    accounts.change_profile(carol.user, first_name="", last_name="", email="head@school.example")
    accounts.reset_password(loaded, password=NEW)
    stored_user = User.objects.get(pk=carol.user.pk)
    assert (stored_user.email, stored_user.email_confirmed) == ("head@school.example", False)
    User.objects.filter(pk=carol.user.pk).update(email=mailbox)
    accounts.reset_password(User.objects.get(pk=carol.user.pk), password=NEW)
    assert User.objects.get(pk=carol.user.pk).email_confirmed


async def test_a_letter_gives_a_new_password_once_and_ends_what_was_open(
        swift, deaf, serving_without_engine, carol, mailbox):
    stranger = Client()
    assert (await stored(ask, stranger))["Location"] == "/password/reset/sent/"
    letter, = await stored(sent)
    form = await stored(opened, stranger, letter)
    assert form.endswith("/set-password/")
    async with room(carol) as c:
        assert (await stored(set_new, stranger, form))["Location"] == "/login/"
        assert await c.closes() == 4401
    assert (await stored(browser(carol).get, "/classes/"))["Location"].startswith("/login/")
    assert (await stored(stranger.get, "/classes/"))["Location"].startswith("/login/")  # a reset is no log-in
    user = await stored(User.objects.get, username="carol")
    assert user.check_password(NEW) and user.email_confirmed
    assert await stored(opened, Client(), letter) == ""
    assert (await stored(set_new, stranger, form, "a third one 77")).status_code == 200
    assert (await stored(User.objects.get, username="carol")).check_password(NEW)


def test_whoever_is_locked_out_comes_in_with_the_new_password(carol, mailbox):
    client = Client()
    for number in range(7):
        client.post("/login/", {"username": "carol", "password": f"wrong {number}"})
    ask(client)
    set_new(client, opened(client, sent()[0]))
    assert client.post("/login/", {"username": "carol", "password": NEW}).status_code == 302


def test_nothing_tells_whether_an_address_is_known(carol, alice, mailbox):
    User.objects.filter(pk=alice.user.pk).update(email="alice@school.example")
    User.objects.create(username="gone", email="gone@school.example", password=carol.user.password, is_active=False)
    pages = []
    for address in (mailbox, "nobody@school.example", "alice@school.example", "gone@school.example", mailbox.upper()):
        client = Client()
        answer = ask(client, address)
        pages.append((answer.status_code, answer["Location"], without_token(client.get(answer["Location"]))))
    assert len(set(pages)) == 1
    assert [letter.to for letter in sent()] == [[mailbox], [mailbox]]


@pytest.mark.parametrize("address", ["", "carol", "a@b@c", "carol@school.example\nBcc: x@y.example"])
def test_what_is_no_address_is_said_so(carol, address):
    assert ask(Client(), address).status_code == 400 and not sent()


def test_a_mailbox_is_not_filled(carol, mailbox, settings):
    for number in range(settings.LIMITS.letters_to + 3):
        assert ask(Client(), REMOTE_ADDR=f"192.0.2.{number}").status_code == 302
    assert len(sent()) == settings.LIMITS.letters_to


def test_one_address_does_not_ask_without_end(carol, mailbox, settings):
    for _ in range(settings.LIMITS.letters):
        count_attempt("letters", "127.0.0.1", limit=settings.LIMITS.letters)
    assert ask(Client()).status_code == ask(Client(), "nobody@school.example").status_code == 429
    assert ask(Client(), REMOTE_ADDR="192.0.2.9").status_code == 302
    assert len(sent()) == 1


@pytest.mark.parametrize("why", ["too old", "changed", "another's", "disabled", "logged in since", "new address"])
def test_a_link_opens_nothing_when_it_is(carol, trent, mailbox, monkeypatch, why):
    ask(Client())
    path = urlsplit(re.search(r"http\S+", sent()[0].body)[0]).path
    if why == "too old":
        real, later = PasswordResetTokenGenerator._now, timedelta(seconds=site.PASSWORD_RESET_TIMEOUT + 1)
        monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self: real(self) + later)
    elif why == "changed":
        path = path[:-2] + ("a/" if path[-2] != "a" else "b/")
    elif why == "another's":
        path = path.replace(path.split("/")[3], urlsafe_base64_encode(str(trent.user.pk).encode()))
    elif why == "disabled":
        User.objects.filter(pk=carol.user.pk).update(is_active=False)
    elif why == "logged in since":
        Client().post("/login/", {"username": "carol", "password": OLD})
    else:
        User.objects.filter(pk=carol.user.pk).update(email="else@school.example")
    response = Client().get(path, follow=True)
    assert response.redirect_chain == [] and b"does not open any more" in response.content
    assert Client().post(path, {"new_password1": NEW, "new_password2": NEW}).status_code == 200
    assert User.objects.get(pk=carol.user.pk).check_password(OLD)


def test_a_weak_password_is_refused_there_too(carol, mailbox):
    client = Client()
    ask(client)
    form = opened(client, sent()[0])
    response = set_new(client, form, "password123")
    assert response.status_code == 400 and User.objects.get(pk=carol.user.pk).check_password(OLD)
    assert set_new(client, form).status_code == 302


@pytest.mark.parametrize(("origins", "start"), [
    ([], "http://testserver/password/reset/"), (["https://read.school.example"], "https://read.school.example/password/reset/")])
def test_a_letter_leads_to_the_sites_own_address(carol, mailbox, settings, origins, start):
    settings.PUBLIC_ORIGINS = origins
    settings.ALLOWED_HOSTS = ["*"]
    ask(Client(), **({"HTTP_HOST": "evil.example"} if origins else {}))
    body = sent()[0].body
    assert start in body and "evil.example" not in body


def test_a_site_that_sends_no_letters_says_so(carol, mailbox, settings):
    settings.SENDS_EMAIL = False
    assert b"sends no e-mail" in Client().get("/password/reset/").content
    assert ask(Client()).status_code == 403 and not AttemptCount.objects.exists()
    assert not sent()


def test_a_server_that_takes_no_letter_harms_nobody(carol, mailbox, monkeypatch, caplog):
    def refuse(self, messages):
        raise ConnectionRefusedError("mailbox of carol@school.example")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    assert ask(Client()).status_code == 302
    sent()
    assert "was not sent: ConnectionRefusedError" in caplog.text and "carol" not in caplog.text
