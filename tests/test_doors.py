"""The two doors: a class code with nickname and PIN, a user name with a password. What opens, what is counted."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from classrooms.models import AttemptCount, Enrollment, User
from classrooms.services import doors
from classrooms.services.attempts import count_attempt
from classrooms.services.roster import remove_student, set_pin
from classrooms.views.doors import client_address
from tests.people import without_token

JOIN, LOG_IN = "/join/", "/login/"
pytestmark = pytest.mark.usefixtures("quick_hashing")


def join(client, classroom, nickname="Mia", pin="3456", *, code=None, **extra):
    return client.post(JOIN, {"code": code or classroom.code, "nickname": nickname, "pin": pin}, **extra)


def log_in(client, username="carol", password="correct horse", **extra):
    return client.post(LOG_IN, {"username": username, "password": password}, **extra)


def hours(number: int) -> timedelta:
    return timedelta(hours=number, seconds=1)


@pytest.fixture
def classroom(carol):
    return carol.classroom


def test_a_new_nickname_opens_the_class(client, classroom):
    response = join(client, classroom)
    assert (response.status_code, response["Location"]) == (302, reverse("books"))
    enrollment = Enrollment.objects.get(nickname="Mia")
    assert enrollment.classroom == classroom and enrollment.user.is_student
    assert not enrollment.user.has_usable_password() and "3456" not in enrollment.pin
    assert client.get("/read/").context["enrollment"] == enrollment


def test_the_same_door_for_coming_back(client, classroom):
    join(client, classroom)
    again = Client()
    assert join(again, classroom).status_code == 302
    assert Enrollment.objects.filter(nickname="Mia").count() == 1
    assert again.get("/read/").status_code == 200


def test_a_wrong_pin_is_refused_and_counted(client, classroom, alice):
    response = join(client, classroom, "alice", "9999")
    assert response.status_code == 400
    assert "pin" in response.context["form"].errors
    assert AttemptCount.objects.get().count == 1
    assert client.get("/read/").status_code == 302
    assert join(client, classroom, "alice", "1234").status_code == 302
    assert not AttemptCount.objects.exists()  # a right one forgives


def test_of_a_hundred_parallel_wrong_pins_ten_are_evaluated(classroom, alice, monkeypatch):
    evaluated, lock = [], threading.Lock()

    def never_right(pin, encoded):
        with lock:
            evaluated.append(pin)
        return False

    monkeypatch.setattr(doors, "check_password", never_right)

    def guess(number):
        try:
            return join(Client(), classroom, "alice", f"{number:04}").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as threads:
        statuses = list(threads.map(guess, range(100)))
    assert len(evaluated) == 10
    assert statuses.count(400) == 10 and statuses.count(429) == 90


def test_the_right_pin_waits_too_once_guesses_are_used_up(client, classroom, alice, settings):
    for _ in range(settings.LIMITS.pin_attempts):
        count_attempt("pin", str(alice.enrollment.pk), limit=settings.LIMITS.pin_attempts)
    assert join(client, classroom, "alice", "1234").status_code == 429
    set_pin(alice.enrollment, pin="4321")  # the teacher helps at once
    assert join(client, classroom, "alice", "4321").status_code == 302


@pytest.mark.parametrize("typed", ["Zoe\u0308", "ZO\u00cb", "zo\u00eb", "  Zo\u00eb ", "Zo\u200b\u00eb"])
def test_one_name_however_it_is_typed(client, classroom, typed):
    join(client, classroom, "Zo\u00eb")
    assert join(client, classroom, typed, "0000").status_code == 400  # taken, and not this PIN
    assert join(client, classroom, typed).status_code == 302
    assert Enrollment.objects.get(user=client.get("/read/").context["user"]).nickname == "Zo\u00eb"


@pytest.mark.parametrize("nickname", ["\u200b\u200d", "\u3164", "a\x00b", "ab\u202ec", "x" * 41, "\ufb03" * 40, "   "])
def test_a_name_that_cannot_be_seen_or_stored_is_refused(client, classroom, nickname):
    before = Enrollment.objects.count()
    assert join(client, classroom, nickname).status_code == 400
    assert Enrollment.objects.count() == before


@pytest.mark.parametrize("pin", ["123", "1234567", "12a4", "１２３４", "12 34"])
def test_a_pin_has_four_to_six_digits(client, classroom, pin):
    assert join(client, classroom, pin=pin).status_code == 400


def test_a_code_is_read_as_children_type_it(client, classroom):
    classroom.code = "KM4T9XPA"
    classroom.save()
    for number, typed in enumerate(["km4t 9xpa", "KM4T-9XPA", " km4t9xpa "]):
        assert join(Client(), classroom, f"Mia {number}", code=typed).status_code == 302
    page = client.get("/j/KM4T9XPA/").content.decode()
    assert 'value="KM4T9XPA"' in page and f'action="{JOIN}"' in page


def test_the_eleventh_wrong_code_waits_and_its_class_still_comes_in(client, classroom):
    statuses = [join(Client(), classroom, code=f"AAAA222{number}").status_code for number in [*range(2, 10), *"AB", "C"]]
    assert statuses == [400] * 10 + [429]
    elsewhere = join(Client(), classroom, code="AAAA2222", REMOTE_ADDR="192.0.2.9")
    assert elsewhere.status_code == 400
    # The others of the class, behind the same address, did not mistype.
    assert join(client, classroom).status_code == 302


def test_the_mistakes_of_a_whole_school_keep_nobody_out(client, classroom):
    """Six hundred behind one address in the first lesson, one in four mistypes; the next who does is told what helps."""
    for _ in range(150):
        count_attempt("guess", "127.0.0.1", limit=10**6)
        count_attempt("code", "127.0.0.1", limit=10)
    wrong = join(Client(), classroom, code="AAAA2222")
    assert wrong.status_code == 429 and "the right code opens" in str(wrong.context["form"].errors["code"])
    assert join(client, classroom).status_code == 302


def test_an_address_that_goes_on_guessing_is_not_listened_to(client, classroom, settings):
    settings.LIMITS = dataclasses.replace(settings.LIMITS, code_guesses=3)
    for _ in range(settings.LIMITS.code_guesses):
        count_attempt("guess", "127.0.0.1", limit=settings.LIMITS.code_guesses)
    assert join(client, classroom).status_code == 429
    assert not Enrollment.objects.filter(nickname="Mia").exists()
    assert join(client, classroom, REMOTE_ADDR="192.0.2.9").status_code == 302


def test_thirty_of_a_school_come_in_behind_one_address(classroom, alice):
    for number in range(30):
        assert join(Client(), classroom, f"student {number}", "1234").status_code == 302
    for _ in range(30):
        assert join(Client(), classroom, "alice", "1234").status_code == 302


def test_a_class_is_not_filled_with_nicknames_and_who_is_in_it_comes_back(classroom, alice, trent, settings):
    settings.LIMITS = dataclasses.replace(settings.LIMITS, newcomers=3)
    statuses = [join(Client(), classroom, f"made up {number}").status_code for number in range(5)]
    assert statuses == [302] * 3 + [429] * 2
    assert classroom.enrollments.filter(nickname__startswith="made up").count() == 3
    assert join(Client(), classroom, "alice", "1234").status_code == 302
    assert join(Client(), trent.classroom).status_code == 302


def test_a_closed_class_opens_to_nobody(client, classroom, alice):
    classroom.is_open = False
    classroom.save()
    for nickname in ("Mia", "alice"):
        response = join(client, classroom, nickname, "1234")
        assert response.status_code == 400 and "code" in response.context["form"].errors


def test_who_was_removed_stays_out_and_the_name_is_free(client, classroom, alice, bob):
    # A name in the form that once stood for removed ones: it must be in nobody's way.
    join(Client(), classroom, f"alice#{alice.enrollment.pk}")
    remove_student(alice.enrollment)
    client.cookies["sessionid"] = alice.cookie
    assert client.get("/read/")["Location"] == JOIN
    newcomer = Client()
    assert join(newcomer, classroom, "alice", "7777").status_code == 302
    assert newcomer.get("/read/").context["enrollment"].pk != alice.enrollment.pk
    assert not newcomer.get("/read/").context["books"][0]["reading_session"]


def test_teachers_log_in(client, carol):
    response = log_in(client)
    assert (response.status_code, response["Location"]) == (302, "/classes/")
    assert [entry["classroom"].name for entry in client.get("/classes/").context["classrooms"]] == ["7B"]


def test_the_seventh_wrong_password_waits(client, carol):
    statuses = [log_in(client, password=f"wrong {number}").status_code for number in range(7)]
    assert statuses == [400] * 6 + [429]
    assert log_in(client).status_code == 429  # for this account and address even the right one
    assert log_in(Client(), REMOTE_ADDR="192.0.2.9").status_code == 302
    assert log_in(Client(), "trent").status_code == 302


def test_thirty_teachers_of_a_school_log_in(carol):
    for _ in range(30):
        assert log_in(Client()).status_code == 302


def test_unknown_and_known_names_get_the_same_words(client, carol, alice):
    alice.user.set_password("a student's own")
    alice.user.save()
    student = alice.user.username
    tries = [("carol", "wrong"), ("nobody", "wrong"), (student, "wrong"), (student, "a student's own")]
    bodies = {without_token(log_in(client, name, password)).replace(name.encode(), b"NAME") for name, password in tries}
    assert len(bodies) == 1


def test_the_admin_has_no_door_of_its_own(client, carol):
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == "/login/?next=%2Fadmin%2F"
    posted = client.post("/admin/login/", {"username": "carol", "password": "correct horse"})
    assert posted["Location"] == f"{LOG_IN}?next=%2Fadmin%2F"


def test_guesses_forget_themselves_after_an_hour(client, carol, settings):
    for _ in range(6):
        log_in(client, password="wrong")
    AttemptCount.objects.update(since=AttemptCount.objects.get().since - hours(1))
    assert log_in(client).status_code == 302


def test_counts_of_past_hours_are_deleted(classroom, client):
    count_attempt("password", "someone@192.0.2.1", limit=6)
    AttemptCount.objects.update(since=AttemptCount.objects.get().since - hours(2))
    join(client, classroom, code="AAAA2222")
    assert AttemptCount.objects.count() == 2  # this address's two; the old one is gone


@pytest.mark.parametrize(("behind_proxy", "headers", "address"), [
    (False, {"HTTP_X_FORWARDED_FOR": "198.51.100.7"}, "127.0.0.1"),
    (True, {"HTTP_X_FORWARDED_FOR": "203.0.113.5, 198.51.100.7"}, "198.51.100.7"),
    (True, {}, "127.0.0.1"),
    (False, {"REMOTE_ADDR": "2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"),
    (False, {"REMOTE_ADDR": "::ffff:192.0.2.1"}, "192.0.2.1"),
    (False, {"REMOTE_ADDR": ""}, ""),
])
def test_guesses_are_counted_by_the_address_that_asked(rf, settings, behind_proxy, headers, address):
    settings.BEHIND_PROXY = behind_proxy
    assert client_address(rf.get("/", **headers)) == address


def test_students_do_not_log_in_by_password(client, alice):
    assert not alice.user.has_usable_password()
    assert log_in(client, alice.user.username, "1234").status_code == 400
    assert User.objects.get(pk=alice.user.pk).last_login is None
