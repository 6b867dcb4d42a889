"""The administrator's pages: what they show, what they leave alone, who gets there and by which door."""

import re

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client

from classrooms.admin.base import OwnRows
from classrooms.models import AttemptCount, Classroom, Text, User
from classrooms.services.attempts import count_attempt
from classrooms.services.texts import create_text
from sessions.models import Broadcast, Interruption, ReadingSession
from tests.people import STORY, browser, queued, without_token

pytestmark = pytest.mark.usefixtures("quick_hashing")
LISTS = ["classrooms/user", "classrooms/classroom", "classrooms/enrollment", "classrooms/text", "classrooms/attemptcount",
         "reading_sessions/readingsession", "reading_sessions/interruption", "reading_sessions/broadcast",
         "reading_sessions/connectionlog", "reading_sessions/receipt", "reading_sessions/eviction"]


def as_shown(office, path: str) -> dict:
    """Return what a browser sends of a row's page on which nothing was touched, what the page showed included."""
    form = office.get(path).context["adminform"].form
    data = {name: value for name, value in form.initial.items() if name in form.fields and value not in (None, False)}
    shown = {field.html_initial_name: "" if form.initial.get(field.name) is None else form.initial[field.name]
             for field in form if field.field.show_hidden_initial}
    return shown | {name: [getattr(item, "pk", item) for item in value] if isinstance(value, list) else value
                    for name, value in data.items()}


def change(office, path: str, **fields):
    """Send a row's form as it stands, with these fields changed; None leaves one out."""
    data = as_shown(office, path) | fields
    return office.post(path, {name: value for name, value in data.items() if value is not None})


def test_each_page_here_keeps_to_own_rows():
    """No app's own page shows all rows to whoever has a right; rights come from code alone."""
    assert all(isinstance(page, OwnRows) for page in admin.site._registry.values())
    assert {f"{model._meta.app_label}/{model._meta.model_name}" for model in admin.site._registry} == set(LISTS)
    assert not admin.site.is_registered(Group)


@pytest.mark.parametrize("name", LISTS)
def test_every_list_opens_and_can_be_searched(office, name, alice):
    queued(alice)
    count_attempt("password", "carol@192.0.2.1", limit=6, subject="carol")
    assert office.get(f"/admin/{name}/").status_code == 200
    found = office.get(f"/admin/{name}/?q=alice", follow=True)
    assert found.status_code == 200
    assert office.get(f"/admin/{name}/?_facets=True").status_code == 200


@pytest.mark.parametrize(("asked", "found"), [
    ("error_code=timeout", "failed"), ("provider=passage_helper", "answered"), ("flag=self_harm", "flagged"),
    ("error_code=busy", None)])
def test_questions_are_filtered_by_what_came_of_them(office, alice, asked, found):
    """In people's words, and without a link that has no words for what most rows leave empty."""
    rows = {"failed": queued(alice, state="failed", error_code="timeout"),
            "answered": queued(alice, state="answered", provider="passage_helper"),
            "flagged": queued(alice, flag="self_harm")}
    page = office.get(f"/admin/reading_sessions/interruption/?{asked}")
    assert list(page.context["cl"].queryset) == [rows[name] for name in [found] if name]
    links = re.findall(r'<a href="\?[^"]*(?:error_code|provider|flag)[^"]*">\s*(.*?)\s*</a>', page.content.decode(), re.S)
    assert {"The tutor took too long.", "Passage helper, not AI", "self-harm"} <= set(links) and "" not in links


def test_one_of_each_opens_and_shows_no_pin(office, carol, alice, story):
    asked = queued(alice)
    said = Broadcast.objects.create(classroom=carol.classroom, teacher=carol.user, kind="announcement", text="Well read.",
                                    version=1)
    for path in (f"classrooms/user/{carol.user.pk}", f"classrooms/classroom/{carol.classroom.pk}",
                 f"classrooms/enrollment/{alice.enrollment.pk}", f"classrooms/text/{story.pk}",
                 f"reading_sessions/readingsession/{alice.reading_session.pk}",
                 f"reading_sessions/interruption/{asked.pk}", f"reading_sessions/broadcast/{said.pk}"):
        response = office.get(f"/admin/{path}/change/")
        assert response.status_code == 200, path
        assert alice.enrollment.pin not in response.content.decode()
        assert carol.user.password not in response.content.decode()


