"""Texts, classes and their students over REST: who may see them, who may change what."""

import pytest

from classrooms.models import Classroom, Enrollment
from classrooms.services.classes import archive_classroom
from classrooms.services.texts import create_text
from sessions.models import Eviction
from tests.people import browser
from tests.rest import program

NOT_FOUND = {"code": "NOT_FOUND", "message": "There is no such thing here."}


def of(person, below: str = "") -> str:
    return f"classrooms/{person.classroom.pk}/{below}"


# ---- Texts


def test_a_student_reads_the_texts_of_their_class(alice, carol, trent, story):
    create_text(owner=carol.user, raw="Not given\n\nNobody has this yet.")
    create_text(owner=trent.user, raw="Elsewhere\n\nAnother class has this.", classrooms=[trent.classroom])
    her = program(alice)
    assert [row["title"] for row in her.get("texts/").body["results"]] == [story.title]
    one = her.get(f"texts/{story.pk}/").body
    assert one["pageStarts"] == story.page_starts and one["words"] == story.word_count
    pages = [her.get(f"texts/{story.pk}/pages/{page}/").body for page in range(1, story.page_count + 1)]
    assert [page["page"] for page in pages] == list(range(1, story.page_count + 1))
    words = " ".join(passage["body"] for page in pages for passage in page["passages"]).split()
    assert len(words) == story.word_count
    for page, first_word in zip(pages, story.page_starts, strict=True):
        assert page["passages"][0]["firstWord"] == first_word and page["revision"] == story.revision
    for page in (0, story.page_count + 1, 10**20):
        assert her.get(f"texts/{story.pk}/pages/{page}/").body == NOT_FOUND


def test_a_teacher_has_their_own_texts_and_those_of_their_classes(carol, trent, story):
    drawer = create_text(owner=carol.user, raw="Not given\n\nNobody has this yet.")
    theirs = create_text(owner=trent.user, raw="Elsewhere\n\nAnother class has this.", classrooms=[trent.classroom])
    assert [row["id"] for row in program(carol).get("texts/").body["results"]] == [drawer.pk, story.pk]
    assert [row["id"] for row in program(trent).get("texts/").body["results"]] == [theirs.pk, story.pk]


@pytest.mark.parametrize("below", ["", "pages/1/"])
def test_anothers_text_is_as_absent_as_none(school, carol, below):
    drawer = create_text(owner=carol.user, raw="Not given\n\nNobody has this yet.")
    for name in ("alice", "mallory", "trent"):
        for id in (drawer.pk, 10**6, 10**20):
            said = program(school[name]).get(f"texts/{id}/{below}")
            assert (said.status, said.body) == (404, NOT_FOUND), name
    assert program(carol).get(f"texts/{drawer.pk}/{below}").status == 200
    assert program().get(f"texts/{drawer.pk}/{below}").status == 401


# ---- Classes


def test_a_teacher_sees_their_class_whole_and_a_student_what_its_page_shows(alice, carol):
    whole, own = program(carol).get(of(carol)).body, program(alice).get(of(alice)).body
    assert whole | {"createdAt": 0} == {
        "id": carol.classroom.pk, "name": "7B", "code": carol.classroom.code, "isOpen": True, "aiEnabled": True,
        "paused": False, "createdAt": 0}
    assert own == {"id": carol.classroom.pk, "name": "7B", "aiEnabled": True, "paused": False}
    assert program(carol).get("classrooms/").body == {"results": [whole], "next": None}
    assert program(alice).get("classrooms/").body == {"results": [own], "next": None}


def test_a_class_is_opened_and_changed(carol, alice):
    hers = program(carol)
    made = hers.post("classrooms/", {"name": "  8C "})
    assert made.status == 201 and made.body["name"] == "8C"
    assert list(Classroom.objects.get(pk=made.body["id"]).teachers.all()) == [carol.user]
    said = hers.patch(of(carol), {"name": "7B, mornings", "aiEnabled": False})
    assert said.status == 200
    assert (said.body["name"], said.body["aiEnabled"], said.body["isOpen"]) == ("7B, mornings", False, True)
    assert hers.patch(of(carol), {"isOpen": False}).body == said.body | {"isOpen": False} == hers.get(of(carol)).body
    assert program(alice).get(of(alice)).body["aiEnabled"] is False


@pytest.mark.parametrize("body", [
    *({name: value, "name": "Hers"} for name, value in {
        "role": "teacher", "student": 1, "classroom": 2, "code": "AAAABBBB", "teachers": [1], "id": 5, "paused": True,
        "ai_enabled": False, "version": 9, "archivedAt": 1.0}.items()),
    {"name": ""}, {"name": " "}, {"name": None}, {"name": "a\x07b"}, {"name": "a\u202eb"}, {"name": "x" * 101},
    {"name": ["Hers"]}, {"name": 7}, {"aiEnabled": 1}, {"aiEnabled": "false"}, {"isOpen": None}, [], "Hers", 7])
def test_what_may_not_be_set_changes_nothing(carol, body):
    before = Classroom.objects.filter(pk=carol.classroom.pk).values().get()
    said = program(carol).patch(of(carol), body)
    assert (said.status, said.body["code"]) == (400, "INVALID_MESSAGE")
    assert Classroom.objects.filter(pk=carol.classroom.pk).values().get() == before
    assert program(carol).post("classrooms/", body).status == 400
    assert Classroom.objects.count() == 2


