"""A text is edited while students read it: places, questions and quotations move along, and open pages learn of it."""

import asyncio

import pytest
from django.db import connection
from django.utils import timezone

from classrooms.models import Classroom, Text
from classrooms.services.texts import TextChanged, TextChoices, revise_text
from sessions.models import Broadcast, Interruption, ReadingSession
from sessions.services import queue, texts
from tests.clients import RoomPage, StudentPage
from tests.people import STORY, browser, queued, reader, room, stored
from tests.test_versions import agrees

LONGER = STORY.replace("A burrow is", "Long ago it was said that a burrow is")  # six words more, before all else
QUOTE = "contains every letter"


def index_of(text: Text, phrase: str) -> int:
    """Return the index of the first word of a phrase in a text as it is now."""
    tokens = [word for passage in text.passages.all() for word in passage.body.split()]
    wanted = phrase.split()
    return next(at for at in range(len(tokens)) if tokens[at:at + len(wanted)] == wanted)


def edit(text: Text, raw: str = LONGER, **choices) -> Text:
    text.refresh_from_db()
    return revise_text(text, TextChoices(raw=raw, title=text.title, **choices), revision=text.revision)


def cited(text: Text, phrase: str, **more) -> dict:
    first = index_of(text, phrase)
    return {"paragraph": 2, "quote": phrase, "fromWordIndex": first, "toWordIndex": first + len(phrase.split()) - 1,
            "verified": True} | more


def place(person) -> tuple:
    return ReadingSession.objects.values_list("word_index", "furthest_word_index", "status").get(
        pk=person.reading_session.pk)


def put(person, **fields) -> None:
    ReadingSession.objects.filter(pk=person.reading_session.pk).update(**fields)


def test_readers_stay_at_their_words(alice, bob, mallory, story):
    for person, phrase, furthest in ((alice, "keeper wrote", "morning the"), (bob, "A burrow", "fox jumps"),
                                     (mallory, "Only the fox", "Only the fox")):
        put(person, word_index=index_of(story, phrase), furthest_word_index=index_of(story, furthest))
    revised = edit(story)
    assert (revised.revision, revised.word_count) == (2, story.word_count + 6)
    assert place(alice)[:2] == (index_of(revised, "keeper wrote"), index_of(revised, "morning the"))
    assert place(bob)[:2] == (index_of(revised, "a burrow"), index_of(revised, "fox jumps"))
    assert place(mallory)[0] == index_of(revised, "Only the fox")  # in another class: it reads the same text
    page = browser(alice).get(f"/read/{alice.reading_session.pk}/", follow=True)
    assert page.status_code == 200 and "The keeper wrote" in page.content.decode()


def test_who_had_finished_has_not_where_there_is_more_to_read(alice, bob, story):
    last = story.word_count - 1
    put(alice, word_index=last, furthest_word_index=last, status="finished")
    put(bob, word_index=3, furthest_word_index=last, status="finished")
    edit(story, STORY + "\n\nChapter 3\nThe Third Page\n\nThe wind knew.\n")
    assert place(alice) == (last, last, "away") and place(bob) == (3, last, "away")
    put(alice, status="finished")
    edit(story, STORY.replace("carried them.", "carried them all."))
    assert place(alice)[2] == "finished"


def test_questions_and_their_quotations_move(alice, story):
    asked = queued(alice, word_index=index_of(story, "pangram"), paragraph=2, state="answered", citations=[
        cited(story, QUOTE), cited(story, "sleep in theirs"), {"paragraph": 4, "quote": "no such words", "verified": False}])
    failed = queued(alice, word_index=0, state="failed", error_code="busy", fallback={
        "responseText": "It says so.", "provider": "passage_helper",
        "citations": [cited(story, "by the light of a small lamp.")]})
    revised = edit(story, LONGER.replace("sleep in theirs", "sleep there").replace("The quick", "A preface.\n\nThe quick"))
    asked.refresh_from_db()
    failed.refresh_from_db()
    assert (asked.word_index, asked.paragraph) == (index_of(revised, "pangram"), 3)
    assert asked.citations == [
        cited(revised, QUOTE, paragraph=3), {"paragraph": 2, "quote": "sleep in theirs", "verified": False},
        {"paragraph": 4, "quote": "no such words", "verified": False}]
    assert failed.fallback["citations"] == [cited(revised, "by the light of a small lamp.", paragraph=4)]