def test_a_students_account_goes_by_enrollment(office, alice):
    for path in (f"/admin/classrooms/user/{alice.user.pk}/change/", f"/admin/classrooms/user/{alice.user.pk}/history/",
                 "/admin/classrooms/user/?q=alice", "/admin/classrooms/user/?role__exact=student"):
        page = office.get(path, follow=True).content.decode()
        assert alice.user.username not in page, path
        assert "alice · 7B" in page or "student " in page
    page = office.get(f"/admin/classrooms/user/{alice.user.pk}/change/").content.decode()
    assert "password" not in page.lower().replace("password_change", "").replace("change password", "")
    assert f"/admin/classrooms/enrollment/{alice.enrollment.pk}/change/" in page


def test_passwords_are_for_teachers_only(office, alice, carol):
    new = {"password1": "battery staple 9", "password2": "battery staple 9"}
    assert office.get(f"/admin/classrooms/user/{alice.user.pk}/password/").status_code == 404
    assert office.post(f"/admin/classrooms/user/{alice.user.pk}/password/", new).status_code == 404
    assert not User.objects.get(pk=alice.user.pk).has_usable_password()
    weak = office.post(f"/admin/classrooms/user/{carol.user.pk}/password/", {"password1": "carol", "password2": "carol"})
    assert weak.status_code == 200 and weak.context["form"].errors
    none = office.post(f"/admin/classrooms/user/{carol.user.pk}/password/",
                       {"usable_password": "false", "unset-password": "x"})
    assert none.status_code == 200 and User.objects.get(pk=carol.user.pk).has_usable_password()
    assert office.post(f"/admin/classrooms/user/{carol.user.pk}/password/", new).status_code == 302
    assert User.objects.get(pk=carol.user.pk).check_password("battery staple 9")
    assert browser(carol).get("/classes/")["Location"].startswith("/login/")


def test_a_new_person_is_a_teacher(office):
    made = office.post("/admin/classrooms/user/add/", {
        "username": "dana", "email": "dana@school.example", "password1": "battery staple 9",
        "password2": "battery staple 9", "role": "student", "is_superuser": "on", "is_staff": "on"})
    assert made.status_code == 302
    dana = User.objects.get(username="dana")
    assert dana.is_teacher and not dana.is_staff and not dana.is_superuser and dana.check_password("battery staple 9")
    assert Client().post("/login/", {"username": "dana", "password": "battery staple 9"}).status_code == 302


def test_a_role_is_for_life_and_nobody_locks_themselves_out(office, carol):
    assert change(office, f"/admin/classrooms/user/{carol.user.pk}/change/", role="student").status_code == 302
    assert User.objects.get(pk=carol.user.pk).is_teacher
    own = User.objects.get(username="office")
    assert change(office, f"/admin/classrooms/user/{own.pk}/change/", is_superuser=None, is_active=None,
                  is_staff=None, first_name="Olive").status_code == 302
    own.refresh_from_db()
    assert own.first_name == "Olive" and own.is_superuser and own.is_staff and own.is_active


def test_a_new_address_is_not_confirmed(office, carol):
    User.objects.filter(pk=carol.user.pk).update(email="carol@school.example", email_confirmed=True)
    path = f"/admin/classrooms/user/{carol.user.pk}/change/"
    change(office, path, first_name="Carol")
    assert User.objects.get(pk=carol.user.pk).email_confirmed
    change(office, path, email="someone@else.example")
    assert not User.objects.get(pk=carol.user.pk).email_confirmed


def test_history_is_looked_at_and_not_edited(office, alice):
    asked = queued(alice)
    for path in (f"reading_sessions/readingsession/{alice.reading_session.pk}", f"reading_sessions/interruption/{asked.pk}",
                 f"classrooms/enrollment/{alice.enrollment.pk}"):
        assert office.post(f"/admin/{path}/change/", {"word_index": 5, "nickname": "x"}).status_code == 403
        assert office.post(f"/admin/{path}/delete/", {"post": "yes"}).status_code == 403
    for name in LISTS:
        if name not in ("classrooms/user", "classrooms/classroom"):
            assert office.get(f"/admin/{name}/add/").status_code == 403
        chosen = {"action": "delete_selected", "_selected_action": [str(asked.pk)], "post": "yes"}
        assert office.post(f"/admin/{name}/", chosen).status_code in (200, 302)
    assert ReadingSession.objects.get(pk=alice.reading_session.pk).word_index == 0
    assert Interruption.objects.count() == 1 and User.objects.count() == 6


