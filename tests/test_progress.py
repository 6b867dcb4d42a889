"""Progress never goes backwards by accident: one tab, two tabs and a form. Any order of many: test_progress_machine."""

import pytest
from django.test import Client

from sessions.models import ReadingSession
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
