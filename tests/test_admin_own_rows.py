"""What a teacher with the staff flag sees of the administration: their own classes' rows, by whatever way they ask.

carol is staff. trent's class is called Zebra here, mallory reads in it, and both classes read carol's story: what ties
her rows to theirs must not show them.
"""

import json

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.test import Client, RequestFactory
from django.utils import timezone

from classrooms.models import Classroom, Enrollment, Text, User
from classrooms.services.texts import create_text
from sessions.models import Broadcast, ConnectionLog, Eviction, Receipt
from tests.people import STORY, queued, without_token

OWN_LISTS = ["classrooms/classroom", "classrooms/enrollment", "classrooms/text", "reading_sessions/readingsession",
             "reading_sessions/interruption", "reading_sessions/broadcast", "reading_sessions/connectionlog"]
CLOSED_LISTS = ["classrooms/user", "classrooms/attemptcount", "reading_sessions/receipt", "reading_sessions/eviction"]
THEIRS = (b"Zebra", b"mallory", b"trent", b"a zebra crossing", b"Striped", b"savannah")


@pytest.fixture
def zebra(trent, mallory, story):
    """trent's class and a row of each kind in it: {list: primary key}."""
    Classroom.objects.filter(pk=trent.classroom.pk).update(name="Zebra")
    said = Broadcast.objects.create(
        classroom=trent.classroom, teacher=trent.user, kind="announcement", text="To the savannah!", version=1)
    opened = ConnectionLog.objects.create(reading_session=mallory.reading_session, opened_at=timezone.now(), restored=False)
    receipt = Receipt.objects.create(teacher=trent.user, message_id=said.pk, type="BROADCAST", body_hash=b"", reply={})
    evicted = Eviction.objects.create(user=mallory.user, classroom=trent.classroom, code=4403)
    return {
        "classrooms/classroom": trent.classroom.pk, "classrooms/enrollment": mallory.enrollment.pk,
        "classrooms/text": create_text(owner=trent.user, raw=STORY, title="Striped", classrooms=[trent.classroom]).pk,
        "reading_sessions/readingsession": mallory.reading_session.pk,
        "reading_sessions/interruption": queued(mallory, "What is a zebra crossing?").pk,
        "reading_sessions/broadcast": said.pk, "reading_sessions/connectionlog": opened.pk,
        "classrooms/user": mallory.user.pk, "classrooms/attemptcount": "0" * 64,
        "reading_sessions/receipt": receipt.pk, "reading_sessions/eviction": evicted.pk,
    }


def shows_nothing_of_theirs(response, path=""):
    found = [name for name in THEIRS if name in response.content]
    assert found == [], f"{path} shows {found}"


@pytest.mark.parametrize("name", OWN_LISTS)
def test_lists_filters_and_searches_show_own_rows(staff, name, zebra, alice, trent, mallory, story):
    queued(alice, "What is a burrow?")
    ConnectionLog.objects.create(reading_session=alice.reading_session, opened_at=timezone.now(), restored=False)
    Broadcast.objects.create(classroom=alice.classroom, kind="announcement", text="Well read.", version=1)
    first = staff.get(f"/admin/{name}/")
    assert first.status_code == 200 and first.context["cl"].queryset.count() > 0
    # What one searches for stands in the search box, so these are asked for by a part that is no name.
    for query in ("", "?_facets=True", "?e=1", "?all=", "?q=ebr", "?q=allo", "?q=striped", "?o=1.2.3.4", "?p=2"):
        shows_nothing_of_theirs(staff.get(f"/admin/{name}/{query}", follow=True), query)
    for query in ("q=ebr", "q=allo"):
        assert staff.get(f"/admin/{name}/?{query}").context["cl"].queryset.count() == 0


@pytest.mark.parametrize(("name", "path"), [
    ("classrooms/enrollment", "classroom"), ("classrooms/text", "classrooms"),
    ("reading_sessions/readingsession", "enrollment__classroom"), ("reading_sessions/interruption", "classroom"),
    ("reading_sessions/broadcast", "classroom"),
    ("reading_sessions/connectionlog", "reading_session__enrollment__classroom")])
def test_a_filter_by_anothers_class_is_the_same_as_by_none(staff, carol, name, path, zebra, trent):
    """carol's story is read in that class too, so a filter that obeyed would tell so."""
    second = Classroom.objects.create(name="7C")  # with one class there would be no filter at all
    second.teachers.add(carol.user)
    for number in (trent.classroom.pk, 987_654, "x"):
        asked = staff.get(f"/admin/{name}/?{path}__id__exact={number}")
        assert asked.status_code == 302 and asked["Location"] == f"/admin/{name}/?e=1"
    shown = staff.get(f"/admin/{name}/?{path}__id__exact={carol.classroom.pk}")
    assert shown.status_code == 200
    shows_nothing_of_theirs(shown)