def test_people_and_classes_are_not_deleted_and_texts_only_unread(office, carol, story):
    for path in (f"classrooms/user/{carol.user.pk}", f"classrooms/classroom/{carol.classroom.pk}",
                 f"classrooms/text/{story.pk}"):
        assert office.post(f"/admin/{path}/delete/", {"post": "yes"}).status_code == 403, path
    unread = create_text(owner=carol.user, raw=STORY, title="Unread", classrooms=[carol.classroom])
    assert office.post(f"/admin/classrooms/text/{unread.pk}/delete/", {"post": "yes"}).status_code == 302
    assert list(Text.objects.all()) == [story]


def test_a_class_made_here_has_a_code_of_its_own(office, carol, alice, story):
    form = {"name": "9C", "code": "AAAAAAAA", "ai_enabled": "on", "teachers": [carol.user.pk], "texts": [story.pk]}
    refused = office.post("/admin/classrooms/classroom/add/", form | {"teachers": [alice.user.pk]})
    assert refused.status_code == 200 and "teachers" in refused.context["adminform"].form.errors
    assert office.post("/admin/classrooms/classroom/add/", form).status_code == 302
    made = carol.user.classrooms.get(name="9C")
    assert made.code != "AAAAAAAA" and len(made.code) == 8 and made.is_open


def test_a_form_saves_what_it_changes_and_leaves_the_counters_alone(office, carol, story, monkeypatch):
    """While the form is open the class's counter and the text's revision move on."""
    path = f"/admin/classrooms/classroom/{carol.classroom.pk}/change/"
    page = admin.site.get_model_admin(Classroom)
    original = page.save_model

    def meanwhile(request, obj, form, change):
        Classroom.objects.filter(pk=obj.pk).update(version=41)
        original(request, obj, form, change)

    monkeypatch.setattr(page, "save_model", meanwhile)
    assert change(office, path, name="7C", daily_questions=50).status_code == 302
    stored = Classroom.objects.get(pk=carol.classroom.pk)
    assert (stored.name, stored.daily_questions, stored.version) == ("7C", 50, 42)  # open pages learn that they are behind
    assert change(office, path, texts=[]).status_code == 302
    emptied = Classroom.objects.get(pk=carol.classroom.pk)
    assert not emptied.texts.exists() and emptied.version == 42  # 41 anew, and the shelf's own change
    texts = admin.site.get_model_admin(Text)
    saved = texts.save_model

    def revised(request, obj, form, change):
        Text.objects.filter(pk=obj.pk).update(revision=9)
        saved(request, obj, form, change)

    monkeypatch.setattr(texts, "save_model", revised)
    assert change(office, f"/admin/classrooms/text/{story.pk}/change/", title="Renamed").status_code == 302
    assert Text.objects.values_list("title", "revision").get(pk=story.pk) == ("Renamed", 9)


def test_a_page_that_was_opened_earlier_sets_nothing_back(office, carol, trent):
    """Least of all a right that was taken away, or an account that was closed, since."""
    person, classroom = (f"/admin/classrooms/user/{trent.user.pk}/change/",
                         f"/admin/classrooms/classroom/{carol.classroom.pk}/change/")
    User.objects.filter(pk=trent.user.pk).update(is_staff=True)
    earlier = as_shown(office, person), as_shown(office, classroom)
    for path, shown in zip((person, classroom), earlier, strict=True):
        page = office.get(path).content.decode()
        assert all(f'name="{name}"' in page for name in shown if name.startswith("initial-"))
    User.objects.filter(pk=trent.user.pk).update(is_staff=False, is_active=False)
    Classroom.objects.filter(pk=carol.classroom.pk).update(ai_enabled=False, daily_questions=5)
    assert office.post(person, earlier[0] | {"first_name": "Trent"}).status_code == 302
    assert office.post(classroom, earlier[1] | {"name": "7C"}).status_code == 302
    trent.user.refresh_from_db()
    assert (trent.user.first_name, trent.user.is_staff, trent.user.is_active) == ("Trent", False, False)
    stored = Classroom.objects.get(pk=carol.classroom.pk)
    assert (stored.name, stored.ai_enabled, stored.daily_questions) == ("7C", False, 5)


def test_a_class_is_found_by_its_code_as_people_read_it(office, carol):
    found = office.get(f"/admin/classrooms/classroom/?q={carol.classroom.code_display.lower()}")
    assert [row.name for row in found.context["cl"].queryset] == ["7B"]


