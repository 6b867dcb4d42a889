"""Progress never goes backwards by accident: late, doubled and reordered messages of several tabs."""

import json
import uuid

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from classrooms.models import Text
from sessions import messages
from sessions.models import ReadingSession
from sessions.services import reading
from sessions.writes import Batch
from tests.people import browser, reader, stored


async def moves(conversation, word_index, rev, **more):
    """Say where the reader is and return what was saved, or the error."""
    id = await conversation.sends("READING_PROGRESS", {"wordIndex": word_index, "rev": rev} | more)
    return (await conversation.replied(id, "PROGRESS_SAVED", "ERROR"))["payload"]


def place(person):
    return ReadingSession.objects.values_list("word_index", "furthest_word_index", "rev").get(pk=person.reading_session.pk)


async def test_the_place_follows_the_reader_and_the_furthest_only_grows(swift, serving_without_engine, alice):
    async with reader(alice) as a:
        assert await moves(a, 30, 1) == {"rev": 1, "wordIndex": 30, "furthestWordIndex": 30}
        assert await moves(a, 10, 2) == {"rev": 2, "wordIndex": 10, "furthestWordIndex": 30}
        assert await moves(a, 0, 9) == {"rev": 9, "wordIndex": 0, "furthestWordIndex": 30}
        assert await moves(a, 31, 10) == {"rev": 10, "wordIndex": 31, "furthestWordIndex": 31}
    assert await stored(place, alice) == (31, 31, 10)


async def test_an_older_word_is_told_what_is_stored_and_changes_nothing(swift, serving_without_engine, alice):
    async with reader(alice) as a, reader(alice) as tab:
        await moves(a, 40, 5)
        assert (await tab.hears("PROGRESS_SAVED"))["payload"] == {"rev": 5, "wordIndex": 40, "furthestWordIndex": 40}
        stale = {"rev": 5, "wordIndex": 40, "furthestWordIndex": 40, "stale": True}
        for rev in (5, 4, 1):
            assert await moves(tab, 80, rev) == stale
        assert await stored(place, alice) == (40, 40, 5)
        assert await moves(tab, 80, 6) == {"rev": 6, "wordIndex": 80, "furthestWordIndex": 80}
        assert (await a.hears("PROGRESS_SAVED"))["payload"]["wordIndex"] == 80
        assert await a.hears_nothing()


async def test_a_place_outside_the_text_or_of_another_revision_changes_nothing(swift, serving_without_engine, alice, story):
    async with reader(alice) as a:
        await moves(a, 40, 1)
        for word_index in (-1, story.word_count, 2**60, -(2**60)):
            assert (await moves(a, word_index, 2))["code"] == "INVALID_POSITION"
        for revision in (0, 2, 99):
            assert (await moves(a, 41, 2, revision=revision))["code"] == "STALE_TEXT"
        assert await stored(place, alice) == (40, 40, 1)
        last = story.word_count - 1
        assert (await moves(a, last, 2, revision=1))["wordIndex"] == last


async def test_the_last_word_finishes_the_book_and_looking_back_does_not_undo_it(
        swift, serving_without_engine, alice, story):
    async with reader(alice) as a:
        await moves(a, story.word_count - 1, 1)
        await moves(a, 3, 2)
    row = await stored(ReadingSession.objects.get, pk=alice.reading_session.pk)
    assert (row.status, row.word_index, row.furthest_word_index) == ("finished", 3, story.word_count - 1)


async def test_time_spent_adds_up(swift, serving_without_engine, alice):
    async with reader(alice) as a:
        await moves(a, 5, 1, activeSeconds=12)
        await moves(a, 6, 2, activeSeconds=7.6)
    async with reader(alice) as a:
        assert a.snapshot["payload"]["session"]["activeSeconds"] == 20


async def test_reading_goes_on_and_questions_are_asked_from_the_stored_place(swift, serving_without_engine, alice):
    async with reader(alice) as a:
        await moves(a, 38, 1)
        assert (await a.ask("What is a pangram?"))["payload"]["wordIndex"] == 38
        await moves(a, 50, 2)
        await a.replied(await a.sends("SET_PREFERENCES", {"playbackRate": 1.5}), "PREFERENCES_SAVED")
        resumed = await a.replied(await a.sends("RESUME_READING"), "RESUME_AUDIO")
        assert resumed["payload"] == {"reason": "resume", "fromWordIndex": 50, "playbackRate": 1.5}
        repeated = await a.replied(await a.sends("REPEAT_AUDIO", {"fromWordIndex": 38, "reason": "missed"}), "RESUME_AUDIO")
        assert repeated["payload"] == {"reason": "missed", "fromWordIndex": 38}
    assert (await stored(place, alice))[0] == 50  # hearing it again moves nobody


# ---- Forms, for pages without JavaScript


async def test_a_form_moves_the_reader_past_every_tab(swift, serving_without_engine, alice):
    url = f"/read/{alice.reading_session.pk}/progress/"
    async with reader(alice) as a:
        await moves(a, 40, 7)
        response = await stored(browser(alice).post, url, {"word_index": "12"})
        assert response.status_code == 302
        assert (await a.hears("PROGRESS_SAVED"))["payload"] == {"rev": 8, "wordIndex": 12, "furthestWordIndex": 40}
        assert (await moves(a, 41, 8))["stale"] is True
        assert (await moves(a, 41, 9))["wordIndex"] == 41


