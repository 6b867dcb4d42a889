"""Reading without a single script: books, pages, the place that is kept. Every number is the importer's."""

import re
import uuid
from html.parser import HTMLParser

import pytest

from classrooms import demo
from classrooms.importing import import_text, split_sentences, words
from classrooms.models import Text
from classrooms.services.texts import TextChoices, create_text, revise_text
from sessions.models import ReadingSession
from sessions.services import reading
from tests.people import browser, without_token

pytestmark = pytest.mark.usefixtures("quick_hashing")
LIGHTHOUSE = "the-lighthouse-keeper"


@pytest.fixture
def lighthouse(carol):
    return create_text(owner=carol.user, raw=demo.raw_text(LIGHTHOUSE), classrooms=[carol.classroom])


@pytest.fixture
def book(alice, lighthouse) -> ReadingSession:
    """alice's reading of a text of several pages."""
    return reading.start_reading(alice.enrollment, text_id=lighthouse.pk)


class Page(HTMLParser):
    """The sentences of a page with the index of their first word, and the attributes of what holds them."""

    def __init__(self, html: str):
        super().__init__()
        self.sentences: list[tuple[int, str]] = []
        self.paragraphs: list[dict] = []
        self.main: dict = {}
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "main":
            self.main = attrs
        elif tag == "p" and attrs.get("class") == "paragraph":
            self.paragraphs.append(attrs)
        elif tag == "span" and attrs.get("class") == "sentence":
            self._inside = True
            self.sentences.append((int(attrs["data-first-word"]), ""))

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "span"

    def handle_data(self, data):
        if self._inside:
            first, text = self.sentences[-1]
            self.sentences[-1] = first, text + data


def test_the_shelf_shows_every_text_of_the_class(alice, lighthouse, story):
    client = browser(alice)
    books = {entry["text"].title: entry for entry in client.get("/read/").context["books"]}
    assert set(books) == {"The Lighthouse Keeper", "The Keeper of Words"}
    assert books["The Lighthouse Keeper"]["reading_session"] is None
    assert books["The Keeper of Words"]["reading_session"] == alice.reading_session


def test_a_book_is_started_once_and_opened_where_one_is(alice, lighthouse):
    client = browser(alice)
    assert client.get(f"/read/texts/{lighthouse.pk}/").status_code == 405
    places = {client.post(f"/read/texts/{lighthouse.pk}/")["Location"] for _ in range(2)}
    mine = ReadingSession.objects.get(text=lighthouse)
    assert places == {f"/read/{mine.pk}/page/1/"}
    ReadingSession.objects.filter(pk=mine.pk).update(word_index=lighthouse.page_starts[2] + 5)
    assert client.get(f"/read/{mine.pk}/")["Location"] == f"/read/{mine.pk}/page/3/"


def test_every_word_of_every_page_stands_at_its_index(alice, book):
    client = browser(alice)
    expected = import_text(demo.raw_text(LIGHTHOUSE))
    all_words = words(" ".join(passage.text for passage in expected.passages))
    seen: list[str] = []
    for number in range(1, expected.page_count + 1):
        response = client.get(f"/read/{book.pk}/page/{number}/")
        page = Page(response.content.decode())
        passages = [passage for passage in expected.passages if passage.page == number]
        assert [text for _, text in page.sentences] == [
            sentence.text for passage in passages for sentence in split_sentences(passage.text)]
        for first_word, sentence in page.sentences:
            assert all_words[first_word:first_word + len(words(sentence))] == words(sentence)
            assert first_word == len(seen)
            seen += words(sentence)
        assert [(int(p["data-paragraph"]), int(p["data-first-word"]), p["id"]) for p in page.paragraphs] == [
            (passage.number, passage.first_word, f"p{passage.number}") for passage in passages if passage.number]
        assert int(page.main["data-first-word"]) == passages[0].first_word
        assert int(page.main["data-end-word"]) == len(seen)
        config = response.context["config"]
        assert (config["page"], config["pageCount"], config["words"]) == (number, expected.page_count, len(all_words))
        assert config["pageStarts"] == book.text.page_starts
    assert seen == all_words


def test_pages_are_turned_by_a_form_and_a_link(alice, book):
    client = browser(alice)
    body = client.get(f"/read/{book.pk}/page/1/").content.decode()
    word_index = re.search(r'name="word_index" value="(\d+)"', body)[1]
    assert int(word_index) == book.text.page_starts[1]
    turned = client.post(f"/read/{book.pk}/progress/", {"word_index": word_index}, follow=True)
    assert turned.redirect_chain == [(f"/read/{book.pk}/page/2/", 302)]
    assert f'href="/read/{book.pk}/page/1/"' in turned.content.decode()
    book.refresh_from_db()
    assert (book.word_index, book.furthest_word_index, book.rev) == (int(word_index), int(word_index), 1)
    first = client.get(f"/read/{book.pk}/page/1/").context
    last = client.get(f"/read/{book.pk}/page/{book.text.page_count}/").context
    assert first["previous_page"] is None and last["next_page"] is None and last["next_word"] is None


