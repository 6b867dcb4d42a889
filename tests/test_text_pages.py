"""A teacher's texts: the list, the preview before anything is saved, editing, giving to classes, deleting."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from classrooms.models import Passage, Text
from classrooms.services.classes import archive_classroom, create_classroom
from classrooms.services.texts import create_text
from sessions.models import ReadingSession
from tests.people import STORY, browser

MARKDOWN = "# Soup\n\nby Ann Lee\n\nStir it *slowly*.\n\n## Then\n\n1. Wait.\n\n> Good & hot.\n"


def sent_back(response) -> dict:
    """Return what the preview's form would send, as a browser reads it."""
    names = ("title", "author", "level", "body", "format", "revision", "classrooms")
    fields = {name: re.search(rf'<input type="hidden" name="{name}"(?: value="([^"]*)")?', response.content.decode())
              for name in names}
    plain = {"&quot;": '"', "&#x27;": "'", "&lt;": "<", "&gt;": ">", "&amp;": "&"}
    return {name: re.sub("|".join(plain), lambda found: plain[found[0]], field[1] or "").replace("\n", "\r\n")
            for name, field in fields.items() if field}


def page_of(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


# ---- The preview


def test_a_preview_shows_the_text_and_saves_nothing(carol):
    before = Text.objects.count(), Passage.objects.count()
    response = browser(carol).post("/texts/new/", {"body": MARKDOWN, "format": "markdown", "level": "ages 6 to 8"})
    assert response.status_code == 200
    page = page_of(response)
    for shown in ("Nothing is saved yet", "Soup", "Ann Lee", "ages 6 to 8", "Stir it <em>slowly.</em>", 'value="1"',
                  '<blockquote class="quotation">', "Good &amp; hot.", "<dt>Words</dt><dd class=\"number\">9</dd>"):
        assert shown in page
    assert (Text.objects.count(), Passage.objects.count()) == before


def test_what_the_preview_sends_back_is_what_is_saved(carol):
    client = browser(carol)
    upload = SimpleUploadedFile("soup.md", MARKDOWN.encode("utf-16"), content_type="text/markdown")
    fields = sent_back(client.post("/texts/new/", {
        "file": upload, "format": "plain", "title": 'A "soup" & <more>', "classrooms": [carol.classroom.pk]}))
    assert fields["body"].replace("\r\n", "\n") == MARKDOWN
    response = client.post("/texts/new/", fields | {"step": "save"})
    text = Text.objects.get(format="markdown")
    assert response["Location"] == f"/texts/{text.pk}/"
    assert (text.title, text.author, text.source.body) == ('A "soup" & <more>', "Ann Lee", MARKDOWN)
    assert [classroom.name for classroom in text.classrooms.all()] == ["7B"]
    assert [passage.kind for passage in text.passages.all()] == ["heading", "paragraph", "heading", "item", "quote"]
    assert text.passages.all()[1].marks == [[2, 2, "em"]]


def test_going_back_from_the_preview_loses_nothing(carol):
    client = browser(carol)
    upload = SimpleUploadedFile("soup.md", MARKDOWN.encode(), content_type="text/markdown")
    fields = sent_back(client.post("/texts/new/", {"file": upload, "level": "ages 6", "classrooms": [carol.classroom.pk]}))
    form = client.post("/texts/new/", fields | {"step": "edit"}).context["form"]
    assert not form.is_bound
    assert {name: form[name].value() for name in ("body", "level", "format")} == {
        "body": fields["body"], "level": "ages 6", "format": "markdown"}
    assert form["classrooms"].value() == [str(carol.classroom.pk)]
    # A mistake loses nothing either: what the file held stands in the box.
    hen = SimpleUploadedFile("hen.txt", b"a hen stood here, and it was raining on her.")
    response = client.post("/texts/new/", {"file": hen})
    assert response.status_code == 400 and "title" in response.context["form"].errors
    assert response.context["form"]["body"].value() == "a hen stood here, and it was raining on her."


def test_a_preview_before_the_class_reads_it(carol):
    client, path = browser(carol), f"/classes/{carol.classroom.pk}/texts/new/"
    fields = sent_back(client.post(path, {"body": "The Hen\n\nA hen stood in the yard."}))
    assert "classrooms" not in fields
    assert client.post(path, fields | {"step": "save"})["Location"] == f"/classes/{carol.classroom.pk}/"
    assert Text.objects.get(title="The Hen").classrooms.get() == carol.classroom


def test_more_markdown_than_can_be_read_quickly_is_refused(carol, settings):
    response = browser(carol).post("/texts/new/", {
        "body": "A hen. " * (settings.LIMITS.markdown_bytes // 7 + 1), "format": "markdown", "title": "Hens"})
    assert response.status_code == 413 and "1 MB of Markdown" in response.content.decode()


def test_a_text_that_would_not_come_back_from_the_page_is_refused_at_once(carol, settings):
    upload = SimpleUploadedFile("hen.txt", b"hen\n" * (settings.LIMITS.upload_bytes // 4))
    response = browser(carol).post("/texts/new/", {"file": upload, "title": "Hens"})
    assert response.status_code == 413 and "longer than 5 MB" in response.content.decode()


def test_a_class_of_another_teacher_cannot_be_chosen(carol, trent):
    response = browser(carol).post("/texts/new/", {"body": STORY, "classrooms": [trent.classroom.pk], "step": "save"})
    assert response.status_code == 400 and "classrooms" in response.context["form"].errors


# ---- Editing


def test_an_edit_shows_what_moves_and_then_moves_it(alice, bob, carol, story):
    client, path = browser(carol), f"/texts/{story.pk}/edit/"
    form = client.get(path).context["form"]
    assert (form["body"].value(), form["title"].value(), form["revision"].value()) == (STORY, story.title, 1)
    response = client.post(path, {"body": STORY.replace("A burrow", "Here a burrow"), "revision": 1, "title": story.title})
    page = page_of(response)
    assert "Nothing is changed yet" in page and "Every word stays." in page
    assert "3 students have begun it; their places and questions move along." in page
    assert Text.objects.get().revision == 1
    assert client.post(path, sent_back(response) | {"step": "save"})["Location"] == f"/texts/{story.pk}/"
    assert Text.objects.get().revision == 2
    assert "Here a burrow" in client.get(f"/texts/{story.pk}/").content.decode()


def test_two_who_edit_at_once_are_told_and_the_second_may_insist(carol, story):
    client, path = browser(carol), f"/texts/{story.pk}/edit/"
    client.post(path, {"body": STORY + "\nThe first.", "revision": 1, "step": "save"})
    mine = {"body": STORY + "\nThe second.", "revision": 1, "step": "save"}
    response = client.post(path, mine)
    form = response.context["form"]
    assert response.status_code == 409 and "saved elsewhere" in str(form.non_field_errors())
    assert form["body"].value() == mine["body"] and form["revision"].value() == 2
    assert client.post(path, mine | {"revision": 2}).status_code == 302
    assert Text.objects.get().source.body == mine["body"]


def test_only_the_owner_edits(carol, trent, story):
    carol.classroom.teachers.add(trent.user)
    assert browser(trent).get(f"/texts/{story.pk}/").status_code == 200
    for method in ("get", "post"):
        assert getattr(browser(trent), method)(f"/texts/{story.pk}/edit/").status_code == 404
    assert browser(trent).post(f"/texts/{story.pk}/delete/").status_code == 404


# ---- The shelf


def test_the_list_has_own_texts_and_those_of_shared_classes(carol, trent, story):
    create_text(owner=trent.user, raw="Mine\n\nNobody reads this yet.")
    create_text(owner=carol.user, raw="Hers\n\nNobody reads this yet.")
    shown = browser(trent).get("/texts/").context
    assert [text.title for text in shown["own"]] == ["Mine"]
    assert [(text.title, text.readers) for text in shown["shared"]] == [("The Keeper of Words", 1)]  # mallory
    assert browser(trent).get(f"/texts/{story.pk}/").context["readers"] == 1
    [own] = [text for text in browser(carol).get("/texts/").context["own"] if text == story]
    assert own.readers == browser(carol).get(f"/texts/{story.pk}/").context["readers"] == 3  # she may change it for all
    assert [classroom.name for classroom in shown["shared"][0].shelves] == ["8A"]  # carol's class is hers
    trent.classroom.texts.remove(story)
    assert browser(trent).get("/texts/").context["shared"] == []
    assert browser(trent).get(f"/texts/{story.pk}/").status_code == 404


def test_the_list_costs_the_same_for_many(carol, django_assert_max_num_queries):
    for number in range(12):
        create_text(owner=carol.user, raw=f"Text {number}\n\nIt was a dark night.", classrooms=[carol.classroom])
    client = browser(carol)
    client.get("/texts/")
    with django_assert_max_num_queries(5):
        assert len(client.get("/texts/").context["own"]) == 13


def test_a_page_of_a_text_is_shown_as_students_read_it(carol, story):
    client = browser(carol)
    assert "In the morning" in client.get(f"/texts/{story.pk}/?page=2").content.decode()
    for page in ("0", "3", "x", "²", "-1", "9" * 30):
        assert client.get(f"/texts/{story.pk}/", {"page": page}).status_code == 404


def test_giving_and_taking_off(carol, trent, story):
    other, archived = (create_classroom(teacher=carol.user, name=name) for name in ("9C", "1A"))
    archived.texts.add(story)
    archive_classroom(archived)
    client, path = browser(carol), f"/texts/{story.pk}/classes/"
    client.post(path, {"classrooms": [other.pk]})
    # trent's class is not hers to change, and an archived one stays as it was.
    assert set(story.classrooms.all()) == {other, archived, trent.classroom}
    assert {row.name: row.version for row in carol.user.classrooms.all()} == {"7B": 1, "9C": 1, "1A": 0}
    client.post(path, {"classrooms": [trent.classroom.pk]})
    assert other in story.classrooms.all()
    client.post(path, {})
    assert set(story.classrooms.all()) == {archived, trent.classroom}


def test_a_colleague_takes_a_text_off_and_gives_it_to_nobody(trent, story):
    other = create_classroom(teacher=trent.user, name="9C")
    client, path = browser(trent), f"/texts/{story.pk}/classes/"
    client.post(path, {"classrooms": [trent.classroom.pk, other.pk]})
    assert not other.texts.exists() and trent.classroom.texts.exists()
    assert client.post(path, {})["Location"] == "/texts/"
    assert not trent.classroom.texts.exists() and Text.objects.filter(pk=story.pk).exists()


def test_what_is_off_the_shelf_is_no_longer_offered_and_nothing_is_lost(alice, carol, story):
    browser(carol).post(f"/texts/{story.pk}/classes/", {})
    assert browser(alice).get("/read/").context["books"] == []
    assert ReadingSession.objects.filter(pk=alice.reading_session.pk).exists()
    assert "The Keeper of Words" in browser(carol).get(
        f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/").content.decode()


@pytest.mark.parametrize("is_read", [True, False])
def test_a_text_is_deleted_only_while_nobody_has_begun_it(carol, story, is_read):
    if not is_read:
        ReadingSession.objects.all().delete()
    client = browser(carol)
    assert ("cannot be undone" in client.get(f"/texts/{story.pk}/").content.decode()) is not is_read
    assert client.post(f"/texts/{story.pk}/delete/")["Location"] == (f"/texts/{story.pk}/" if is_read else "/texts/")
    assert Text.objects.filter(pk=story.pk).exists() is is_read
