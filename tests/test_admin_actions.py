"""What an administrator does to many rows at once, and what it ends: the channel layer is deaf, as in test_closing."""

import dataclasses

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from classrooms.models import AttemptCount, Classroom, Enrollment, User
from classrooms.services.attempts import attempts_used_up, count_attempt
from classrooms.services.classes import archive_classroom
from classrooms.services.tokens import issue_token, token_key
from sessions.models import Eviction
from tests.people import beat, browser, hashed, log_in, reader, room, stored

pytestmark = pytest.mark.usefixtures("quick_hashing")


def act(client: Client, name: str, action: str, *keys):
    """Choose rows of a list and do something to them; return the list as it comes back."""
    response = client.post(f"/admin/classrooms/{name}/", {"action": action, "_selected_action": list(keys)}, follow=True)
    assert response.status_code == 200
    return response


@pytest.fixture
def serving_deaf(swift, deaf, serving_without_engine):
    """A web process whose layer is deaf: rows alone close its sockets."""


async def test_a_disabled_account_is_out_at_once(serving_deaf, office, alice, bob, carol, trent):
    carol = dataclasses.replace(carol, cookie=await stored(log_in, carol.user))
    async with room(carol) as c, room(trent) as t, reader(alice) as a, reader(bob) as b:
        await stored(act, office, "user", "disable", carol.user.pk, alice.user.pk)
        assert (await c.closes(), await a.closes()) == (4401, 4401)
        for conversation in (b, t):
            await beat(conversation)
    assert (await stored(browser(carol).get, "/classes/"))["Location"].startswith("/login/")


async def test_a_password_set_here_ends_what_was_open(serving_deaf, office, carol, trent):
    new = {"password1": "battery staple 9", "password2": "battery staple 9"}
    async with room(carol) as c, room(trent) as t:
        await stored(office.post, f"/admin/classrooms/user/{carol.user.pk}/password/", new)
        assert await c.closes() == 4401
        await beat(t)


async def test_removed_and_archived_here_is_closed_at_once(serving_deaf, staff, alice, bob, mallory, carol):
    async with reader(alice) as a, reader(bob) as b, reader(mallory) as m, room(carol) as c:
        await stored(act, staff, "enrollment", "remove", alice.enrollment.pk)
        assert await a.closes() == 4403
        await beat(b)
        await stored(act, staff, "classroom", "archive", carol.classroom.pk)
        assert await b.closes() == 4403
        for conversation in (m, c):
            await beat(conversation)


async def test_a_teacher_taken_from_a_class_is_out_of_its_room(serving_deaf, office, carol, trent):
    def give_to_trent():
        return office.post(f"/admin/classrooms/classroom/{carol.classroom.pk}/change/",
                           {"name": "7B", "ai_enabled": "on", "is_open": "on", "teachers": [trent.user.pk]})

    async with room(carol) as c, room(trent) as t:
        assert (await stored(give_to_trent)).status_code == 302
        assert await c.closes() == 4403
        await beat(t)


def test_one_s_own_account_stays(office, carol):
    own = User.objects.get(username="office")
    page = act(office, "user", "disable", own.pk, carol.user.pk).content.decode()
    assert "1 account is disabled." in page and "Your own account stays as it is." in page
    assert User.objects.get(pk=own.pk).is_active and not User.objects.get(pk=carol.user.pk).is_active
    assert "1 account is enabled." in act(office, "user", "enable", own.pk, carol.user.pk).content.decode()
    assert User.objects.get(pk=carol.user.pk).is_active
    assert Eviction.objects.filter(user=carol.user).count() == 2 and not Eviction.objects.filter(user=own).exists()


def test_codes_and_doors(staff, carol, trent):
    old = carol.classroom.code
    page = act(staff, "classroom", "rotate_codes", carol.classroom.pk).content.decode()
    stored_class = Classroom.objects.get(pk=carol.classroom.pk)
    assert stored_class.code != old and stored_class.code_display in page
    act(staff, "classroom", "close_doors", carol.classroom.pk)
    assert not Classroom.objects.get(pk=carol.classroom.pk).is_open
    assert Client().post("/join/", {"code": stored_class.code, "nickname": "Mia", "pin": "1234"}).status_code == 400
    act(staff, "classroom", "open_doors", carol.classroom.pk)
    assert Client().post("/join/", {"code": stored_class.code, "nickname": "Mia", "pin": "1234"}).status_code == 302
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "New code.", "Door closed.", "Door opened."]