@pytest.mark.parametrize("query", [
    "classrooms/enrollment/?pin__startswith=argon2", "classrooms/enrollment/?user__password__startswith=a",
    "classrooms/enrollment/?user__username__startswith=s", "classrooms/enrollment/?nickname_key__startswith=a",
    "classrooms/enrollment/?classroom__teachers__username=trent", "classrooms/enrollment/?classroom__code__startswith=A",
    "classrooms/text/?classrooms=2", "classrooms/text/?classrooms__exact=2", "classrooms/text/?classrooms__in=1,2",
    "classrooms/text/?classrooms__name=Zebra", "classrooms/text/?owner__password__startswith=a",
    "classrooms/text/?reading_sessions__enrollment__nickname=mallory", "classrooms/text/?owner__username=trent",
    "classrooms/classroom/?texts__classrooms__name=Zebra", "classrooms/classroom/?teachers__password__startswith=a",
    "classrooms/classroom/?enrollments=1", "reading_sessions/interruption/?text__classrooms__name=Zebra",
    "reading_sessions/interruption/?lease_token__isnull=1",
    "reading_sessions/readingsession/?text__reading_sessions__enrollment__nickname=mallory",
    "reading_sessions/broadcast/?teacher__password__startswith=a"])
def test_addresses_ask_nothing_that_no_filter_asks(staff, office, query, zebra):
    for client in (staff, office):
        assert client.get(f"/admin/{query}").status_code == 400


@pytest.mark.parametrize("name", OWN_LISTS)
def test_anothers_row_is_as_absent_as_one_that_never_was(staff, name, zebra):
    key = zebra[name]
    absent = "00000000-0000-4000-8000-000000000000" if "-" in str(key) else 987_654
    for view in ("change", "history", "delete"):
        theirs, none = (staff.get(f"/admin/{name}/{number}/{view}/") for number in (key, absent))
        assert theirs.status_code == none.status_code and theirs.status_code in (302, 403), view
        assert theirs.get("Location") == none.get("Location")
        after = staff.get("/admin/")
        shows_nothing_of_theirs(after, view)
    for view in ("change", "delete"):
        assert staff.post(f"/admin/{name}/{key}/{view}/", {"post": "yes", "name": "mine"}).status_code in (302, 403)
    assert staff.get(f"/admin/{name}/{key}/", follow=True).status_code in (200, 403)
    assert Classroom.objects.get(pk=zebra["classrooms/classroom"]).name == "Zebra"


@pytest.mark.parametrize("name", CLOSED_LISTS)
def test_accounts_and_the_servers_own_notes_are_not_theirs(staff, name, zebra, carol):
    for path in ("", "add/", f"{zebra[name]}/change/", f"{zebra[name]}/history/", f"{zebra[name]}/delete/"):
        response = staff.get(f"/admin/{name}/{path}")
        assert response.status_code == 403, path
        shows_nothing_of_theirs(response, path)
    assert f"/admin/{name}/" not in staff.get("/admin/").content.decode()


def test_nobody_raises_themselves(staff, carol, trent):
    for person in (carol, trent):
        before = User.objects.filter(pk=person.user.pk).values().get()
        path = f"/admin/classrooms/user/{person.user.pk}"
        for fields in ({"is_superuser": "on"}, {"role": "student"}, {"is_active": ""}):
            assert staff.post(f"{path}/change/", fields | {"username": "carol"}).status_code == 403
        passwords = {"password1": "battery staple 9", "password2": "battery staple 9"}
        assert staff.get(f"{path}/password/").status_code == 403
        assert staff.post(f"{path}/password/", passwords).status_code == 403
        assert User.objects.filter(pk=person.user.pk).values().get() == before
    assert staff.post("/admin/classrooms/user/add/", {"username": "x"}).status_code == 403
    assert staff.post("/admin/classrooms/classroom/add/", {"name": "x"}).status_code == 403


def autocomplete(client: Client, model: str, field: str, term: str = ""):
    app, name = model.split("/")
    return client.get("/admin/autocomplete/", {"app_label": app, "model_name": name, "field_name": field, "term": term})