def test_going_back_moves_the_place_and_not_the_furthest(alice, book):
    client = browser(alice)
    for word_index in (900, 100):
        client.post(f"/read/{book.pk}/progress/", {"word_index": word_index})
    book.refresh_from_db()
    assert (book.word_index, book.furthest_word_index, book.rev) == (100, 900, 2)
    client.post(f"/read/{book.pk}/progress/", {"word_index": book.text.word_count - 1})
    book.refresh_from_db()
    assert book.status == "finished"
    assert "Finished" in client.get("/read/").content.decode()


@pytest.mark.parametrize("word_index", ["-1", "2979", "9" * 5000, "9" * 50, "", "ten", "1.5", "0x10"])
def test_a_place_outside_the_text_changes_nothing(alice, book, word_index):
    form = {"word_index": word_index, "rev": "9", "status": "finished"}
    response = browser(alice).post(f"/read/{book.pk}/progress/", form)
    assert response["Location"] == f"/read/{book.pk}/page/1/"
    book.refresh_from_db()
    assert (book.word_index, book.rev, book.status) == (0, 0, "reading")


@pytest.mark.parametrize("page", [0, 11, 99999999999999999999])
def test_a_page_that_is_not_there(alice, book, page):
    assert book.text.page_count == 10
    assert browser(alice).get(f"/read/{book.pk}/page/{page}/").status_code == 404


def test_anothers_reading_is_not_there(alice, bob, mallory, carol, trent):
    client = browser(bob)
    absent = client.get(f"/read/{uuid.uuid4()}/page/1/")
    for path in ("", "page/1/"):
        theirs = client.get(f"/read/{alice.reading_session.pk}/{path}")
        assert theirs.status_code == 404 and without_token(theirs) == without_token(absent)
    assert client.post(f"/read/{alice.reading_session.pk}/progress/", {"word_index": 5}).status_code == 404
    assert client.get(f"/api/sessions/{alice.reading_session.pk}/interruptions/").status_code == 404
    assert browser(mallory).get(f"/read/{alice.reading_session.pk}/page/1/").status_code == 404
    for teacher in (carol, trent):  # they have the room and the student's page instead
        assert browser(teacher).get(f"/read/{alice.reading_session.pk}/page/1/").status_code == 403
    assert browser().get(f"/read/{alice.reading_session.pk}/page/1/")["Location"].startswith("/join/?next=")


def test_a_text_of_another_class_is_not_there(mallory, lighthouse):
    assert browser(mallory).post(f"/read/texts/{lighthouse.pk}/").status_code == 404
    asked = browser(mallory).post("/api/sessions/", {"text": lighthouse.pk}, content_type="application/json")
    assert asked.status_code == 404
    assert not ReadingSession.objects.filter(text=lighthouse).exists()


def test_the_words_of_a_page_are_read_once_for_the_whole_class(alice, bob, book, django_assert_num_queries):
    his = reading.start_reading(bob.enrollment, text_id=book.text_id)
    pages = {browser(person): f"/read/{row.pk}/page/4/" for person, row in [(alice, book), (bob, his)]}
    for client in pages:
        client.get("/read/")  # notes the activity of this minute
    shown = []
    for queries, (client, page) in zip((6, 4), pages.items(), strict=True):
        with django_assert_num_queries(queries):
            shown.append(Page(client.get(page).content.decode()))
    assert shown[0].sentences == shown[1].sentences and shown[0].paragraphs == shown[1].paragraphs


def test_a_page_that_was_shown_before_shows_what_was_changed_since(alice, book):
    client, page = browser(alice), f"/read/{book.pk}/page/1/"
    before = client.get(page).content.decode()
    text, raw = book.text, demo.raw_text(LIGHTHOUSE)
    text = revise_text(text, TextChoices(raw=raw, title="The Lamp", author="A. Keeper"), revision=text.revision)
    renamed = client.get(page).content.decode()
    assert "A. Keeper" in renamed and "A. Keeper" not in before
    revise_text(text, TextChoices(raw=raw.replace(" the ", " windmill "), title="The Lamp"), revision=text.revision)
    revised = client.get(page).content.decode()
    assert "windmill" in revised and "windmill" not in renamed and "A. Keeper" not in revised


def test_the_shelf_costs_the_same_for_many_texts(alice, carol, django_assert_max_num_queries):
    for number in range(8):
        create_text(owner=carol.user, raw=f"Text {number}\n\nIt was a dark night.", classrooms=[carol.classroom])
    client = browser(alice)
    client.get("/read/")
    with django_assert_max_num_queries(6):
        assert len(client.get("/read/").context["books"]) == 9


def test_a_text_that_is_deleted_as_it_is_opened_is_not_there(alice, lighthouse, monkeypatch):
    def deleted_meanwhile(enrollment):
        Text.objects.filter(pk=lighthouse.pk).delete()
        return {}

    monkeypatch.setattr(reading, "_latest_preferences", deleted_meanwhile)
    assert browser(alice).post(f"/read/texts/{lighthouse.pk}/").status_code == 404