def test_out_of_the_archive_and_back(office, carol, trent):
    archive_classroom(trent.classroom)
    archived = Classroom.objects.get(pk=trent.classroom.pk).archived_at
    act(office, "classroom", "archive", carol.classroom.pk, trent.classroom.pk)
    assert Classroom.objects.get(pk=carol.classroom.pk).archived_at is not None
    assert Classroom.objects.get(pk=trent.classroom.pk).archived_at == archived  # since when stays as it was
    act(office, "classroom", "unarchive", carol.classroom.pk)
    assert Classroom.objects.get(pk=carol.classroom.pk).archived_at is None
    page = office.get("/admin/classrooms/classroom/?archived=yes")
    assert [row.name for row in page.context["cl"].queryset] == ["8A"]


def test_a_locked_teacher_is_let_in_again(office, carol, settings):
    def enter(address):
        return Client(REMOTE_ADDR=address).post("/login/", {"username": "Carol" if address == "192.0.2.2" else "carol",
                                                            "password": "correct horse"}).status_code

    for address in ("192.0.2.1", "192.0.2.2"):
        for _ in range(settings.LIMITS.password_attempts):
            Client(REMOTE_ADDR=address).post("/login/", {"username": "CAROL", "password": "guess"})
    for _ in range(settings.LIMITS.password_attempts):
        count_attempt("own-password", str(carol.user.pk), limit=settings.LIMITS.password_attempts)
        count_attempt("password", "trent@192.0.2.1", limit=settings.LIMITS.password_attempts, subject="trent")
    assert enter("192.0.2.1") == enter("192.0.2.2") == 429
    act(office, "user", "forget_guesses", carol.user.pk)
    assert enter("192.0.2.1") == 302
    assert not attempts_used_up("own-password", str(carol.user.pk), limit=settings.LIMITS.password_attempts)
    assert attempts_used_up("password", "trent@192.0.2.1", limit=settings.LIMITS.password_attempts)


@pytest.mark.parametrize("where", ["enrollment", "user"])
def test_a_locked_student_is_let_in_again(office, alice, bob, settings, where):
    for person in (alice, bob):
        for _ in range(settings.LIMITS.pin_attempts):
            count_attempt("pin", str(person.enrollment.pk), limit=settings.LIMITS.pin_attempts)
    door = {"code": alice.classroom.code, "nickname": "alice", "pin": "1234"}
    assert Client().post("/join/", door).status_code == 429
    act(office, where, "forget_guesses", alice.enrollment.pk if where == "enrollment" else alice.user.pk)
    assert Client().post("/join/", door).status_code == 302
    assert Client().post("/join/", door | {"nickname": "bob"}).status_code == 429


def test_guesses_of_an_address_are_forgotten_by_their_kind(office, settings):
    for _ in range(settings.LIMITS.code_attempts):
        count_attempt("code", "192.0.2.1", limit=settings.LIMITS.code_attempts)
    count_attempt("guess", "192.0.2.1", limit=settings.LIMITS.code_guesses)
    page = office.get("/admin/classrooms/attemptcount/?kind=code")
    (row,) = page.context["cl"].queryset
    assert (row.count, row.kind) == (settings.LIMITS.code_attempts, "code")
    assert "class codes from one address" in page.content.decode() and row.key not in page.context["cl"].list_display
    assert "1 count is forgotten." in act(office, "attemptcount", "forget", row.pk).content.decode()
    assert [count.kind for count in AttemptCount.objects.all()] == ["guess"]


def test_tokens_end(office, carol):
    secret = issue_token(carol.user)
    headers = {"Authorization": f"Token {secret}"}
    assert Client(headers=headers).get("/api/v1/classrooms/").status_code == 200
    act(office, "user", "revoke_tokens", carol.user.pk)
    assert Client(headers=headers).get("/api/v1/classrooms/").status_code == 401
    assert Eviction.objects.filter(user=carol.user).exists() and token_key(secret)


def test_removal_keeps_what_was_read(staff, alice, bob):
    page = act(staff, "enrollment", "remove", alice.enrollment.pk, bob.enrollment.pk).content.decode()
    assert "2 students are no longer in their classes." in page
    assert Enrollment.objects.exclude(removed_at=None).count() == 2
    assert "0 students are no longer" in act(staff, "enrollment", "remove", alice.enrollment.pk).content.decode()
    listed = staff.get("/admin/reading_sessions/readingsession/").context["cl"].queryset
    assert {row.enrollment.nickname for row in listed} == {"alice", "bob"}
    present = staff.get("/admin/classrooms/enrollment/?removed=no").context["cl"].queryset
    assert not present.exists()


def test_a_password_and_what_it_ends_are_stored_together(carol, monkeypatch):
    """Where the eviction cannot be written, the new password is not stored either."""
    def fail(**fields):
        raise RuntimeError("the database went away")

    monkeypatch.setattr(Eviction.objects, "create", fail)
    user = User.objects.get(pk=carol.user.pk)
    user.password = hashed("battery staple 9")
    with pytest.raises(RuntimeError):
        user.save()
    assert User.objects.get(pk=carol.user.pk).password == carol.user.password
