"""A child who writes of dying or of being hurt gets a card at once, and the teacher sees it first. No model reads it."""

import dataclasses
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from sessions.models import Interruption, ReadingSession
from sessions.safety import SELF_HARM, plain, worry_in
from sessions.services import snapshots
from tests.people import browser, queued, reader, room, stored

WORRYING = """
I want to die
i wanna die!!!
I really just want to die.
I wish I was dead
i wish i were never born
I wish I had never been born
i wish i wasn't alive
I wish I didn’t exist
I want to kill myself
I'm going to kill my self
i sometimes think about killing myself
I want to k1ll myself
i want to d1e
I tried to kill myself
i want to unalive myself
i'm gonna kms
I want to hurt myself
I've been cutting myself
i cut myself on purpose
I hurt myself when I feel sad
I started slitting my wrists
I self-harm
I'm suicidal
i feel suicidal
I have suicidal thoughts
i keep thinking about suicide
I want to commit suicide
I want to end my life
I want to take my own life
I'm thinking of ending my life
I want to end it all
I’m going to end it all
im gonna end it all tonight
I keep thinking about ending it all
I don't want to live anymore
i dont want to live
I don't want to be alive
I don’t want to be here any more
I want to go to sleep and never wake up
I have nothing to live for
my life is not worth living
everyone would be better off without me
They would be happier if I was dead
nobody would care if I died
No one would miss me if I was gone
I'd rather be dead
I deserve to die
sometimes i feel like dying
i want to jump off a bridge
I want to take all my mum's pills
how do i kill myself
how to kill yourself
what is the easiest way to commit suicide
My best friend said she wants to die
my friend wants to kill herself
my sister is cutting herself
What is a burrow? I want to die.
I want to di\u200be
I want to kíll myself
""".strip().splitlines()

HARMLESS = """
What is a burrow?
Why did he kill himself?
he killed himself laughing
I killed myself laughing
I want to die laughing
I could die laughing
I wanted to die of embarrassment
I'm dying of boredom
I was dying to know what happens
I'd die for a pizza
this homework is killing me
Why did Juliet want to die?
How does he commit suicide?
Why do people commit suicide?
What is suicide?
Who killed himself in the story?
He wants to end it all, why?
Is he going to end it all?
How does it all end?
The author says everyone would be better off without him
Is the fox dead?
how did she die
I want to know who dies
I want the wolf to die
i think the king should die
I hope the dog will not die
I want to. Die is a word I know?
I don't want to die
Do I need to die in the game?
I don't want to live in a lighthouse
I would not want to live there
I hurt myself on the playground
i cut myself on the paper
Can I cut myself a slice of cake?
I taught myself to read
I ask myself why he left
I want to jump off the bed like Nell
how many kms is it to the lighthouse?
I wish I was a fox
I was born in May
Who would care if I read on?
My friend wants to know why the fox died
I will be gone tomorrow
I can't go on reading
""".strip().splitlines()

WERTHER = ["He wept. “I want to die,” he said, and nobody heard.", "In the end he killed himself laughing."]


def worry(typed, text=()):
    return worry_in(typed, book=lambda: plain(" ".join(text)))


@pytest.mark.parametrize("typed", WORRYING)
def test_who_means_it_is_heard(typed):
    assert worry(typed) == SELF_HARM


@pytest.mark.parametrize("typed", HARMLESS)
def test_who_asks_about_a_story_or_exaggerates_is_not_interrupted(typed):
    assert worry(typed) == ""


@pytest.mark.parametrize("typed", [
    "What does “I want to die” mean?", "why does he say i want to die", "Who said: I want to die?",
    "Is \"I want to die\" a good sentence?"])
def test_the_text_s_own_words_asked_about_are_no_worry(typed):
    assert worry(typed, WERTHER) == ""
    assert worry(typed) == SELF_HARM  # where the text does not say it, the child does


@pytest.mark.parametrize("typed", [
    "I want to die", "i want to die like him", "Why did he say I want to die? I want to die too",
    "What does “I want to kill myself” mean?"])
def test_the_text_s_words_said_as_one_s_own_are(typed):
    assert worry(typed, WERTHER) == SELF_HARM


def test_the_text_is_looked_at_for_a_phrase_only():
    def never():
        raise AssertionError

    assert worry_in("What is a burrow?", "a home?", book=never) == ""
    assert worry_in("Why?", "because I want to die", book=never) == SELF_HARM


@pytest.mark.parametrize("typed", ["a ", "i i ", "i think ", "i have been so like that ", "i wish i ", "my friend says ",
                                   "\u0301", "1", "my self "])
def test_long_nonsense_is_read_too(typed):
    assert worry((typed * 2_000)[:2_000]) == ""