def test_the_focus_of_every_class_moves(carol, trent, story):
    at = index_of(story, "the cards were")
    for person in (carol, trent):
        Classroom.objects.filter(pk=person.classroom.pk).update(focus_text=story, focus_word_index=at)
        Broadcast.objects.create(classroom=person.classroom, kind="focus", target=story, word_index=at, version=7)
    moved = index_of(edit(story), "the cards were")
    assert set(Classroom.objects.values_list("focus_word_index", "version")) == {(moved, 1)}
    assert set(Broadcast.objects.values_list("word_index", flat=True)) == {moved}


def test_other_words_about_the_text_alone_are_no_new_revision(alice, carol, story):
    put(alice, word_index=9)
    story.refresh_from_db()
    same = revise_text(
        story, TextChoices(raw=STORY.replace("\n", "\n\n\n"), title="Renamed", level="ages 6 to 8"), revision=1)
    assert (same.revision, same.title, same.level) == (1, "Renamed", "ages 6 to 8")
    assert Classroom.objects.get(pk=carol.classroom.pk).version == 0 and place(alice)[0] == 9
    assert Text.objects.get().source.body == STORY.replace("\n", "\n\n\n")


def test_a_text_saved_elsewhere_meanwhile_is_not_overwritten(story):
    edit(Text.objects.get())
    with pytest.raises(TextChanged):
        revise_text(Text.objects.get(), TextChoices(raw=STORY), revision=1)
    with pytest.raises(TextChanged):  # saved between the look-up and the lock
        revise_text(story, TextChoices(raw=STORY + " More."), revision=1)
    assert Text.objects.get().revision == 2


def test_an_answer_that_was_under_way_quotes_nothing_from_the_old_text(alice, story):
    queued(alice)
    claim = queue.claim()
    edit(story)
    queue.finish(claim, queue.Answer(
        text="It is.", type="text", provider="passage_helper", citations=[cited(story, "a burrow")]))
    assert Interruption.objects.get().citations == [{"paragraph": 2, "quote": "a burrow", "verified": False}]
    queued(alice)
    claim = queue.claim()
    story.refresh_from_db()
    queue.finish(claim, queue.Answer(
        text="It is.", type="text", provider="passage_helper", citations=[cited(story, "a burrow")]))
    assert Interruption.objects.latest("created_at").citations[0]["verified"]


async def test_open_pages_learn_of_it_and_a_fresh_one_agrees(swift, serving_without_engine, alice, bob, carol, story):
    async with reader(alice) as a, reader(bob) as b, room(carol) as c:
        await a.replied(await a.sends("READING_PROGRESS", {"wordIndex": 40, "rev": 1, "revision": 1}), "PROGRESS_SAVED")
        await a.ask("What is a burrow?")
        pages = [StudentPage(a), StudentPage(b), RoomPage(c)]
        revised = await stored(edit, story)
        for conversation, page in zip((a, b, c), pages, strict=True):
            told = await conversation.hears("TEXT_REVISED")
            assert told["classVersion"] == 1 and told["payload"] == {"text": {
                "id": story.pk, "title": story.title, "words": revised.word_count, "revision": 2}}
            await page.restores()
        fresh = await agrees(alice, pages[0])
        assert (fresh["payload"]["wordIndex"], fresh["payload"]["text"]["revision"]) == (46, 2)
        assert fresh["payload"]["interruptions"][0]["wordIndex"] == 46
        await agrees(bob, pages[1])
        assert pages[2].state["texts"][0] == {
            "id": story.pk, "title": story.title, "words": revised.word_count, "revision": 2,
            "pageStarts": revised.page_starts}
        rows = {row["nickname"]: row["wordIndex"] for row in pages[2].state["students"]}
        assert rows == {"alice": 46, "bob": 0}


async def test_what_was_counted_in_the_old_text_is_refused_and_not_kept(swift, serving_without_engine, alice, story):
    async with reader(alice) as a:
        await stored(edit, story)
        context = {"currentWordIndex": 12, "revision": 1}
        refused = await a.ask("What is a burrow?", context=context)
        assert (refused["type"], refused["payload"]["code"]) == ("ERROR", "STALE_TEXT")
        late = await a.replied(await a.sends("READING_PROGRESS", {"wordIndex": 60, "rev": 1, "revision": 1}), "ERROR")
        assert late["payload"]["code"] == "STALE_TEXT"
        assert await stored(Interruption.objects.count) == 0 and await stored(place, alice) == (0, 0, "reading")
        taken = await a.ask("What is a burrow?", context={"currentWordIndex": 18, "revision": 2})
        assert (taken["type"], taken["payload"]["paragraph"]) == ("INTERRUPTION_ACKNOWLEDGED", 1)