def test_what_is_wrong_is_said_of_its_key(carol):
    assert program(carol).patch(of(carol), {"role": "teacher", "isOpen": 1}).body == {
        "code": "INVALID_MESSAGE", "message": "That could not be understood.",
        "fields": {"role": ["There is no such field."]}}
    assert set(program(carol).patch(of(carol), {"isOpen": 1}).body["fields"]) == {"isOpen"}


def test_students_change_no_class_and_see_no_list_of_its_students(school, alice, bob, carol):
    before = sorted(Classroom.objects.values_list("name", "is_open", "ai_enabled"))
    for name in ("alice", "mallory"):
        their = program(school[name])
        for method, path, body in (
                ("POST", "classrooms/", {"name": "Mine"}), ("PATCH", of(carol), {"name": "Mine"}),
                ("GET", of(carol, "enrollments/"), None), ("GET", of(carol, f"enrollments/{bob.enrollment.pk}/"), None),
                ("DELETE", of(carol, f"enrollments/{bob.enrollment.pk}/"), None)):
            said = their(method, path, body)
            assert (said.status, said.body["code"]) == (403, "PERMISSION_DENIED"), (name, method, path)
        assert their.get(of(carol, "interruptions/")).status == 404
    assert program(school["mallory"]).get(of(carol)).body == NOT_FOUND
    assert sorted(Classroom.objects.values_list("name", "is_open", "ai_enabled")) == before
    assert Enrollment.objects.filter(removed_at=None).count() == 3


TEACHERS = [("GET", "", None), ("PATCH", "", {"name": "Mine"}), ("GET", "enrollments/", None),
            ("GET", "enrollments/{student}/", None), ("DELETE", "enrollments/{student}/", None),
            ("GET", "interruptions/", None), ("POST", "ticket/", {})]


@pytest.mark.parametrize(("method", "below", "body"), TEACHERS)
def test_anothers_class_is_as_absent_as_none(school, alice, carol, trent, method, below, body):
    below = below.format(student=alice.enrollment.pk)
    others = program(trent)(method, of(carol, below), body)
    absent = program(trent)(method, f"classrooms/987654/{below}", body)
    beyond = program(trent)(method, f"classrooms/{10**20}/{below}", body)
    assert (others.status, others.body) == (absent.status, absent.body) == (beyond.status, beyond.body) == (404, NOT_FOUND)
    assert program()(method, of(carol, below), body).status == 401
    if "enrollments/" in below and below != "enrollments/":  # nor through a class of one's own
        assert program(trent)(method, of(trent, below), body).body == NOT_FOUND
    assert Enrollment.objects.get(pk=alice.enrollment.pk).removed_at is None
    carol.classroom.refresh_from_db()
    assert carol.classroom.name == "7B"
    assert program(carol)(method, of(carol, below), body).status in (200, 201, 204)


def test_a_class_that_is_over_is_its_teachers_alone(carol, alice, story):
    path = f"sessions/{alice.reading_session.pk}/"
    archive_classroom(carol.classroom)
    her = program(alice)
    for absent in (of(alice), f"texts/{story.pk}/", path, f"{path}interruptions/"):
        assert her.get(absent).body == NOT_FOUND
    for empty in ("classrooms/", "texts/", "sessions/"):
        assert her.get(empty).body == {"results": [], "next": None}
    assert her.post("sessions/", {"text": story.pk}).body == NOT_FOUND
    assert program(carol).get(of(carol)).body["archivedAt"] > 0
    assert len(program(carol).get(of(carol, "enrollments/")).body["results"]) == 2


# ---- Students of a class


def test_a_teacher_lists_the_students_and_takes_one_out(carol, alice, bob):
    listed = program(carol).get(of(carol, "enrollments/")).body["results"]
    assert [(row["id"], row["nickname"]) for row in listed] == [
        (bob.enrollment.pk, "bob"), (alice.enrollment.pk, "alice")]
    assert set(listed[0]) == {"id", "nickname", "joinedAt"}
    path = of(carol, f"enrollments/{alice.enrollment.pk}/")
    assert program(carol).get(path).body == listed[1]
    removed = program(carol).delete(path)
    assert (removed.status, removed.body) == (204, None)
    assert Eviction.objects.get().code == 4403
    assert program(carol).get(path).body == NOT_FOUND == program(carol).delete(path).body
    assert len(program(carol).get(of(carol, "enrollments/")).body["results"]) == 1
    assert browser(alice).get("/read/")["Location"].startswith("/join/")
    assert program(alice).get(of(alice)).body == NOT_FOUND


@pytest.mark.parametrize("body", [{"role": "teacher"}, {"student": 1}, {"classroom": 2}, {"nickname": "x"}])
def test_a_student_is_not_edited(carol, alice, body):
    before = Enrollment.objects.filter(pk=alice.enrollment.pk).values().get()
    for method in ("PATCH", "PUT", "POST"):
        assert program(carol)(method, of(carol, f"enrollments/{alice.enrollment.pk}/"), body).status == 405
    assert Enrollment.objects.filter(pk=alice.enrollment.pk).values().get() == before