@pytest.mark.parametrize("word_index", ["-1", "100000", "x", "", "1e3", "9" * 5_000, None])
async def test_a_form_with_nonsense_leaves_the_reader_where_they_are(alice, word_index):
    data = {} if word_index is None else {"word_index": word_index}
    response = await stored(browser(alice).post, f"/read/{alice.reading_session.pk}/progress/", data)
    assert response.status_code == 302 and response["Location"].endswith("/page/1/")
    assert await stored(place, alice) == (0, 0, 0)


async def test_nobody_else_s_form_moves_her(alice, bob, mallory, carol):
    url = f"/read/{alice.reading_session.pk}/progress/"
    for person, status in ((bob, 404), (mallory, 404), (carol, 403)):
        assert (await stored(browser(person).post, url, {"word_index": "5"})).status_code == status
    assert (await stored(Client().post, url, {"word_index": "5"})).status_code == 302
    assert (await stored(browser(alice).get, url)).status_code == 405
    assert await stored(place, alice) == (0, 0, 0)


# ---- Several tabs, any order. The service's own function on rows that are not saved: thousands of runs, no database.

WORDS = 100
STEPS = st.lists(st.tuples(
    st.sampled_from(["move", "deliver", "double", "tell", "lose"]), st.integers(0, 2), st.integers(0, WORDS - 1),
), max_size=60)


class Tab:
    """A page as the protocol wants it: `rev` is a Lamport counter, a stale one is adopted and said again."""

    def __init__(self):
        self.rev = 0
        self.word_index = 0
        self.unsent = False

    def say(self) -> dict:
        self.rev += 1
        self.unsent = False
        return {"wordIndex": self.word_index, "rev": self.rev}

    def hear(self, saved: dict) -> None:
        self.rev = max(self.rev, saved["rev"])
        if saved.get("stale") and saved["wordIndex"] != self.word_index:
            self.unsent = True


class Server:
    """`services.reading.progress` on one reading session, with what each answer must promise."""

    def __init__(self):
        text = Text(pk=1, word_count=WORDS, page_starts=[0, 50], revision=1)
        self.row = ReadingSession(pk=uuid.uuid4(), text=text)
        self.accepted: list[tuple[int, int]] = []

    def hear(self, payload: dict) -> dict:
        parsed = messages.parse(
            json.dumps({"type": "READING_PROGRESS", "payload": payload}), known=messages.STUDENT_MESSAGES)
        before = (self.row.rev, self.row.word_index, self.row.furthest_word_index)
        batch = Batch(now=timezone.now(), reading_sessions={self.row.pk: self.row})
        saved = reading.progress(self.row.pk, parsed.payload).apply(self.row, batch).payload
        if payload["rev"] > before[0]:
            self.accepted.append((payload["rev"], payload["wordIndex"]))
            assert (saved["rev"], saved["wordIndex"]) == (payload["rev"], payload["wordIndex"])
            assert batch.pushes, "the other tabs must hear of it"
        else:
            assert saved["stale"] and before == (self.row.rev, self.row.word_index, self.row.furthest_word_index)
            assert not batch.pushes
        assert self.row.furthest_word_index == max((word for _, word in self.accepted), default=0)
        return saved


@given(STEPS)
def test_messages_of_three_tabs_in_any_order_never_regress_the_place(steps):
    server, tabs = Server(), [Tab(), Tab(), Tab()]
    under_way: list[tuple[Tab, dict]] = []
    for step, number, word_index in steps:
        tab = tabs[number]
        if step == "move":
            tab.word_index = word_index
            under_way.append((tab, tab.say()))
        elif step in ("deliver", "double") and under_way:
            sender, payload = under_way.pop(word_index % len(under_way))  # not in the order they were sent
            sender.hear(server.hear(payload))
            if step == "double":
                assert server.hear(payload)["stale"]
        elif step == "tell":
            tab.hear({"rev": server.row.rev, "wordIndex": server.row.word_index})
        elif step == "lose" and under_way:
            under_way.pop()
    assert (server.row.rev, server.row.word_index) == max(server.accepted, default=(0, 0))
    # The reader turns to one tab and moves: that is where reading goes on, whatever is still under way.
    last = tabs[0]
    last.hear({"rev": server.row.rev, "wordIndex": server.row.word_index})
    last.word_index = 77
    last.hear(server.hear(last.say()))
    for _, payload in under_way:
        if payload["rev"] <= last.rev:
            server.hear(payload)
    if all(payload["rev"] <= last.rev for _, payload in under_way):
        assert server.row.word_index == 77


@given(st.lists(st.tuples(st.integers(0, WORDS - 1), st.integers(1, 20)), max_size=30))
def test_the_outcome_is_that_of_the_greatest_rev_whatever_came_between(said):
    server = Server()
    for word_index, rev in said:
        server.hear({"wordIndex": word_index, "rev": rev})
    greatest = max((rev for _, rev in said), default=0)
    assert server.row.rev == greatest
    assert not said or server.row.word_index == next(word for word, rev in said if rev == greatest)