def test_auto_completion_offers_own_rows(staff, office, zebra, carol, alice):
    assert [row["text"] for row in autocomplete(staff, "classrooms/classroom", "texts").json()["results"]] == [
        "The Keeper of Words"]
    for model, field in (("classrooms/enrollment", "classroom"), ("reading_sessions/interruption", "classroom")):
        assert [row["text"] for row in autocomplete(staff, model, field).json()["results"]] == ["7B"]
    for model, field in (("classrooms/classroom", "teachers"), ("classrooms/text", "owner"), ("admin/logentry", "user"),
                         ("classrooms/enrollment", "user"), ("reading_sessions/eviction", "user")):
        assert autocomplete(staff, model, field).status_code == 403
    for term in ("Zebra", "mallory", "Striped"):
        for model, field in (("reading_sessions/interruption", "enrollment"), ("classrooms/classroom", "texts"),
                             ("reading_sessions/interruption", "reading_session")):
            assert autocomplete(staff, model, field, term).json()["results"] == []
    # To the administrator it offers teachers, not pupils.
    offered = [row["text"] for row in autocomplete(office, "classrooms/classroom", "teachers").json()["results"]]
    assert offered == ["carol", "office", "trent"]


def test_forms_offer_and_take_own_rows_only(staff, carol, zebra, story):
    """Her class's name, door and tutor she changes. Who teaches it and what it reads have pages of their own."""
    changed = staff.post(f"/admin/classrooms/classroom/{carol.classroom.pk}/change/", {
        "name": "7D", "ai_enabled": "on", "is_open": "on", "texts": [story.pk, zebra["classrooms/text"]],
        "teachers": [User.objects.get(username="trent").pk], "archived_at": "2026-01-01", "code": "AAAAAAAA"})
    assert changed.status_code == 302
    stored = Classroom.objects.get(pk=carol.classroom.pk)
    assert stored.name == "7D" and list(stored.teachers.all()) == [carol.user] and list(stored.texts.all()) == [story]
    assert stored.archived_at is None and stored.code == carol.classroom.code
    page = admin.site.get_model_admin(Classroom)
    request = RequestFactory().get("/")
    request.user = carol.user
    offered = page.formfield_for_manytomany(Classroom._meta.get_field("texts"), request).queryset
    assert list(offered) == [story]


def test_a_text_is_changed_by_its_owner(staff, carol, trent, zebra, story):
    shared = Text.objects.get(pk=zebra["classrooms/text"])
    carol.classroom.texts.add(shared)
    page = staff.get(f"/admin/classrooms/text/{shared.pk}/change/")
    assert page.status_code == 200 and b"Zebra" not in page.content
    assert staff.post(f"/admin/classrooms/text/{shared.pk}/change/", {"title": "Mine"}).status_code == 403
    owned = staff.post(f"/admin/classrooms/text/{story.pk}/change/",
                       {"title": "The Keeper", "author": "", "level": "", "owner": trent.user.pk})
    assert owned.status_code == 302
    assert Text.objects.values_list("title", "owner").get(pk=story.pk) == ("The Keeper", carol.user.pk)
    # mallory reads it too, in a class that is not carol's: she is not counted.
    row = next(row for row in staff.get("/admin/classrooms/text/").context["cl"].result_list if row.pk == story.pk)
    assert row.reader_count == 2


@pytest.mark.parametrize(("name", "action"), [
    ("classrooms/classroom", "rotate_codes"), ("classrooms/classroom", "close_doors"), ("classrooms/classroom", "archive"),
    ("classrooms/enrollment", "remove")])
def test_an_action_does_not_reach_anothers_rows(staff, name, action, zebra, trent, mallory):
    before = (Classroom.objects.filter(pk=trent.classroom.pk).values().get(),
              Enrollment.objects.filter(pk=mallory.enrollment.pk).values().get())
    for extra in ({}, {"select_across": "1"}):
        response = staff.post(f"/admin/{name}/?all=", {"action": action, "_selected_action": [zebra[name]]} | extra,
                              follow=True)
        shows_nothing_of_theirs(response, action)
    assert before == (Classroom.objects.filter(pk=trent.classroom.pk).values().get(),
                      Enrollment.objects.filter(pk=mallory.enrollment.pk).values().get())


def test_the_short_cut_to_a_page_tells_nothing(staff, zebra, alice, mallory):
    kind = ContentType.objects.get_for_model(Enrollment).pk
    bodies = {without_token(staff.get(f"/admin/r/{kind}/{number}/")) for number in (
        alice.enrollment.pk, mallory.enrollment.pk, 987_654)}
    assert len(bodies) == 1


def test_who_left_a_class_sees_no_more_of_it(staff, carol, trent, alice):
    staff.post("/admin/classrooms/classroom/", {"action": "close_doors", "_selected_action": [carol.classroom.pk]})
    carol.classroom.teachers.set([trent.user])
    for path in ("", *(f"{name}/" for name in OWN_LISTS if name != "classrooms/text")):
        page = staff.get(f"/admin/{path}")
        shown = without_token(page)
        assert page.status_code == 200 and b"7B" not in shown and b"alice" not in shown, path
    assert json.loads(autocomplete(staff, "classrooms/enrollment", "classroom").content)["results"] == []