def test_live_pages_are_linked_for_those_who_can_open_them(office, staff, carol, alice, story):
    room, page = f'href="/classes/{carol.classroom.pk}/"', f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/"
    for path, link in ((f"classrooms/classroom/{carol.classroom.pk}/change", room), ("classrooms/classroom", room),
                       (f"classrooms/enrollment/{alice.enrollment.pk}/change", page), ("classrooms/enrollment", page),
                       (f"reading_sessions/readingsession/{alice.reading_session.pk}/change", page),
                       (f"classrooms/text/{story.pk}/change", f'href="/texts/{story.pk}/"')):
        assert link in staff.get(f"/admin/{path}/").content.decode(), path
        assert link not in office.get(f"/admin/{path}/").content.decode(), path
    assert staff.get(page).status_code == 200
    assert office.get(page).status_code == 404


def test_the_first_page_says_what_happens_now(office, staff, alice, mallory):
    for person in (alice, mallory):
        queued(person, state="failed", error_code="timeout")
    assert [entry["number"] for entry in office.get("/admin/").context["now"]] == [0, 2, 2, 0]
    assert [entry["number"] for entry in staff.get("/admin/").context["now"]] == [0, 1, 1, 0]
    for entry in staff.get("/admin/").context["now"]:
        assert staff.get(entry["url"]).status_code == 200


def test_strangers_are_sent_to_the_one_door(school, settings):
    User.objects.create_superuser("office", password="correct horse")
    door = "/login/?next=%2Fadmin%2Fclassrooms%2Ftext%2F%3Fq%3Dfox"
    client = Client()
    assert client.get("/admin/classrooms/text/?q=fox", follow=True).redirect_chain[-1][0] == door
    wrong = client.post("/admin/login/?next=/admin/", {"username": "office", "password": "correct horse"})
    assert wrong.status_code == 302 and wrong["Location"].startswith("/login/")  # the stock door takes no password
    assert "_auth_user_id" not in client.session
    for _ in range(settings.LIMITS.password_attempts):
        client.post("/login/", {"username": "office", "password": "guess"})
    assert client.post(door, {"username": "office", "password": "correct horse"}).status_code == 429
    AttemptCount.objects.all().delete()
    entered = client.post(door, {"username": "office", "password": "correct horse"})
    assert entered["Location"] == "/admin/classrooms/text/?q=fox"
    assert client.get("/admin/login/?next=//elsewhere.example/")["Location"] == "/admin/"
    assert client.get("/admin/login/?next=/admin/classrooms/")["Location"] == "/admin/classrooms/"
    assert client.get("/admin/password_change/")["Location"] == "/account/password/"
    assert client.post("/admin/logout/")["Location"] == "/" and "_auth_user_id" not in client.session


def test_those_who_are_no_staff_are_told_so(school):
    User.objects.filter(pk=school["alice"].user.pk).update(is_staff=True, is_superuser=True)  # a student never is
    for person in (school["carol"], school["alice"]):
        for path in ("/admin/", *(f"/admin/{name}/" for name in LISTS), "/admin/autocomplete/", "/admin/nothing/"):
            response = browser(person).get(path, follow=True)
            assert response.status_code == 403, path
            assert b"7B" not in without_token(response)


def test_the_foot_leads_there_for_staff_only(office, school):
    link = b'href="/admin/"'
    assert link in office.get("/classes/").content
    assert link not in browser(school["carol"]).get("/classes/").content
    assert link not in browser(school["alice"]).get("/read/").content


def test_createsuperuser_makes_a_teacher(transactional_db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse")
    call_command("createsuperuser", interactive=False, username="office", email="office@school.example", verbosity=0)
    user = User.objects.get()
    assert user.is_teacher and user.is_superuser
    client = Client()
    assert client.post("/login/", {"username": "office", "password": "correct horse"})["Location"] == "/classes/"
    assert client.get("/admin/").status_code == 200


def test_djangos_own_permissions_open_nothing(carol):
    carol.user.user_permissions.set(Permission.objects.all())
    assert browser(carol).get("/admin/", follow=True).status_code == 403
    User.objects.filter(pk=carol.user.pk).update(is_staff=True)
    assert browser(carol).get("/admin/classrooms/user/").status_code == 403


def test_the_history_of_what_was_done_names_no_pupil(office, alice):
    office.post("/admin/classrooms/enrollment/", {"action": "remove", "_selected_action": [alice.enrollment.pk]})
    office.post("/admin/classrooms/user/", {"action": "disable", "_selected_action": [alice.user.pk]})
    noted = " ".join(f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all())
    assert LogEntry.objects.count() == 2 and "Removed" in noted
    assert "alice" not in noted and alice.user.username not in noted