async def test_the_card_comes_at_once_and_no_model_reads_the_question(serving, settings, alice, bob, carol, model):
    settings.HELP_CARD = "Childline: 116 111, day and night."
    async with reader(alice) as a, reader(bob) as b, room(carol) as c:
        acknowledged = await a.ask("I want to die")
        answered = await a.hears("INTERRUPTION_RESPONSE")
        card = answered["payload"]
        assert answered["version"] == acknowledged["version"] + 1
        assert (card["provider"], card["responseType"], card["citations"]) == ("help_card", "text", [])
        assert "talk to a grown-up you trust" in card["responseText"] and card["responseText"].endswith(settings.HELP_CARD)
        assert "teacher can see" in card["responseText"]
        assert [suggestion["action"] for suggestion in card["suggestions"]] == ["continue"]
        seen = (await c.hears("INTERRUPTION_ANSWERED"))["payload"]["interruption"]
        assert (seen["nickname"], seen["flag"], seen["questionText"]) == ("alice", "self_harm", "I want to die")
        await a.ask("What is a burrow?")
        await a.answer()
        later = (await c.hears("INTERRUPTION_OPENED"))["payload"]["interruption"]
        assert "flag" not in later
        assert await b.hears_nothing()
    assert [request.question for request in model.requests] == ["What is a burrow?"]


async def test_it_needs_no_engine_and_can_be_resent(serving_without_engine, alice):
    async with reader(alice) as a:
        first = await a.ask("I want to die", id="9f0a7d9e-6f4f-4a39-8d57-1d4e5d2f1a01")
        assert first["payload"]["queuePosition"] == 0
        await a.hears("INTERRUPTION_RESPONSE")
        again = await a.ask("I want to die", id="9f0a7d9e-6f4f-4a39-8d57-1d4e5d2f1a01")
        assert again["payload"] == first["payload"]
    row = await stored(Interruption.objects.get)
    assert (row.state, row.flag, row.attempt, row.claimed_at) == ("answered", "self_harm", 0, None)
    assert (await stored(ReadingSession.objects.get, pk=alice.reading_session.pk)).version == 2
    async with reader(alice) as back:
        (view,) = back.snapshot["payload"]["interruptions"]
        assert view["provider"] == "help_card" and "flag" not in view  # what the teacher is told is the teacher's


async def test_a_thought_beside_the_question_is_read_too(serving_without_engine, alice):
    async with reader(alice) as a:
        await a.ask("Why is he sad?", studentThought="like me, i dont want to live anymore")
        assert (await a.hears("INTERRUPTION_RESPONSE"))["payload"]["provider"] == "help_card"


async def test_who_asked_too_much_is_heard_all_the_same_but_floods_nobody(serving_without_engine, settings, alice):
    settings.LIMITS = dataclasses.replace(settings.LIMITS, questions_per_minute=2)
    async with reader(alice) as a:
        for _ in range(2):
            assert (await a.ask("What is a burrow?"))["type"] == "INTERRUPTION_ACKNOWLEDGED"
        assert (await a.ask("What is a fox?"))["payload"]["code"] == "RATE_LIMITED"
        assert (await a.ask("I want to die"))["type"] == "INTERRUPTION_ACKNOWLEDGED"
        assert (await a.ask("I want to die now"))["payload"]["code"] == "RATE_LIMITED"
    assert await stored(Interruption.objects.exclude(flag="").count) == 1


async def test_a_text_is_made_plain_once_however_often_it_is_asked_about(
        serving_without_engine, monkeypatch, alice, bob):
    """In the writer of everybody's questions a whole novel would be read for each of one child's."""
    read = []
    monkeypatch.setattr("sessions.safety.plain", lambda text: read.append(text) or plain(text))
    async with reader(alice) as a, reader(bob) as b:
        for conversation in (a, a, b):
            await conversation.ask("What does “I want to die” mean?")
    assert [len(text) > 200 for text in read].count(True) == 1


def test_the_room_shows_it_however_much_was_asked_since(alice, bob, carol):
    now = timezone.now()
    for number in range(60):
        queued(bob, created_at=now - timedelta(minutes=number))
    flagged = queued(alice, state="answered", flag="self_harm", created_at=now - timedelta(days=6), finished_at=now)
    queued(alice, state="answered", flag="self_harm", created_at=now - timedelta(days=8), finished_at=now)
    shown = snapshots.classroom_state(carol.classroom).interruptions
    assert len(shown) == 51 and shown[-1].interruption_id == flagged.pk and shown[-1].flag == "self_harm"


def test_the_student_s_page_says_it(alice, carol):
    path = f"/classes/{carol.classroom.pk}/students/{alice.enrollment.pk}/"
    queued(alice)
    assert b"history-flag" not in browser(carol).get(path).content
    queued(alice, "I want to die", state="answered", flag="self_harm", provider="help_card", response_text="Please talk.")
    page = browser(carol).get(path).content.decode()
    assert "history-flag" in page and "please talk to them" in page.lower() and "A fixed message, not AI" in page


@given(st.text("aAZ my self.!?\n'`_-*,1 4\t\x1c", max_size=20))
def test_english_letters_are_read_by_the_shorter_way_as_all_others_are(typed):
    """An accent sends it the longer way."""
    assert plain(f"{typed} é") == f"{plain(typed)} e".lstrip()
