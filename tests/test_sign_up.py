"""A teacher's own account: made at the sign-up, kept at its page, its address confirmed by a letter."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from django.core import mail, signing
from django.db import connection
from django.test import Client

from classrooms import letters
from classrooms.models import User
from classrooms.services import accounts
from tests.people import browser, without_token

PASSWORD = "lantern oil 1902"
pytestmark = pytest.mark.usefixtures("quick_hashing")


def sign_up(client, username="ines", email="ines@school.example", password=PASSWORD, again=None, **extra):
    return client.post("/signup/", {"username": username, "email": email, "password1": password,
                                    "password2": password if again is None else again}, **extra)


def sent() -> list:
    """Return the letters that left, once all are through."""
    letters.post.submit(int).result()
    return mail.outbox


def link_in(letter) -> str:
    return urlsplit(re.search(r"http\S+", letter.body)[0]).path


@pytest.fixture(autouse=True)
def open_to_all(settings):
    settings.SIGN_UP = settings.SENDS_EMAIL = True
    yield
    sent()  # what is still on its way must not arrive in the next test's mailbox


@pytest.mark.django_db(transaction=True)
def test_who_signs_up_is_logged_in_and_opens_a_class():
    client = Client()
    response = sign_up(client)
    assert (response.status_code, response["Location"]) == (302, "/classes/")
    user = User.objects.get(username="ines")
    assert user.is_teacher and not user.is_staff and not user.is_superuser and user.check_password(PASSWORD)
    assert client.post("/classes/new/", {"name": "5A"}).status_code == 302
    assert [classroom.name for classroom in user.classrooms.all()] == ["5A"]
    assert Client().post("/login/", {"username": "ines", "password": PASSWORD}).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_form_makes_nothing_of_what_it_does_not_ask():
    Client().post("/signup/", {
        "username": "ines", "password1": PASSWORD, "password2": PASSWORD, "role": "student", "is_staff": "1",
        "is_superuser": "1", "email_confirmed": "1"})
    user = User.objects.get()
    assert user.is_teacher and not (user.is_staff or user.is_superuser or user.email_confirmed)


def test_whoever_was_logged_in_on_the_device_is_so_no_more(alice):
    client = browser(alice)
    sign_up(client)
    assert client.get("/read/").status_code == 403 and client.get("/classes/").status_code == 200


@pytest.mark.parametrize(("form", "field"), [
    ({"username": ""}, "username"), ({"username": "in es"}, "username"), ({"username": "x" * 151}, "username"),
    ({"username": "carol@school.example"}, "username"), ({"username": "carol＠school.example"}, "username"),
    ({"username": "a\x00b"}, "username"), ({"email": "ines"}, "email"),
    ({"email": "ines@school.example\nBcc: all"}, "email"),
    ({"password": "short"}, "password2"), ({"password": "password123"}, "password2"),
    ({"username": "lanternkeeper", "password": "lanternkeeper1"}, "password2"), ({"password": "ab" * 501}, "password1"),
    ({"again": "lantern oil 1903"}, "password2"),
])
@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_an_account_is_refused_beside_its_field(form, field):
    response = sign_up(Client(), **form)
    assert response.status_code == 400 and field in response.context["form"].errors
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["carol", "CAROL", "ｃarol"])
def test_a_name_is_taken_however_it_is_written(carol, name):
    response = sign_up(Client(), name)
    assert response.status_code == 400 and "username" in response.context["form"].errors
    assert Client().post("/login/", {"username": "carol", "password": "correct horse"}).status_code == 302


def test_of_two_who_take_a_name_at_once_one_has_it(school):
    def one(_):
        try:
            return sign_up(Client()).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        statuses = sorted(threads.map(one, range(6)))
    assert statuses == [302] + [400] * 5 and User.objects.filter(username="ines").count() == 1


def test_an_address_that_another_has_is_not_told(carol):
    carol.user.email = "carol@school.example"
    carol.user.email_confirmed = True
    carol.user.save()
    assert sign_up(Client(), "other", "carol@school.example").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_names_are_not_tried_without_end(settings, carol):
    limit = settings.LIMITS.sign_ups
    for _ in range(limit):
        accounts.attempts.count_attempt("sign-up", "127.0.0.1", limit=limit)
    responses = [sign_up(Client(), name) for name in ("carol", "nobody-has-this")]
    assert [response.status_code for response in responses] == [429, 429]
    bodies = [without_token(response).replace(b"nobody-has-this", b"carol") for response in responses]
    assert bodies[0] == bodies[1]
    assert sign_up(Client(), REMOTE_ADDR="192.0.2.9").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_where_the_administrator_makes_the_accounts_the_door_is_closed(settings):
    settings.SIGN_UP = False
    for response in (Client().get("/signup/"), sign_up(Client())):
        assert response.status_code == 403 and b"administrator makes the accounts" in response.content
    assert not User.objects.exists()
    for page in ("/", "/login/"):
        assert b"/signup/" not in Client().get(page).content
    settings.SIGN_UP = True
    assert b"/signup/" in Client().get("/login/").content


def test_a_profile_is_ones_own(carol, trent):
    client = browser(carol)
    assert client.post("/account/", {"first_name": "Carol", "last_name": "Reed", "username": "trent"}).status_code == 302
    carol.user.refresh_from_db()
    assert carol.user.get_full_name() == "Carol Reed" and carol.user.username == "carol"
    assert b"Carol Reed" in client.get("/classes/").content
    assert client.post("/account/", {"first_name": "a\x07b"}).status_code == 400
    assert User.objects.get(pk=trent.user.pk).get_full_name() == ""


def test_another_address_asks_for_the_password_and_is_told_to_the_old_one(carol):
    client = browser(carol)
    carol.user.email, carol.user.email_confirmed = "old@school.example", True
    carol.user.save()
    for password in ("", "wrong"):
        response = client.post("/account/", {"email": "new@school.example", "password": password})
        assert response.status_code == 400 and "password" in response.context["form"].errors
    assert client.post("/account/", {"email": "new@school.example", "password": "correct horse"}).status_code == 302
    carol.user.refresh_from_db()
    assert (carol.user.email, carol.user.email_confirmed) == ("new@school.example", False)
    told, to_confirm = sent()
    assert told.to == ["old@school.example"] and "was changed" in told.body and "http" not in told.body
    assert to_confirm.to == ["new@school.example"]


def test_ones_own_password_is_not_guessed_without_end(carol, settings):
    client = browser(carol)
    statuses = [client.post("/account/", {"email": "x@school.example", "password": f"wrong {number}"}).status_code
                for number in range(settings.LIMITS.password_attempts + 1)]
    assert statuses == [400] * settings.LIMITS.password_attempts + [429]
    assert client.post("/account/", {"email": "x@school.example", "password": "correct horse"}).status_code == 429


@pytest.mark.django_db(transaction=True)
def test_an_address_is_confirmed_by_its_letter_in_ones_own_log_in():
    client = Client()
    sign_up(client)
    [letter] = sent()
    assert letter.to == ["ines@school.example"]
    path = link_in(letter)
    assert client.get(path).status_code == 200 and not User.objects.get().email_confirmed  # mail programs look too
    other = Client()
    sign_up(other, "mallory", "mallory@school.example")
    assert other.post(path).status_code == 404
    assert Client().post(path)["Location"].startswith("/login/?next=")
    assert client.post(path)["Location"] == "/account/"
    assert User.objects.get(username="ines").email_confirmed
    assert not User.objects.get(username="mallory").email_confirmed


def test_a_link_confirms_the_address_it_was_sent_to_while_it_is_fresh(carol, monkeypatch):
    carol.user.email = "carol@school.example"
    carol.user.save()
    client, token = browser(carol), accounts.confirmation_token(carol.user)
    User.objects.filter(pk=carol.user.pk).update(email="else@school.example")
    assert client.post(f"/account/email/{token}/").status_code == 404
    User.objects.filter(pk=carol.user.pk).update(email="carol@school.example")
    assert client.post(f"/account/email/{token[:-1]}!/").status_code == 404
    real = signing.time.time()
    with monkeypatch.context() as later:
        later.setattr(signing.time, "time", lambda: real + 3 * 86400 + 1)
        with pytest.raises(accounts.WrongLink):
            accounts.confirm_email(carol.user, token)
    assert client.post(f"/account/email/{token}/").status_code == 302


def test_an_address_that_is_set_in_this_moment_is_not_confirmed_by_the_old_one_s_letter(carol):
    """The log-in that opens the letter was read before another request set the address of somebody else."""
    carol.user.email = "mine@school.example"
    carol.user.save()
    token, loaded = accounts.confirmation_token(carol.user), User.objects.get(pk=carol.user.pk)
    accounts.change_profile(carol.user, first_name="", last_name="", email="head@school.example")
    with pytest.raises(accounts.WrongLink):
        accounts.confirm_email(loaded, token)
    assert User.objects.values_list("email", "email_confirmed").get(pk=carol.user.pk) == ("head@school.example", False)


def test_letters_to_confirm_are_few(carol, settings):
    carol.user.email = "carol@school.example"
    carol.user.save()
    client = browser(carol)
    for _ in range(settings.LIMITS.letters_to + 2):
        assert client.post("/account/email/")["Location"] == "/account/"
    assert len(sent()) == settings.LIMITS.letters_to


@pytest.mark.parametrize("path", ["/account/", "/account/password/", "/account/email/", "/account/email/x/"])
def test_an_account_is_a_teachers(alice, path):
    assert browser(alice).post(path).status_code == 403
    assert browser().post(path)["Location"].startswith("/login/?next=")