async def test_a_page_that_was_told_nothing_learns_from_its_heartbeat(
        deaf, swift, serving_without_engine, alice, carol, story):
    async with reader(alice) as a, room(carol) as c:
        await stored(edit, story)
        for conversation, page in ((a, StudentPage(a)), (c, RoomPage(c))):
            await conversation.replied(await conversation.sends("PING"), "PONG")
            assert page.is_behind()
            await page.restores()
        assert (await a.replied(await a.sends("RESTORE"), "SESSION_RESTORED"))["payload"]["text"]["revision"] == 2
        last = story.word_count + 5  # a place that only the new text has
        assert (await a.replied(await a.sends("REPEAT_AUDIO", {"fromWordIndex": last}), "RESUME_AUDIO"))


async def test_questions_of_the_very_moment_stand_at_the_right_words(swift, serving_without_engine, alice, bob, story):
    """Each is either moved or refused; none is stored with a place of the old text."""
    async with reader(alice) as a, reader(bob) as b:
        at = await stored(index_of, story, "pangram contains")
        editing = asyncio.create_task(stored(edit, story))
        answers = []
        for number in range(5):
            for conversation in (a, b):
                answers.append(await conversation.ask(
                    f"What is a pangram, number {number}?", context={"currentWordIndex": at, "revision": 1}))
        revised = await editing
    kinds = {answer["type"] if answer["type"] != "ERROR" else answer["payload"]["code"] for answer in answers}
    assert kinds <= {"INTERRUPTION_ACKNOWLEDGED", "STALE_TEXT"}
    places = await stored(lambda: set(Interruption.objects.values_list("word_index", flat=True)))
    assert places <= {await stored(index_of, revised, "pangram contains")}


def test_a_write_that_waited_for_the_edit_sees_the_new_text(alice, story):
    """PostgreSQL would join the old text to the session it waited for."""
    if not connection.features.has_select_for_update:
        pytest.skip("SQLite has one writer, who reads after the lock")
    import threading

    from classrooms.database import transaction
    from sessions import messages
    from sessions.services import reading
    from sessions.writes import run_batch
    waits, outcomes = threading.Event(), []

    def write():
        waits.set()
        outcomes.extend(run_batch([reading.progress(
            alice.reading_session.pk, messages.ReadingProgress(word_index=40, rev=1, revision=1))])[0])
        connection.close()

    with transaction():
        edit(story)
        thread = threading.Thread(target=write)
        thread.start()
        waits.wait()
        with connection.cursor() as cursor:  # until the other connection waits for our locks
            while True:
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
                if cursor.fetchone()[0]:
                    break
                cursor.execute("SELECT pg_sleep(0.01)")
    thread.join()
    assert [outcome.code for outcome in outcomes] == ["STALE_TEXT"] and place(alice)[0] == 0


def test_a_page_without_scripts_of_the_old_text_moves_nobody(alice, story):
    put(alice, word_index=20)
    edit(story)
    path = f"/read/{alice.reading_session.pk}/progress/"
    assert browser(alice).post(path, {"word_index": 60, "revision": 1})["Location"].endswith("/page/1/")
    assert place(alice)[0] == 26
    browser(alice).post(path, {"word_index": 60, "revision": 2})
    assert place(alice)[0] == 60


def test_the_tutor_reads_the_new_words(alice, story):
    edit(story)
    story.refresh_from_db()
    assert "Long ago" in " ".join(paragraph.text for paragraph in texts.paragraphs(story.pk, story.revision))


def test_a_class_of_readers_moves_in_a_fixed_number_of_statements(alice, story, django_assert_max_num_queries):
    now = timezone.now()
    Interruption.objects.bulk_create(Interruption(
        reading_session=alice.reading_session, enrollment=alice.enrollment, classroom=alice.classroom, text=story,
        paragraph=2, word_index=30, question_text="What is it?", created_at=now, changed_at=now, state="answered",
        citations=[cited(story, QUOTE)]) for _ in range(400))
    with django_assert_max_num_queries(40):
        edit(story)
    assert set(Interruption.objects.values_list("word_index", flat=True)) == {36}
