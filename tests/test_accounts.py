"""People, classes and guesses as the services and models know them, without a page around them."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import authenticate
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from classrooms import models
from classrooms.models import CODE_ALPHABET, AttemptCount, Classroom, Enrollment, User, new_code, new_student_username
from classrooms.services.attempts import TooManyAttempts, attempts_used_up, count_attempt, forget_attempts
from classrooms.services.classes import classroom_for_user
from classrooms.services.doors import WrongPin, join_classroom
from classrooms.services.roster import enrollment_for_user, remove_student
from sessions.models import Eviction

pytestmark = pytest.mark.usefixtures("quick_hashing")


def in_parallel(function, items):
    def run(item):
        try:
            return function(item)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(run, items))


def test_codes_come_from_31_signs_that_are_not_mistaken():
    assert len(CODE_ALPHABET) == len(set(CODE_ALPHABET)) == 31 and not set(CODE_ALPHABET) & set("01ILO")
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500 and all(re.fullmatch(f"[{CODE_ALPHABET}]{{8}}", code) for code in codes)


def test_codes_and_user_names_come_from_the_generator_that_cannot_be_predicted(monkeypatch):
    monkeypatch.setattr(models.secrets, "choice", lambda signs: signs[-1])
    monkeypatch.setattr(models.secrets, "token_hex", lambda size: "5" * size)
    assert new_code() == "Z" * 8 and new_student_username() == "s-" + "5" * 12


def test_a_students_user_name_tells_nothing():
    assert re.fullmatch(r"s-[0-9a-f]{24}", new_student_username()) and new_student_username() != new_student_username()


def test_one_name_and_one_place_in_a_class(alice, mallory):
    for fields in ({"user": mallory.user, "nickname_key": "alice"}, {"user": alice.user, "nickname_key": "another"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Enrollment.objects.create(classroom=alice.classroom, nickname="alice", pin="", **fields)


def test_the_same_nickname_in_another_class_is_another_student(alice, trent):
    other = join_classroom(code=trent.classroom.code, nickname="alice", pin="9999", address="192.0.2.1")
    assert other.user != alice.user
    with pytest.raises(WrongPin):
        join_classroom(code=alice.classroom.code, nickname="alice", pin="9999", address="192.0.2.1")


def test_of_twenty_who_want_one_name_at_once_one_gets_it(carol):
    before = User.objects.count()

    def come(number):
        try:
            return join_classroom(
                code=carol.classroom.code, nickname="Mia", pin=f"{1000 + number}", address="192.0.2.1").user_id
        except (WrongPin, TooManyAttempts):
            return None

    got = in_parallel(come, range(20))
    assert len([user_id for user_id in got if user_id]) == 1
    assert Enrollment.objects.filter(nickname="Mia").count() == 1
    assert User.objects.count() == before + 1  # nobody was left half made


def test_the_backend_opens_with_code_nickname_and_pin_only(alice):
    right = {"code": alice.classroom.code, "nickname": "ALICE", "pin": "1234"}
    assert authenticate(None, **right) == alice.user
    assert authenticate(None, **right | {"pin": "1235"}) is None
    assert authenticate(None, **right | {"nickname": "carol"}) is None
    assert authenticate(None, username=alice.user.username, password="1234") is None
    for closed in ({"is_open": False}, {"is_open": True, "archived_at": timezone.now()}):
        Classroom.objects.filter(pk=alice.classroom.pk).update(**closed)
        assert authenticate(None, **right) is None, closed


def test_parallel_guesses_are_all_counted(transactional_db):
    allowed = in_parallel(lambda _: count_attempt("pin", "1", limit=10), range(50))
    assert allowed.count(True) == 10 and allowed.count(False) == 40
    assert AttemptCount.objects.get().count == 10
    assert attempts_used_up("pin", "1", limit=10) and not attempts_used_up("pin", "2", limit=10)
    forget_attempts("pin", "1")
    assert count_attempt("pin", "1", limit=10)


def test_counts_keep_neither_address_nor_name(transactional_db):
    count_attempt("password", "carol@192.0.2.1", limit=6)
    assert re.fullmatch(r"[0-9a-f]{64}", AttemptCount.objects.get().key)


def test_removal_keeps_what_was_read_and_frees_the_name(alice, carol):
    remove_student(alice.enrollment)
    stored = Enrollment.objects.get(pk=alice.enrollment.pk)
    assert stored.removed_at and stored.nickname == "alice" and stored.reading_sessions.count() == 1
    assert Eviction.objects.get().classroom == alice.classroom
    again = join_classroom(code=carol.classroom.code, nickname="alice", pin="1234", address="192.0.2.1")
    assert again.pk != stored.pk
    remove_student(again)  # and so on, as often as it takes
    assert Enrollment.objects.exclude(removed_at=None).count() == 2
    with pytest.raises(Enrollment.DoesNotExist):
        enrollment_for_user(carol.user, carol.classroom.pk, stored.pk)


def test_classes_are_reached_through_their_teachers_only(carol, trent, alice):
    assert classroom_for_user(carol.user, carol.classroom.pk) == carol.classroom
    for user in (trent.user, alice.user):
        with pytest.raises(Classroom.DoesNotExist):
            classroom_for_user(user, carol.classroom.pk)
    with pytest.raises(Enrollment.DoesNotExist):
        enrollment_for_user(trent.user, alice.classroom.pk, alice.enrollment.pk)
